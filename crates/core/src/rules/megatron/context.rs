//! Context parallelism around attention (`context_parallel.py`): what the ranks exchange, and what is kept of it.

use super::attention::Heads;
use super::{Writer, made};
use crate::ledger::{Dim, Dims, Module, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// All-to-alls (`--cp-comm-type a2a`, `AttnFuncWithCPAndQKVOA2A`) exchange heads for tokens: what they have made of queries, keys and
    /// values, as large as these, is kept, and attention's output beside what the last of them makes of that.
    pub(super) fn exchanged_attention(
        &mut self,
        heads: Heads,
        output: Storage,
        statistics: Storage,
        gradients: &[Step],
    ) -> Var {
        let exchanged = [heads.query, heads.key, heads.value].map(|var| {
            let storage = self.tape.storage(var);
            // What is sent has a layout of its own.
            self.tape.scratch(storage);
            self.tape.constant(storage)
        });
        let [statistics, inner] = [statistics, output].map(|storage| self.tape.constant(storage));
        let kept = [exchanged.as_slice(), &[statistics, inner]].concat();
        let steps = [&[Self::temporary(output)], gradients].concat();
        let result = self.tape.operator(output, &kept, &steps);
        for var in kept {
            self.tape.drop(var);
        }
        result
    }

    /// Keys and values go around the ring (`--cp-comm-type p2p`, `AttnFuncWithCPAndKVP2P`): forward holds those of every rank and the output of
    /// every step until the outputs have been put together, and keeps the last keys and values. The rank that is looked at is the last one,
    /// whose steps are all of whole queries. Backward sends keys, values and their gradients on from one of two buffers. Derived, not
    /// measured.
    pub(super) fn ring_attention(
        &mut self,
        heads: Heads,
        output: Storage,
        statistics: Storage,
        gradients: &[Step],
    ) -> Var {
        let ways = self.rank.context;
        let elements = |var| self.tape.storage(var).dims.product();
        let both = elements(heads.key).saturating_add(elements(heads.value));
        let of_ring = |times: u64| {
            let dims = [Dim::number(times), Dim::number(both)];
            made(Module::Attention, What::Gathered, &dims, Dtype::Bf16)
        };
        let kept_pair = self.tape.constant(of_ring(1));
        let others = self.tape.constant(of_ring(ways.saturating_sub(1)));
        let each_step = |storage: Storage| {
            let dims = Dims::new(&[Dim::number(ways), Dim::number(storage.dims.product())]);
            Storage { dims, ..storage }
        };
        let steps = [output, statistics].map(|storage| self.tape.constant(each_step(storage)));
        let statistics = self.tape.constant(statistics);
        let backward = [&[Self::temporary(of_ring(4))], gradients].concat();
        let kept = [heads.query, kept_pair, statistics];
        let result = self.tape.operator_keeping_output(output, &kept, &backward);
        for var in [kept_pair, others, statistics].into_iter().chain(steps) {
            self.tape.drop(var);
        }
        result
    }
}
