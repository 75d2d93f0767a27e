//! What Megatron-LM trains, as far as it is followed.

use super::super::{
    Attention, Checkpointing, Compile, DataParallel, Ema, LossKernel, Method, Optimizer, Padding, Recipe,
    Rotate, Scenario, Schedule, Stack, all_followed, divides, splittable, unsupported,
};
use crate::error::Error;
use crate::model::{Branches, Family, NormKind, QkNorm, Routing};
use crate::units::Count;

impl Scenario {
    /// Whether Megatron-LM trains on several GPUs.
    pub(crate) fn is_megatron(&self) -> bool {
        self.parallel.scheme() == Some(DataParallel::Megatron)
    }

    pub(super) fn check_megatron(&self) -> Result<(), Error> {
        self.check_megatron_model()?;
        self.check_megatron_run()?;
        self.check_megatron_mesh()
    }

    /// Decoders with RMS norms before attention and a gated MLP, one after the other, with rotary positions; and GPT, with which
    /// Megatron-LM began.
    fn check_megatron_model(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let family = a.family;
        let is_llama_like = family.norm() == NormKind::Rms
            && family.has_pre_norms()
            && !family.has_post_norms()
            && !family.scales_residuals()
            && !family.scales_logits()
            && !family.scales_queries()
            && !family.has_sinks()
            && !family.has_expert_biases()
            && !family.has_shared_gate()
            && !family.has_head_bias()
            && !family.is_masked()
            && family.routing() != Routing::Everyone
            && matches!(family.qk_norm(), QkNorm::None | QkNorm::Heads)
            && family.has_gated_mlp()
            && !family.is_state_space();
        let checks = [
            (
                is_llama_like || family == Family::Gpt2,
                "family",
                family.key(),
                &["llama", "qwen3", "deepseek_v3"][..],
            ),
            (!a.attention_softcap, "attn_softcap", "1", &["0"]),
            (!a.logit_softcap, "logit_softcap", "1", &["0"]),
        ];
        all_followed(&checks)?;
        if family == Family::Gpt2 {
            return Ok(());
        }
        let positions = a.positions.map(|positions| positions.to_string()).unwrap_or_default();
        all_followed(&splittable(a))?;
        all_followed(&[
            (a.branches() == Branches::Sequence, "parallel", "1", &["0"]),
            (a.positions.is_none(), "positions", &positions, &["0"]),
        ])
    }

    fn check_megatron_run(&self) -> Result<(), Error> {
        let settings = &self.optimizer_settings;
        let checks = [
            (self.recipe == Recipe::Bf16Master, "recipe", self.recipe.key(), &["bf16-master"][..]),
            (self.optimizer == Optimizer::AdamWFused, "optimizer", self.optimizer.key(), &["adamw_fused"]),
            (
                matches!(self.attention, Attention::Sdpa | Attention::Eager),
                "attention",
                self.attention.key(),
                &["sdpa", "eager"],
            ),
            (self.padding == Padding::None, "padding", self.padding.key(), &["none"]),
            (self.stack == Stack::Current, "stack", self.stack.key(), &["current"]),
            (self.objective.method == Method::CausalLm, "objective", self.objective.word(), &["causal_lm"]),
            (!self.lora.is_on(), "peft", self.lora.method.key(), &["off"]),
            (!self.updates_in_backward(), "in_backward", "1", &["0"]),
            (settings.ema == Ema::Off, "ema", settings.ema.key(), &["off"]),
            (!self.freezing.is_on(), "freeze", "1", &["0"]),
            (self.kernels.compile == Compile::Off, "compile", self.kernels.compile.key(), &["off"]),
            (!self.kernels.are_fused(), "norm_kernel", "liger", &["model"]),
            (
                matches!(self.kernels.loss, LossKernel::Eager | LossKernel::TransformerEngine),
                "loss",
                self.kernels.loss.key(),
                &["eager", "te"],
            ),
            (
                matches!(
                    self.checkpointing,
                    Checkpointing::Off
                        | Checkpointing::LayersReentrant
                        | Checkpointing::FirstK
                        | Checkpointing::SelectiveAttention
                ),
                "checkpointing",
                self.checkpointing.key(),
                &["off", "layers_reentrant", "first_k", "selective_attention"],
            ),
        ];
        all_followed(&checks)
    }

