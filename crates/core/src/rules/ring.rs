//! Attention of which each rank has a part of the sequence: keys and values go around (`_templated_ring_attention`,
//! `torch/distributed/tensor/experimental/_context_parallel/_attention.py`). PARALLEL section 8.

use super::Writer;
use super::attention::Heads;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::plan::Ring;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// Keeps what flash attention keeps, once for all rounds. Backward is at its largest in the second round: gradients in fp32, those of
    /// keys and values again as they are sent and as they have come; keys and values as they were sent and as they have come; the first
    /// round's gradients, still named; and the kernel's own, of the half of the queries that see other ranks' keys.
    pub(crate) fn ring_attention(&mut self, heads: Heads, ring: &Ring, has_fewer_keys: bool) -> Var {
        let statistics = Dims::new(&[self.pass.batch(), self.pass.heads(), self.pass.sequence()]);
        let query = self.query_dims();
        let keys =
            if has_fewer_keys { self.rows(&[self.pass.kv_heads(), self.pass.head_dim()]) } else { query };
        let compute = self.pass.compute();
        let of = |times: u64, dims: Dims, what, dtype, gradient| {
            let name = Name { gradient, ..self.name(Module::Attention, what) };
            let storage = self.temporary(Module::Attention, what, dims.times(Dim::number(times)), dtype);
            Step::Temporary(Storage { name, ..storage })
        };
        let rounds = if ring.gathers { ring.ways } else { 1 };
        let mut steps = vec![
            of(1, query, What::Query, Dtype::Fp32, true),
            of(2, keys, What::Key, Dtype::Fp32, true),
            of(2, keys, What::Input, Dtype::Fp32, true),
            of(2, keys, What::Received, Dtype::Fp32, true),
            of(2, keys, What::Input, compute, false),
            of(rounds.saturating_mul(2), keys, What::Received, compute, false),
            of(1, query, What::Query, compute, true),
            of(2, keys, What::Key, compute, true),
        ];
        let half = self.temporary(Module::Attention, What::Accumulator, query, compute);
        steps.push(Step::Temporary(half));
        if has_fewer_keys {
            let expanded = self.temporary(Module::Attention, What::KeyExpanded, query, compute);
            steps.extend([Step::Temporary(expanded), Step::Temporary(expanded)]);
        }
        self.attention_kernel(heads, statistics, None, steps)
    }
}
