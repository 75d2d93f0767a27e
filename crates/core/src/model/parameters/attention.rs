//! Projections and norms of attention, latent attention too.

use super::{List, Place};
use crate::ledger::{Dim, Module, Symbol};
use crate::model::{Architecture, Family, Latent, QkNorm};

impl List<'_> {
    pub(super) fn attention(&mut self, hidden: Dim) {
        let a = self.architecture;
        let head_dim = Dim::new(Symbol::HeadDim, a.head_dim.get());
        let query = [Dim::new(Symbol::Heads, a.heads.get()), head_dim];
        let key = [Dim::new(Symbol::KvHeads, a.kv_heads.get()), head_dim];
        let place = if a.recurrent.is_some() { Place::AttentionLayer } else { Place::Layer };
        if let Some(latent) = a.latent {
            self.latent(hidden, &latent);
            return;
        }
        if has_one_qkv(a) {
            let all_heads = a.heads.get().saturating_add(a.kv_heads.get().saturating_mul(2));
            let fused = [Dim::new(Symbol::QkvHeads, all_heads), head_dim];
            self.linear_at(place, Module::QkvProj, &fused, &[hidden], a.qkv_bias);
        } else {
            // Beside the queries, what the output is multiplied by.
            let gated = [Dim::number(2), query[0], query[1]];
            let of_query = if a.family.gates_attention() { &gated[..] } else { &query };
            self.linear_at(place, Module::QProj, of_query, &[hidden], a.qkv_bias);
            self.linear_at(place, Module::KProj, &key, &[hidden], a.qkv_bias);
            self.linear_at(place, Module::VProj, &key, &[hidden], a.qkv_bias);
        }
        self.linear_at(place, Module::OProj, &[hidden], &query, a.output_bias);
        if a.family.has_sinks() {
            self.vector(place, Module::Sinks, &query[..1]);
        }
        match a.qk_norm() {
            QkNorm::None | QkNorm::WithoutWeights => {}
            QkNorm::Heads | QkNorm::HeadsAfterRope => {
                self.norm(place, Module::QNorm, head_dim);
                self.norm(place, Module::KNorm, head_dim);
            }
            QkNorm::Wide => {
                self.norm(place, Module::QNorm, Dim::number(a.query_width()));
                self.norm(place, Module::KNorm, Dim::number(a.kv_width()));
            }
        }
    }

    /// `DeepseekV2Attention`.
    fn latent(&mut self, hidden: Dim, latent: &Latent) {
        let a = self.architecture;
        let heads = Dim::new(Symbol::Heads, a.heads.get());
        let query = [heads, Dim::new(Symbol::HeadDim, a.head_dim.get())];
        if let Some(rank) = latent.query_rank {
            let rank = Dim::new(Symbol::QueryRank, rank.get());
            self.linear(Module::QAProj, &[rank], &[hidden], a.qkv_bias);
            self.norm(Place::Layer, Module::QANorm, rank);
            self.linear(Module::QBProj, &query, &[rank], false);
        } else {
            self.linear(Module::QProj, &query, &[hidden], false);
        }
        let rank = Dim::new(Symbol::LatentRank, latent.rank.get());
        let compressed = Dim::number(latent.rank.get().saturating_add(a.rotary_dim().get()));
        self.linear(Module::KvAProj, &[compressed], &[hidden], a.qkv_bias);
        self.norm(Place::Layer, Module::KvANorm, rank);
        let both = Dim::number(a.plain_dim().saturating_add(latent.value.get()));
        self.linear(Module::KvBProj, &[heads, both], &[rank], false);
        let value = Dim::new(Symbol::ValueDim, latent.value.get());
        self.linear(Module::OProj, &[hidden], &[heads, value], a.output_bias);
    }
}

/// Whether one projection makes q, k and v: `Phi3Attention.qkv_proj`, `GPT2Attention.c_attn`, `GPTBigCodeAttention.c_attn`,
/// `GPTNeoXAttention.query_key_value`, `BloomAttention.query_key_value`, `ModernBertAttention.Wqkv`.
pub(crate) fn has_one_qkv(architecture: &Architecture) -> bool {
    architecture.family.has_fused_qkv()
        || matches!(
            architecture.family,
            Family::Gpt2
                | Family::GptBigCode
                | Family::Falcon
                | Family::Bloom
                | Family::GptNeox
                | Family::ModernBert
        )
}
