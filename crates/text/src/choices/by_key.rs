//! Names of choices by their field's key in a link, where a list of fields is all that is known.

use vram_core::link;
use vram_core::scenario::{
    AdapterDtype, AdapterMethod, Attention, AutocastScope, BaseDtype, Batching, Checkpointing, Compile,
    DataParallel, Ema, ExpertTargets, FrozenLayers, Fused, Generation, GenerationCache, GradientSync, Held,
    KvCache, LogProbs, LoraTargets, LossKernel, ModulesToSave, Optimizer, Padding, Place, QuantisedBase,
    Recipe, ReduceDtype, Reshard, Rotate, Schedule, Shift, Spread, Stack, TrainedKinds, Trainer, ZeroGrad,
};

use super::{
    adapter_dtype, adapter_method, attention, autocast_scope, base_dtype, batching, checkpointing, compile,
    data_parallel, ema, expert_targets, frozen_layers, fused, generation, generation_cache, gradient_sync,
    held, kv_cache, log_probs, lora_targets, loss_kernel, modules_to_save, objective_word, optimizer,
    padding, place, quantised_base, recipe, reduce_dtype, reshard, rotate, schedule, shift, spread, stack,
    trained_kinds, trainer, zero_grad,
};
use crate::{Lang, Word};

/// What a field's choice is called, by the field's key and the word that links have for the choice; none of numbers and of names.
pub fn choice(key: &str, word: &'static str, lang: Lang) -> Option<&'static str> {
    macro_rules! named {
        ($kind:ty, $text:path) => {
            <$kind>::from_key(word).map(|choice| $text(choice, lang))
        };
    }
    match key {
        "recipe" => named!(Recipe, recipe),
        "optimizer" => named!(Optimizer, optimizer),
        "ema" => named!(Ema, ema),
        "attention" => named!(Attention, attention),
        "checkpointing" => named!(Checkpointing, checkpointing),
        "padding" => named!(Padding, padding),
        "loss" => named!(LossKernel, loss_kernel),
        "shift" => named!(Shift, shift),
        "norm_kernel" | "mlp_kernel" | "rope_kernel" => named!(Fused, fused),
        "compile" => named!(Compile, compile),
        "trainer" => named!(Trainer, trainer),
        "zero_grad" => named!(ZeroGrad, zero_grad),
        "autocast_scope" => named!(AutocastScope, autocast_scope),
        "held" => named!(Held, held),
        "kv_cache" => named!(KvCache, kv_cache),
        "stack" => named!(Stack, stack),
        "objective" => Some(objective_word(word, lang)),
        "log_probs" => named!(LogProbs, log_probs),
        "reference" | "reward_model" | "teacher" => named!(Place, place),
        "batching" => named!(Batching, batching),
        "generation" => named!(Generation, generation),
        "generation_cache" => named!(GenerationCache, generation_cache),
        "freeze_layers" => named!(FrozenLayers, frozen_layers),
        "trained_kinds" => named!(TrainedKinds, trained_kinds),
        "peft" if word == "off" => Some(Word::Off.in_lang(lang)),
        "peft" => named!(AdapterMethod, adapter_method),
        "lora_targets" => named!(LoraTargets, lora_targets),
        "modules_to_save" => named!(ModulesToSave, modules_to_save),
        "target_parameters" => named!(ExpertTargets, expert_targets),
        "lora_dtype" => named!(AdapterDtype, adapter_dtype),
        "base_dtype" => named!(BaseDtype, base_dtype),
        "quantised_base" => named!(QuantisedBase, quantised_base),
        "spread" => named!(Spread, spread),
        "dp" => named!(DataParallel, data_parallel),
        "reshard" => named!(Reshard, reshard),
        "reduce_dtype" => named!(ReduceDtype, reduce_dtype),
        "gradient_sync" => named!(GradientSync, gradient_sync),
        "schedule" => named!(Schedule, schedule),
        "cp_rotate" => named!(Rotate, rotate),
        _ if link::words(key) == ["0", "1"] => {
            Some(if word == "1" { Word::On } else { Word::Off }.in_lang(lang))
        }
        _ => None,
    }
}
