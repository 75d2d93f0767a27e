//! T5: `T5Block` of the encoder and of the decoder, and what stands between the two stacks (`T5Stack`,
//! `T5ForConditionalGeneration`, transformers). LAYERS.md, t5-base.
//!
//! Layers of a stack share the bias of relative positions, and the decoder's layers share what the encoder has made. Such a tensor is
//! counted once, with the block that makes it; the sum of its gradients, which grows from layer to layer, while each of them runs.

use super::Writer;
use super::attention::Heads;
use super::layer::residual_stream;
use super::linear::Linear;
use crate::ledger::{Dims, Module, Name, Part, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// What attention reads keys and values from, and the bias that is added to its scores.
#[derive(Clone, Copy)]
struct Source {
    keys: Var,
    bias: Var,
    is_causal: bool,
}

impl Writer<'_> {
    /// Self-attention and MLP.
    pub(crate) fn encoder_layer(&mut self, x: Var) -> Var {
        let bias = self.position_bias(true);
        let attended = self.t5_attention(x, None, bias, false);
        let output = self.t5_mlp(attended);
        self.tape.drop(attended);
        output
    }

    /// Self-attention, attention to what the encoder has made, and MLP.
    pub(crate) fn decoder_layer(&mut self, x: Var) -> Var {
        self.part = Part::Decoder;
        let encoded = residual_stream(self.pass, Name::of(Module::Layer, What::Encoded));
        let encoded = self.tape.outside(encoded, true);
        let bias = self.position_bias(true);
        let attended = self.t5_attention(x, None, bias, true);
        self.part = Part::Cross;
        // Zeros, which are counted with the bridge.
        let zeros = self.position_bias(false);
        let crossed = self.t5_attention(attended, Some(encoded), zeros, false);
        self.tape.drop(attended);
        self.part = Part::Decoder;
        let output = self.t5_mlp(crossed);
        self.tape.drop(crossed);
        output
    }

    /// The end of the encoder and the decoder's embedding.
    pub(crate) fn bridge(&mut self, x: Var) -> Var {
        let normed = self.norm_of_tokens(x, Module::FinalNorm);
        let encoded = self.dropped_out(normed, Module::MlpDropout);
        // The decoder's layers, or their checkpoints, keep it, and the sum of their gradients comes back.
        let keeps = self.pass.autocast.is_none() || self.pass.checkpointing.is_on();
        let saved: &[Var] = if keeps { &[encoded] } else { &[] };
        let used = self.tape.view(encoded, saved, &[Step::Pass(encoded)]);
        self.tape.expect_gradient(used);
        self.part = Part::Decoder;
        let ids = self.made(Module::Batch, What::TokenIds, Dims::new(&self.pass.tokens()), Dtype::Int64);
        let ids = self.tape.constant(ids);
        let looked_up = self.second_lookup(ids);
        self.tape.drop(ids);
        let output = self.dropped_out(looked_up, Module::EmbeddingDropout);
        // Zeros, which the decoder's first layer makes for the attention of all to the encoder (`T5Attention.compute_bias`): the last
        // of them to be visited by backward lets them go, just before it comes here.
        self.part = Part::Cross;
        let zeros = self.tape.constant(self.position_bias_of(self.pass.compute()));
        let handed = self.tape.view(output, &[zeros], &[Step::Pass(output)]);
        self.tape.drop(output);
        // `encoder_outputs` and `encoder_decoder_position_bias` in Python, until the model's forward returns.
        self.tape.keep_names();
        self.tape.drop(used);
        self.tape.drop(encoded);
        self.tape.drop(zeros);
        handed
    }

    /// Final norm, dropout, the scale of tied weights, logits; and what Python names until the loss is made (`decoder_outputs`,
    /// `sequence_output`).
    pub(crate) fn t5_logits(&mut self, x: Var) -> (Var, [Var; 2]) {
        self.part = Part::Decoder;
        let normed = self.norm_of_tokens(x, Module::FinalNorm);
        self.part = Part::Main;
        let dropped = self.dropped_out(normed, Module::MlpDropout);
        let is_tied = self.pass.architecture.decoder.is_some_and(|decoder| decoder.scales_output);
        let scaled = if is_tied {
            self.map(dropped, Module::LmHead, What::Input, &[])
        } else {
            self.tape.view(dropped, &[], &[Step::Pass(dropped)])
        };
        let (hidden, vocabulary) = ([self.pass.hidden()], [self.pass.vocabulary()]);
        let logits = self.linear(
            scaled,
            &Linear {
                module: Module::LmHead,
                weight_of: Module::Embedding,
                input: &hidden,
                output: &vocabulary,
                has_bias: false,
            },
        );
        (logits, [dropped, scaled])
    }

    /// Takes over the caller's `x`.
    fn dropped_out(&mut self, x: Var, module: Module) -> Var {
        self.residual_dropout(x, module)
    }

    /// A number for each head, query and key, of all sequences; it has been made before this layer.
    fn position_bias(&mut self, is_learned: bool) -> Var {
        let dtype = if is_learned { self.pass.weight } else { self.pass.compute() };
        self.tape.outside(self.position_bias_of(dtype), is_learned)
    }

    fn position_bias_of(&self, dtype: Dtype) -> Storage {
        let sequence = self.pass.sequence();
        let dims = Dims::new(&[self.pass.heads(), sequence, sequence]);
        self.made(Module::RelativePositions, What::Output, dims, dtype)
    }

    fn t5_attention(&mut self, x: Var, encoded: Option<Var>, bias: Var, is_causal: bool) -> Var {
        let normed = self.norm_of_tokens(x, Module::InputNorm);
        let source = Source { keys: encoded.unwrap_or(normed), bias, is_causal };
        let branch = self.t5_attention_branch(normed, source);
        self.tape.drop(normed);
        let dropped = self.dropped_out(branch, Module::AttentionDropout);
        let sum = self.sum(x, dropped, Module::Layer, What::Residual);
        self.tape.drop(dropped);
        sum
    }

    fn t5_attention_branch(&mut self, x: Var, source: Source) -> Var {
        let hidden = [self.pass.hidden()];
        let inner = [self.pass.heads(), self.pass.head_dim()];
        let linear =
            |module, input, output| Linear { module, weight_of: module, input, output, has_bias: false };
        let query = self.linear(x, &linear(Module::QProj, &hidden, &inner));
        let key = self.linear(source.keys, &linear(Module::KProj, &hidden, &inner));
        let value = self.linear(source.keys, &linear(Module::VProj, &hidden, &inner));
        let bias = self.additive_mask(source);
        let output = self.biased_attention(Heads { query, key, value }, bias);
        for var in [bias, query, key, value] {
            self.tape.drop(var);
        }
        let projected = self.linear(output, &linear(Module::OProj, &inner, &hidden));
        self.tape.drop(output);
        projected
    }

    /// `sdpa_attention.py`, the bias with causality superposed where there is no mask, made contiguous: a copy in each layer, but for
    /// the zeros, which are so already. Autocast casts it.
    fn additive_mask(&mut self, source: Source) -> Var {
        let storage = self.tape.storage(source.bias);
        let is_learned = self.tape.requires_grad(source.bias);
        let mut bias = self.tape.view(source.bias, &[], &[Step::Pass(source.bias)]);
        if source.is_causal {
            let sequence = self.pass.sequence();
            let mask =
                self.made(Module::Attention, What::Mask, Dims::new(&[sequence, sequence]), Dtype::Bool);
            let mask = self.tape.constant(mask);
            let gradient = self.gradient(bias);
            let masked = self.made(Module::Attention, What::MaskedScores, storage.dims, storage.dtype);
            let masked = self.tape.operator(masked, &[mask], &[gradient]);
            self.tape.drop(mask);
            self.tape.drop(bias);
            bias = masked;
        }
        if is_learned {
            let copy = self.contiguous(bias, Module::Attention, What::MaskBias);
            self.tape.drop(bias);
            bias = copy;
        }
        let cast = self.cast(bias, Module::Attention, What::MaskBias, self.pass.compute());
        self.tape.drop(bias);
        cast
    }

    /// `act(wi(x))` with dropout, and `wo`, whose input is converted to its weight's dtype first (`T5DenseActDense`).
    fn t5_mlp(&mut self, x: Var) -> Var {
        let normed = self.norm_of_tokens(x, Module::PostAttentionNorm);
        let branch = self.mlp(normed);
        self.tape.drop(normed);
        let dropped = self.dropped_out(branch, Module::MlpDropout);
        let sum = self.sum(x, dropped, Module::Layer, What::Residual);
        self.tape.drop(dropped);
        sum
    }
}
