//! Megatron's own attention (`transformer/dot_product_attention.py`, `DotProductAttention`): scores as one matrix, the fused softmax, which
//! keeps its result (`fusions/fused_softmax.py`), dropout, and a second product.
//!
//! Reducing Activation Recomputation in Large Transformer Models (arXiv 2205.05198), section 4.1, counts the same: 5as²b.

use super::attention::Heads;
use super::{Writer, made};
use crate::ledger::{Module, What};
use crate::scenario::Checkpointing;
use crate::tape::{Step, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// Takes over queries, keys and values.
    pub(super) fn unfused_attention(&mut self, heads: Heads) -> Var {
        let rank = self.rank;
        let Heads { query, key, value } = heads;
        let pairs = [rank.batch(), rank.heads(), rank.sequence(), rank.sequence()];
        let of_pairs = |what, dtype| made(Module::Attention, what, &pairs, dtype);
        let width =
            self.tape.storage(value).dims.as_slice().last().copied().unwrap_or_else(|| rank.head_dim());
        let context = self.whole(Module::Attention, What::Output, &[rank.heads(), width]);
        let drops = rank.architecture.attention_dropout;
        let (scores, softmax) = (of_pairs(What::Scores, Dtype::Bf16), of_pairs(What::Softmax, Dtype::Bf16));
        let (mask, dropped) =
            (of_pairs(What::DropoutMask, Dtype::Bool), of_pairs(What::Selected, Dtype::Bf16));
        let gradients = [query, key, value].map(|var| self.gradient(var));
        let result = if rank.checkpointing == Checkpointing::SelectiveAttention {
            // `_checkpointed_attention_forward` keeps what it reads, and makes all of it again.
            let made_again = [softmax, mask, dropped].into_iter().take(if drops { 3 } else { 1 });
            made_again.clone().for_each(|storage| self.tape.scratch(storage));
            let steps: Vec<Step> = made_again.map(Self::temporary).chain(gradients).collect();
            self.tape.operator(context, &[query, key, value], &steps)
        } else {
            let [of_query, of_key, of_value] = gradients;
            let scores = self.tape.operator(scores, &[query, key], &[of_query, of_key]);
            let gradient = self.gradient(scores);
            let softmax = self.tape.operator_keeping_output(softmax, &[], &[gradient]);
            self.tape.drop(scores);
            let gradient = self.gradient(softmax);
            let read = if drops {
                let mask = self.tape.constant(mask);
                let read = self.tape.operator_keeping_results(dropped, &[mask], &[gradient]);
                self.tape.drop(mask);
                self.tape.drop(softmax);
                read
            } else {
                softmax
            };
            let gradient = self.gradient(read);
            let by_heads = self.tape.operator(context, &[read, value], &[gradient, of_value]);
            self.tape.drop(read);
            let result = self.copied(by_heads, context);
            self.tape.drop(by_heads);
            result
        };
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        result
    }
}
