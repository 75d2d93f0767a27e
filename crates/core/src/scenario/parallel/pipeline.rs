//! What a pipeline of `torch.distributed.pipelining` can run, as far as it is followed.

use super::super::{
    Attention, Checkpointing, Compile, Ema, Held, KvCache, LossKernel, Method, Padding, Recipe, Scenario,
    Stack, limits, none_refused,
};
use super::{DataParallel, Schedule};
use crate::error::{Error, Field};
use crate::units::Count;

impl Scenario {
    /// Whether stages of a pipeline other than Megatron-LM's run the model.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.parallel.is_on()
            && self.parallel.data != DataParallel::Megatron
            && self.parallel.mesh.pipeline > Count::ONE
    }

    /// Stages that there are, enough micro-batches for them, and what stages have been followed with.
    pub(super) fn check_pipeline(&self) -> Result<(), Error> {
        if !self.is_pipelined() {
            return Ok(());
        }
        self.check_stages()?;
        self.check_what_is_pipelined()
    }

    fn check_stages(&self) -> Result<(), Error> {
        let mesh = &self.parallel.mesh;
        let (layers, ranks) = (self.model.architecture.layers.get(), mesh.pipeline.get());
        let above = |key, given: Count, max| {
            let (field, given) = (Field::new(key), given.to_string());
            Err(Error::OutOfRange { field, given, min: 1, max })
        };
        if ranks > layers {
            return above("pp", mesh.pipeline, layers);
        }
        if mesh.schedule == Schedule::Interleaved && mesh.chunks.get().saturating_mul(ranks) > layers {
            return above("stage_chunks", mesh.chunks, layers / ranks.max(1));
        }
        let batches = self.gradient_accumulation.get();
        // `Schedule1F1B.__init__` asks for as many micro-batches as stages.
        if mesh.schedule == Schedule::OneForwardOneBackward && batches < ranks {
            let (field, given) = (Field::new("accumulation"), batches.to_string());
            return Err(Error::OutOfRange {
                field,
                given,
                min: ranks,
                max: u64::from(limits::GRADIENT_ACCUMULATION.1),
            });
        }
        // `ScheduleInterleaved1F1B.__init__`: equally many in every round.
        let rounds = (batches / ranks.max(1)).max(1);
        if mesh.schedule == Schedule::Interleaved && !batches.is_multiple_of(rounds) {
            let (field, by) = (Field::new("accumulation"), Field::new("pp"));
            return Err(Error::NotDivisible { field, given: batches, by, divisor: ranks });
        }
        Ok(())
    }

    fn check_what_is_pipelined(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let parallel = &self.parallel;
        if parallel.data_ways() > 1 {
            // Replicas or shards of a pipeline are not followed: as many GPUs as stages.
            let (field, given, stages) =
                (Field::new("gpus"), parallel.gpus.to_string(), parallel.mesh.pipeline.get());
            return Err(Error::OutOfRange { field, given, min: stages, max: stages });
        }
        let checks = [
            (parallel.mesh.tensor > Count::ONE, "tp", parallel.mesh.tensor.to_string(), "1"),
            (parallel.mesh.context > Count::ONE, "cp", parallel.mesh.context.to_string(), "1"),
            (a.has_own_objective(), "family", a.family.key().to_owned(), "llama"),
            (
                self.recipe.is_autocast() || self.recipe == Recipe::FsdpMixed,
                "recipe",
                self.recipe.key().to_owned(),
                "bf16",
            ),
            (
                self.objective.method != Method::CausalLm,
                "objective",
                self.objective.word().to_owned(),
                "causal_lm",
            ),
            (self.attention != Attention::Sdpa, "attention", self.attention.key().to_owned(), "sdpa"),
            (self.padding != Padding::None, "padding", self.padding.key().to_owned(), "none"),
            (self.kv_cache == KvCache::Filled, "kv_cache", self.kv_cache.key().to_owned(), "off"),
            (self.held == Held::Outputs, "held", self.held.key().to_owned(), "loss"),
            (self.stack != Stack::Current, "stack", self.stack.key().to_owned(), "current"),
            (self.kernels.compile == Compile::Model, "compile", self.kernels.compile.key().to_owned(), "off"),
            (self.lora.is_on(), "peft", self.lora.method.key().to_owned(), "off"),
            (self.freezing.is_on(), "freeze_layers", self.freezing.layers.key().to_owned(), "none"),
            (
                self.optimizer_settings.ema != Ema::Off,
                "ema",
                self.optimizer_settings.ema.key().to_owned(),
                "off",
            ),
            (
                matches!(self.checkpointing, Checkpointing::OffloadedInputs),
                "checkpointing",
                self.checkpointing.key().to_owned(),
                "layers",
            ),
            (
                // The loss is a function of the last stage's logits.
                !matches!(
                    self.kernels.loss,
                    LossKernel::Eager | LossKernel::NoUpcast | LossKernel::Compiled | LossKernel::Liger
                ),
                "loss",
                self.kernels.loss.key().to_owned(),
                "eager",
            ),
        ];
        none_refused(&checks)
    }
}
