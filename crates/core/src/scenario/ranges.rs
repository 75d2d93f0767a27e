//! Which number of a scenario has which range.

use super::{Scenario, in_range, limits};
use crate::error::Error;

impl Scenario {
    /// Every number within its range; those of what the model doesn't have are none.
    pub(super) fn check_ranges(&self) -> Result<(), Error> {
        let a = &self.model.architecture;
        let (experts, latent) = (a.experts, a.latent);
        let image = a.image.or(a.tower.map(|tower| tower.image));
        let numbers = [
            ("b", Some(self.micro_batch), limits::MICRO_BATCH),
            ("s", Some(self.sequence_length), limits::SEQUENCE_LENGTH),
            ("accumulation", Some(self.gradient_accumulation), limits::GRADIENT_ACCUMULATION),
            ("freeze_count", Some(self.freezing.count), limits::LAYERS),
            ("optimizer_rank", Some(self.optimizer_settings.rank), limits::OPTIMIZER_RANK),
            ("lbfgs_history", Some(self.optimizer_settings.history), limits::HISTORY),
            ("shampoo_block", Some(self.optimizer_settings.shampoo_block), limits::PRECONDITIONED),
            ("soap_widest", Some(self.optimizer_settings.soap_widest), limits::PRECONDITIONED),
            ("loss_chunks", Some(self.kernels.loss_chunks), limits::SEQUENCE_LENGTH),
            ("loss_chunk_tokens", Some(self.kernels.loss_chunk_tokens), limits::SEQUENCE_LENGTH),
            ("loss_last_tokens", Some(self.kernels.loss_last_tokens), limits::SEQUENCE_LENGTH),
            ("checkpoint_layers", Some(self.checkpoint_layers), limits::LAYERS),
            ("labels", Some(self.objective.labels), limits::LABELS),
            ("prompt", self.objective.lengths.prompt, limits::SEQUENCE_LENGTH),
            ("completion", self.objective.lengths.completion, limits::SEQUENCE_LENGTH),
            ("rejected", self.objective.lengths.rejected, limits::SEQUENCE_LENGTH),
            ("longest", self.objective.lengths.longest, limits::SEQUENCE_LENGTH),
            ("mean", self.objective.lengths.mean, limits::SEQUENCE_LENGTH),
            ("group", Some(self.objective.rollout.group), limits::MICRO_BATCH),
            ("calls", Some(self.objective.rollout.calls), limits::MICRO_BATCH),
            ("vllm_share", Some(self.objective.rollout.share), limits::PERCENT),
            ("lora_rank", self.lora.rank, limits::LORA_RANK),
            ("peft_tokens", Some(self.lora.tokens), limits::SEQUENCE_LENGTH),
            ("prefix_projection", self.lora.prefix_projection, limits::WIDTH),
            ("quant_group", Some(self.quantisation.group_size), limits::QUANT_GROUP),
            ("vocab", Some(a.vocabulary), limits::VOCABULARY),
            ("vocab_multiple", self.vocabulary.multiple_of, limits::VOCABULARY),
            ("hidden", Some(a.hidden), limits::WIDTH),
            ("layers", Some(a.layers), limits::LAYERS),
            ("heads", Some(a.heads), limits::HEADS),
            ("kv_heads", Some(a.kv_heads), limits::HEADS),
            ("head_dim", Some(a.head_dim), limits::HEADS),
            ("ffn", Some(a.ffn), limits::WIDTH),
            ("positions", a.positions, limits::SEQUENCE_LENGTH),
            ("window", a.window, limits::SEQUENCE_LENGTH),
            ("experts", experts.map(|experts| experts.count), limits::EXPERTS),
            ("experts_per_token", experts.map(|experts| experts.per_token), limits::EXPERTS),
            ("expert_ffn", experts.map(|experts| experts.ffn), limits::WIDTH),
            ("shared_ffn", experts.and_then(|experts| experts.shared_ffn), limits::WIDTH),
            ("sparse_every", experts.map(|experts| experts.every), limits::LAYERS),
            ("sparse_early", experts.map(|experts| experts.early), (0, limits::LAYERS.1)),
            ("key_heads", a.recurrent.map(|layer| layer.key_heads), limits::HEADS),
            ("key_dim", a.recurrent.map(|layer| layer.key_dim), limits::HEADS),
            ("value_heads", a.recurrent.map(|layer| layer.value_heads), limits::HEADS),
            ("value_head_dim", a.recurrent.map(|layer| layer.value_dim), limits::HEADS),
            ("conv_kernel", a.recurrent.map(|layer| layer.kernel), limits::KERNEL),
            ("chunk", a.recurrent.map(|layer| layer.chunk), limits::WIDTH),
            ("step_rank", a.recurrent.map(|layer| layer.step_rank), limits::WIDTH),
            ("decoder_layers", a.decoder.map(|decoder| decoder.layers), limits::LAYERS),
            ("image_size", image.map(|image| image.size), limits::IMAGE_SIZE),
            ("patch_size", image.map(|image| image.patch), limits::IMAGE_SIZE),
            ("channels", image.map(|image| image.channels), limits::CHANNELS),
            ("tower_hidden", a.tower.map(|tower| tower.hidden), limits::WIDTH),
            ("tower_layers", a.tower.map(|tower| tower.layers), limits::LAYERS),
            ("tower_heads", a.tower.map(|tower| tower.heads), limits::HEADS),
            ("tower_ffn", a.tower.map(|tower| tower.ffn), limits::WIDTH),
            ("tower_used", a.tower.map(|tower| tower.used), limits::LAYERS),
            ("mel_bins", a.speech.map(|speech| speech.mel_bins), limits::CHANNELS),
            ("source_positions", a.speech.map(|speech| speech.positions), limits::SEQUENCE_LENGTH),
            ("encoder_layers", a.speech.map(|speech| speech.layers), limits::LAYERS),
            ("encoder_heads", a.speech.map(|speech| speech.heads), limits::HEADS),
            ("encoder_ffn", a.speech.map(|speech| speech.ffn), limits::WIDTH),
            ("images", Some(self.vision.images), limits::IMAGES),
            ("latent", latent.map(|latent| latent.rank), limits::WIDTH),
            ("query_latent", latent.and_then(|latent| latent.query_rank), limits::WIDTH),
            ("value_dim", latent.map(|latent| latent.value), limits::HEADS),
        ];
        for (key, count, range) in numbers {
            if let Some(count) = count {
                in_range(key, count, range)?;
            }
        }
        Ok(())
    }
}
