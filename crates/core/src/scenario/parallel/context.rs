//! What context parallelism of PyTorch can run (`torch.distributed.tensor.experimental.context_parallel`), as far as it is followed.

use super::super::{
    Attention, Compile, KvCache, Method, Padding, Recipe, Rotate, Scenario, Stack, divides, none_refused,
};
use super::DataParallel;
use crate::error::Error;
use crate::units::Count;

impl Scenario {
    /// Ways among which each sequence is split by a ring other than Megatron-LM's; 1 where it isn't.
    pub(crate) fn ring(&self) -> u64 {
        let is_on = self.parallel.is_on() && self.parallel.data != DataParallel::Megatron;
        if is_on { self.parallel.mesh.context.get().max(1) } else { 1 }
    }

    /// Sequences that can be dealt out evenly, and what the ring has been followed with.
    pub(super) fn check_context(&self) -> Result<(), Error> {
        let ring = self.ring();
        if ring == 1 {
            return Ok(());
        }
        let a = &self.model.architecture;
        let mesh = &self.parallel.mesh;
        let sequence = self.sequence_length.get();
        // Each rank has two pieces, one of the beginning and one of the end (`_load_balancer.py`).
        let pieces = ring.saturating_mul(2);
        divides("s", sequence, "cp", pieces)?;
        let is_16_bit = self.recipe == Recipe::Bf16 || self.recipe == Recipe::FsdpMixed;
        let is_followed = !a.family.is_masked() && a.has_rope() && !a.has_other_layers();
        let window = a.window.map(|window| window.to_string()).unwrap_or_default();
        let latent = a.latent.map(|latent| latent.rank.to_string()).unwrap_or_default();
        let checks = [
            (mesh.tensor > Count::ONE, "tp", mesh.tensor.to_string(), "1"),
            (mesh.pipeline > Count::ONE, "pp", mesh.pipeline.to_string(), "1"),
            (mesh.rotate == Rotate::Ulysses, "cp_rotate", mesh.rotate.key().to_owned(), "allgather"),
            (
                matches!(
                    self.parallel.data,
                    DataParallel::Fsdp1 | DataParallel::Ddp | DataParallel::DdpZero1
                ),
                "dp",
                self.parallel.data.key().to_owned(),
                "fsdp2",
            ),
            (!is_followed, "family", a.family.key().to_owned(), "llama"),
            (a.window.is_some(), "window", window, "0"),
            (a.latent.is_some(), "latent", latent, "0"),
            (a.attention_softcap, "attn_softcap", "1".to_owned(), "0"),
            (!is_16_bit, "recipe", self.recipe.key().to_owned(), "fsdp-mp"),
            (
                self.objective.method != Method::CausalLm,
                "objective",
                self.objective.word().to_owned(),
                "causal_lm",
            ),
            (self.attention != Attention::Sdpa, "attention", self.attention.key().to_owned(), "sdpa"),
            (self.padding != Padding::None, "padding", self.padding.key().to_owned(), "none"),
            (self.lora.is_on(), "peft", self.lora.method.key().to_owned(), "off"),
            (self.kv_cache == KvCache::Filled, "kv_cache", self.kv_cache.key().to_owned(), "off"),
            (self.stack != Stack::Current, "stack", self.stack.key().to_owned(), "current"),
            (self.kernels.compile != Compile::Off, "compile", self.kernels.compile.key().to_owned(), "off"),
        ];
        none_refused(&checks)
    }
}
