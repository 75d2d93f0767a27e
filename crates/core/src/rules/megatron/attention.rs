//! `SelfAttention` with Transformer Engine's fused attention (cuDNN; `attention/dot_product_attention/backends.py`, `FusedAttnFunc`).
//!
//! Queries are copied out of the common projection, rotated by a kernel that keeps nothing of them (`fused_apply_rotary_pos_emb`), and so are
//! keys; values are made contiguous (`utils.py`, `get_qkv_layout`: no common layout), so that the projection's output is let go. Attention
//! keeps queries, keys, values, its output and the softmax's statistics.

use super::{Writer, made};
use crate::ledger::{Module, Symbol, What};
use crate::model::QkNorm;
use crate::scenario::{Attention, Checkpointing, Rotate};
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// What attention reads.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub(super) query: Var,
    pub(super) key: Var,
    pub(super) value: Var,
}

impl Writer<'_> {
    pub(super) fn attention(&mut self, x: Var) -> Var {
        let rank = self.rank;
        let a = &rank.architecture;
        let width = [
            rank.part(Symbol::QkvHeads, a.heads.get().saturating_add(2 * a.kv_heads.get())),
            rank.head_dim(),
        ];
        let projected = self.norm_column(x, Module::InputNorm, Module::QkvProj, &width);
        // One node hands out views of queries, keys and values, and puts their gradients together (`SplitAlongDim`).
        let gradient = self.gradient(projected);
        let parts = self.tape.view(projected, &[], &[gradient]);
        self.tape.drop(projected);
        let query_dims = [rank.heads(), rank.head_dim()];
        let key_dims = [rank.kv_heads(), rank.head_dim()];
        let query = self.whole(Module::Attention, What::Query, &query_dims);
        let mut query = self.tape.operator(query, &[], &[Step::Pass(parts)]);
        let mut key = self.tape.view(parts, &[], &[Step::Join(parts)]);
        let key_storage = self.whole(Module::Attention, What::Key, &key_dims);
        self.tape.describe(key, key_storage);
        if a.qk_norm() == QkNorm::Heads {
            let copy = self.whole(Module::KNorm, What::Contiguous, &key_dims);
            let contiguous = self.copied(key, copy);
            self.tape.drop(key);
            key = self.norm_of_heads(contiguous, Module::KNorm);
            query = self.norm_of_heads(query, Module::QNorm);
        }
        if a.has_rope() {
            query = self.rotated(query);
            key = self.rotated(key);
        } else {
            let contiguous = self.copied(key, key_storage);
            self.tape.drop(key);
            key = contiguous;
        }
        let value = self.whole(Module::Attention, What::Value, &key_dims);
        let value = self.tape.operator(value, &[], &[Step::Join(parts)]);
        self.tape.drop(parts);
        let output = self.core_attention(Heads { query, key, value });
        let projected = self.row(output, Module::OProj);
        self.tape.drop(output);
        projected
    }

    /// Takes over the caller's `x`.
    fn norm_of_heads(&mut self, x: Var, module: Module) -> Var {
        let normed = self.norm(x, module);
        self.tape.drop(x);
        normed
    }

    /// Takes over the caller's `x`.
    fn rotated(&mut self, x: Var) -> Var {
        let storage = self.tape.storage(x);
        let rotated = self.copied(x, storage);
        self.tape.drop(x);
        rotated
    }

    /// Takes over queries, keys and values.
    pub(super) fn core_attention(&mut self, heads: Heads) -> Var {
        let rank = self.rank;
        if rank.attention == Attention::Eager {
            return self.unfused_attention(heads);
        }
        let Heads { query, key, value } = heads;
        let value_dim =
            self.tape.storage(value).dims.as_slice().last().copied().unwrap_or_else(|| rank.head_dim());
        let output = self.whole(Module::Attention, What::Output, &[rank.heads(), value_dim]);
        let statistics = made(
            Module::Attention,
            What::LogSumExp,
            &[rank.batch(), rank.heads(), rank.sequence()],
            Dtype::Fp32,
        );
        let gradients = [query, key, value].map(|var| self.gradient(var));
        let result = if rank.context > 1 {
            let heads = Heads { query, key, value };
            if rank.rotate == Rotate::Ulysses {
                self.exchanged_attention(heads, output, statistics, &gradients)
            } else {
                self.ring_attention(heads, output, statistics, &gradients)
            }
        } else if rank.checkpointing == Checkpointing::SelectiveAttention {
            // `_checkpointed_attention_forward` keeps what it reads, and makes the output and its statistics again.
            self.tape.scratch(statistics);
            let steps =
                [&[Self::temporary(output), Self::temporary(statistics)], gradients.as_slice()].concat();
            self.tape.operator(output, &[query, key, value], &steps)
        } else {
            let statistics = self.tape.constant(statistics);
            let kept = [query, key, value, statistics];
            let result = self.tape.operator_keeping_output(output, &kept, &gradients);
            self.tape.drop(statistics);
            result
        };
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        result
    }
}
