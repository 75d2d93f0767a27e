//! What tensor parallelism splits, as far as it is followed: torchtitan's plan on models with Llama's module names.

use super::super::{
    Attention, Checkpointing, Compile, DataParallel, Ema, Held, KvCache, LossKernel, Method, Optimizer,
    Padding, Recipe, Scenario, Stack, all_followed, splittable, unsupported,
};
use crate::error::{Error, Field};
use crate::model::{Family, Mixer};

/// Families of which PyTorch has run the plan.
const fn has_names_of_llama(family: Family) -> bool {
    matches!(
        family,
        Family::Llama
            | Family::Mistral
            | Family::Ministral
            | Family::Ministral3
            | Family::Qwen2
            | Family::Qwen3
            | Family::Gemma
            | Family::Gemma2
            | Family::Gemma3Text
            | Family::Granite
            | Family::Cohere
            | Family::Cohere2
            | Family::Olmo
            | Family::Smollm3
            | Family::Ernie45
            | Family::HunyuanDense
            | Family::SeedOss
            | Family::Helium
    )
}

impl Scenario {
    pub(super) fn check_tensor_parallel(&self) -> Result<(), Error> {
        self.check_split_model()?;
        self.check_split_run()?;
        self.check_divisions()
    }

    /// Decoders whose layers have `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj`, `up_proj` and `down_proj`, and whose attention asks no
    /// configuration for the number of heads.
    fn check_split_model(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let positions = a.positions.map(|positions| positions.to_string()).unwrap_or_default();
        let experts = a.experts.map(|experts| experts.count.to_string()).unwrap_or_default();
        let latent = a.latent.map(|latent| latent.rank.to_string()).unwrap_or_default();
        all_followed(&[
            (
                has_names_of_llama(a.family),
                "family",
                a.family.key(),
                &["llama", "mistral", "qwen2", "qwen3", "gemma"],
            ),
            (!a.embedding_dropout, "embd_drop", "1", &["0"]),
            (!a.residual_dropout, "resid_drop", "1", &["0"]),
            (!a.attention_dropout, "attn_drop", "1", &["0"]),
            (a.experts.is_none(), "experts", &experts, &["0"]),
            (a.latent.is_none(), "latent", &latent, &["0"]),
            (a.positions.is_none(), "positions", &positions, &["0"]),
        ])?;
        all_followed(&splittable(a))?;
        // `SequenceParallel` has to be said of each norm; the plan has two a layer. Masks are made for as many tokens as the first layer
        // reads, which here is a part of the sequence (`create_causal_mask`).
        let reaches = a.window.is_some_and(|window| self.sequence_length >= window);
        let has_mask =
            self.attention == Attention::Eager || reaches && a.mixers().any(|m| m == Mixer::Window);
        if self.parallel.mesh.sequence_parallel && (a.family.has_post_norms() || has_mask) {
            return Err(unsupported("sequence_parallel", "1", &["0"]));
        }
        Ok(())
    }

    fn check_split_run(&self) -> Result<(), Error> {
        let (parallel, settings) = (&self.parallel, &self.optimizer_settings);
        let is_sharded = parallel.data_ways() > 1;
        // `parallelize_module` and then `fully_shard` leave the two ends of a tie as parameters of their own.
        let breaks_tie = is_sharded && self.model.architecture.tied;
        let checks = [
            (parallel.data == DataParallel::Fsdp2, "dp", parallel.data.key(), &["fsdp2", "megatron"][..]),
            (!breaks_tie, "tied", "1", &["0"]),
            (
                is_sharded || self.recipe != Recipe::FsdpMixed,
                "recipe",
                self.recipe.key(),
                &["fp32", "bf16", "bf16-mixed"],
            ),
            // `DTensor` has no in-place rules for what others do; fused and foreach need two groups of parameters.
            (
                matches!(self.optimizer, Optimizer::AdamWForeach | Optimizer::AdamWFused),
                "optimizer",
                self.optimizer.key(),
                &["adamw_foreach", "adamw_fused"],
            ),
            (
                matches!(self.attention, Attention::Sdpa | Attention::Eager),
                "attention",
                self.attention.key(),
                &["sdpa", "eager"],
            ),
            (self.padding == Padding::None, "padding", self.padding.key(), &["none"]),
            (self.stack == Stack::Current, "stack", self.stack.key(), &["current"]),
            (self.held == Held::Loss, "held", self.held.key(), &["loss"]),
            (self.kv_cache == KvCache::Off, "kv_cache", self.kv_cache.key(), &["off"]),
            (self.objective.method == Method::CausalLm, "objective", self.objective.word(), &["causal_lm"]),
            (!self.lora.is_on(), "peft", self.lora.method.key(), &["off"]),
            (!settings.in_backward, "in_backward", "1", &["0"]),
            (settings.ema == Ema::Off, "ema", settings.ema.key(), &["off"]),
            (!self.freezing.is_on(), "freeze", "1", &["0"]),
            (!parallel.cpu_offload, "cpu_offload", "1", &["0"]),
            (self.kernels.compile == Compile::Off, "compile", self.kernels.compile.key(), &["off"]),
            (!self.kernels.are_fused(), "norm_kernel", "liger", &["model"]),
            (self.kernels.loss == LossKernel::Eager, "loss", self.kernels.loss.key(), &["eager"]),
            (
                matches!(
                    self.checkpointing,
                    Checkpointing::Off
                        | Checkpointing::Layers
                        | Checkpointing::LayersReentrant
                        | Checkpointing::EveryKth
                        | Checkpointing::FirstK
                ),
                "checkpointing",
                self.checkpointing.key(),
                &["off", "layers", "layers_reentrant", "every_kth", "first_k"],
            ),
        ];
        all_followed(&checks)
    }

    /// Heads and the MLP's width are split evenly, and so is a sequence; a vocabulary needn't be.
    fn check_divisions(&self) -> Result<(), Error> {
        let (a, mesh) = (&self.model.architecture, &self.parallel.mesh);
        let mut widths = vec![("heads", a.heads.get()), ("kv_heads", a.kv_heads.get()), ("ffn", a.ffn.get())];
        if mesh.sequence_parallel {
            widths.push(("s", self.sequence_length.get()));
        }
        let given = mesh.tensor.get();
        let Some(&(of, value)) = widths.iter().find(|(_, width)| !width.is_multiple_of(given)) else {
            return Ok(());
        };
        let divides = |ways: &u64| widths.iter().all(|(_, width)| width.is_multiple_of(*ways));
        let below = (1..given).rev().find(divides).unwrap_or(1);
        let above = (given + 1..=a.kv_heads.get()).find(divides);
        Err(Error::DoesNotDivide { field: Field::new("tp"), given, of: Field::new(of), value, below, above })
    }
}