    /// Everything that is split is split evenly.
    fn check_megatron_mesh(&self) -> Result<(), Error> {
        let (a, mesh) = (&self.model.architecture, &self.parallel.mesh);
        if mesh.pipeline.get() > 1 && mesh.schedule == Schedule::GPipe {
            return Err(unsupported("schedule", mesh.schedule.key(), &["1f1b", "interleaved"]));
        }
        let interleaves = mesh.pipeline.get() > 1 && mesh.schedule == Schedule::Interleaved;
        let is_refused = match mesh.rotate {
            Rotate::AllGather => true,
            Rotate::AllToAll => false,
            // Transformer Engine has no such attention of other values than keys.
            Rotate::Ulysses => a.latent.is_some(),
        };
        if mesh.context.get() > 1 && is_refused {
            return Err(unsupported("cp_rotate", mesh.rotate.key(), &["alltoall", "ulysses"]));
        }
        if mesh.context.get() > 1 && self.attention == Attention::Eager {
            return Err(unsupported("attention", self.attention.key(), &["sdpa"]));
        }
        if mesh.context.get() > 1 && self.checkpointing == Checkpointing::SelectiveAttention {
            return Err(unsupported("checkpointing", self.checkpointing.key(), &["off", "layers_reentrant"]));
        }
        if mesh.expert.get() > 1 && a.experts.is_none() {
            return Err(unsupported("ep", &mesh.expert.to_string(), &["1"]));
        }
        // Megatron refuses experts under tensor parallelism without sequence parallelism (`MoELayer.forward`).
        if mesh.tensor.get() > 1 && a.experts.is_some() && !mesh.sequence_parallel {
            return Err(unsupported("sequence_parallel", "0", &["1"]));
        }
        let (tensor, context) = (mesh.tensor.get().max(1), mesh.context.get().max(1));
        let exchanges_heads = context > 1 && mesh.rotate == Rotate::Ulysses;
        let heads = if exchanges_heads { tensor.saturating_mul(context) } else { tensor };
        let scattered = if mesh.sequence_parallel { tensor } else { 1 };
        let sequence = if context > 1 { 2 } else { 1 };
        let experts = a.experts;
        let expert_tensor = mesh.expert_tensor.map_or(tensor, Count::get).max(1);
        let ranks = self.parallel.data_ways().saturating_mul(context).saturating_mul(tensor);
        let divisions = [
            ("heads", a.heads.get(), "tp", heads),
            ("kv_heads", if a.latent.is_some() { heads } else { a.kv_heads.get() }, "tp", heads),
            ("ffn", a.ffn.get(), "tp", tensor),
            ("expert_ffn", experts.map_or(expert_tensor, |experts| experts.ffn.get()), "etp", expert_tensor),
            (
                "shared_ffn",
                experts.and_then(|experts| experts.shared_ffn).map_or(tensor, Count::get),
                "tp",
                tensor,
            ),
            ("s", self.sequence_length.get(), "cp", context.saturating_mul(sequence)),
            ("s", self.sequence_length.get() / context, "tp", scattered),
            ("layers", a.layers.get(), "pp", mesh.pipeline.get().saturating_mul(mesh.chunks_of_rank())),
            // `microbatch_group_size_per_vp_stage`
            (
                "accumulation",
                self.gradient_accumulation.get(),
                "pp",
                if interleaves { mesh.pipeline.get() } else { 1 },
            ),
            (
                "experts",
                experts.map_or(mesh.expert.get(), |experts| experts.count.get()),
                "ep",
                mesh.expert.get(),
            ),
            (
                "gpus",
                ranks,
                "ep",
                mesh.expert.get().saturating_mul(if experts.is_some() { expert_tensor } else { tensor }),
            ),
        ];
        divisions.into_iter().try_for_each(|(field, given, by, divisor)| divides(field, given, by, divisor))
    }
}
