//! `MLASelfAttention` (`transformer/multi_latent_attention.py`): narrow projections that every rank makes whole, wide ones that are split by
//! heads, each behind its norm.
//!
//! The kernels of rotary positions (`fusions/fused_mla_yarn_rope_apply.py`) rotate queries in place, and make keys and values of what the
//! wide projection has made, which is then let go.

use super::Writer;
use super::attention::Heads;
use crate::ledger::{Dim, Module, Symbol, What};
use crate::tape::{Step, Var};

impl Writer<'_> {
    pub(super) fn latent_attention(&mut self, x: Var) -> Var {
        let rank = self.rank;
        let a = &rank.architecture;
        let Some(latent) = a.latent else { return self.attention(x) };
        let normed = self.norm(x, Module::InputNorm);
        let query_dims = [rank.heads(), rank.head_dim()];
        let query = match latent.query_rank {
            Some(width) => {
                let width = Dim::new(Symbol::QueryRank, width.get());
                let narrow = self.duplicated(normed, Module::QAProj, width);
                let wide = self.norm_column(narrow, Module::QANorm, Module::QBProj, &query_dims);
                self.tape.drop(narrow);
                wide
            }
            None => self.column(normed, Module::QProj, &query_dims),
        };
        let narrow = Dim::new(Symbol::LatentRank, latent.rank.get());
        let with_rope = Dim::number(latent.rank.get().saturating_add(a.rotary_dim().get()));
        let both = self.duplicated(normed, Module::KvAProj, with_rope);
        self.tape.drop(normed);
        // The layer behind wants its input contiguous (`prepare_forward`).
        let copy = self.short(Module::KvANorm, What::Contiguous, &[narrow]);
        let narrow = self.copied(both, copy);
        let value_dim = Dim::new(Symbol::ValueDim, latent.value.get());
        let wide = [rank.heads(), Dim::number(a.plain_dim().saturating_add(latent.value.get()))];
        let wide = self.norm_column(narrow, Module::KvANorm, Module::KvBProj, &wide);
        self.tape.drop(narrow);
        let query = {
            let rotated = self.tape.view(query, &[], &[Step::Pass(query)]);
            self.tape.drop(query);
            rotated
        };
        let key = self.whole(Module::Attention, What::Key, &query_dims);
        let value = self.whole(Module::Attention, What::Value, &[rank.heads(), value_dim]);
        let gradient = self.gradient(wide);
        let key = self.tape.operator(key, &[], &[gradient]);
        let value = self.tape.operator(value, &[], &[Step::Join(wide)]);
        self.tape.drop(wide);
        self.tape.drop(both);
        let output = self.core_attention(Heads { query, key, value });
        let projected = self.row(output, Module::OProj);
        self.tape.drop(output);
        projected
    }
}
