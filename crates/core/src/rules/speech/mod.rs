//! Whisper: `WhisperEncoderLayer` and `WhisperDecoderLayer` (`modeling_whisper.py`, transformers).
//!
//! What the convolutions make is channel by channel, and stays so: `permute` is a view, and a sum has the memory layout of its first operand
//! (`aten/src/ATen/TensorIterator.cpp`, `reorder_dimensions`). So each norm of the encoder's stream copies it.

mod bridge;
mod convolutions;

use super::Writer;
use super::attention::{FLASH_WIDEST_HEAD, Heads};
use super::layer::residual_stream;
use super::linear::Linear;
use super::norm::Norm;
use crate::ledger::{Module, Name, Part, What};
use crate::plan::Pass;
use crate::scenario::Attention;
use crate::tape::{Mode, Step, Var};
use crate::units::Dtype;

impl<'a> Writer<'a> {
    /// Self-attention and MLP, on a stream that is channel by channel.
    pub(crate) fn speech_encoder_layer(&mut self, x: Var) -> Var {
        let normed = self.norm_of_channels(x, Module::InputNorm);
        let (attended, named) = self.speech_attention_added(x, normed, None);
        let normed = self.norm_of_channels(attended, Module::PostAttentionNorm);
        let output = self.speech_mlp_added(attended, normed);
        for var in named.into_iter().chain([x]) {
            self.tape.drop(var);
        }
        output
    }

    /// Self-attention, attention to what the encoder has made, and MLP. `encoder` is the encoder's pass. The layers
    /// behind this one, unless it is the last, have left the sum of their gradients of that.
    pub(crate) fn speech_decoder_layer(&mut self, x: Var, encoder: &'a Pass, is_last: bool) -> Var {
        self.part = Part::Decoder;
        let memory = residual_stream(encoder, Name::of(Module::Layer, What::Encoded));
        let memory = self.tape.outside(memory, true);
        if !is_last {
            self.tape.expect_gradient(memory);
        }
        let normed = self.norm_of_tokens(x, Module::InputNorm);
        let (attended, of_self) = self.speech_attention_added(x, normed, None);
        self.part = Part::Cross;
        let normed = self.norm_of_tokens(attended, Module::InputNorm);
        let (crossed, named) = self.speech_attention_added(attended, normed, Some((memory, encoder)));
        for var in of_self.into_iter().chain([attended]) {
            self.tape.drop(var);
        }
        self.part = Part::Decoder;
        let normed = self.norm_of_tokens(crossed, Module::PostAttentionNorm);
        let output = self.speech_mlp_added(crossed, normed);
        for var in named.into_iter().chain([x]) {
            self.tape.drop(var);
        }
        output
    }

    pub(super) fn norm_of_channels(&mut self, x: Var, module: Module) -> Var {
        let rows = self.pass.stream();
        self.layer_norm_of_copy(x, &Norm { module, rows: &rows, width: self.pass.hidden() })
    }

    /// The sum, and the probabilities, which the layer names. Takes over the caller's `normed`, which has been made of `x`.
    fn speech_attention_added(
        &mut self,
        x: Var,
        normed: Var,
        encoded: Option<(Var, &'a Pass)>,
    ) -> (Var, Option<Var>) {
        let (branch, probabilities) = self.speech_attention(normed, encoded);
        self.tape.drop(normed);
        let branch = self.residual_dropout(branch, Module::AttentionDropout);
        let sum = self.sum(x, branch, Module::Layer, What::Residual);
        self.tape.drop(branch);
        (sum, probabilities)
    }

    /// `fc2(act(fc1(normed)))` with dropout. Takes over the caller's tensors.
    fn speech_mlp_added(&mut self, x: Var, normed: Var) -> Var {
        let width = self.pass.ffn();
        let up = self.up(normed, Module::UpProj, width);
        let mut active = self.activated(up);
        self.tape.drop(up);
        self.tape.drop(normed);
        if self.pass.architecture.has_inner_dropout() {
            let dropped = self.dropout(active, Module::InnerDropout);
            self.tape.drop(active);
            active = dropped;
        }
        let down = self.down(active, Module::DownProj, width);
        self.tape.drop(active);
        let down = self.handed_by_channels(down);
        let branch = self.residual_dropout(down, Module::MlpDropout);
        let sum = self.sum(x, branch, Module::Layer, What::Residual);
        self.tape.drop(branch);
        self.tape.drop(x);
        sum
    }

    /// What attention adds, and its probabilities, where there are any.
    fn speech_attention(&mut self, x: Var, encoded: Option<(Var, &'a Pass)>) -> (Var, Option<Var>) {
        let hidden = [self.pass.hidden()];
        let inner = [self.pass.heads(), self.pass.head_dim()];
        let linear = |module, input, output| Linear {
            module,
            weight_of: module,
            input,
            output,
            has_bias: module != Module::KProj,
        };
        let query = self.linear(x, &linear(Module::QProj, &hidden, &inner));
        let query = self.multiplied(query, Module::QProj);
        let query = self.copied_by_heads(query, What::Query);
        let own = self.pass;
        let (source, pass) = encoded.unwrap_or((x, own));
        self.pass = pass;
        let key = self.linear(source, &linear(Module::KProj, &hidden, &inner));
        let key = self.copied_by_heads(key, What::Key);
        let value = self.linear(source, &linear(Module::VProj, &hidden, &inner));
        let value = self.copied_by_heads(value, What::Value);
        let keys = self.pass.sequence();
        self.pass = own;
        // `query_states`, `key_states`, `value_states`
        let named = [query, key, value];
        for var in named {
            self.tape.hold_on(var);
        }
        let heads = Heads { query, key, value };
        let (output, probabilities) = if self.pass.attention == Attention::Eager {
            let (output, probabilities) = self.eager_attention_to(heads, keys, self.part == Part::Decoder);
            (output, Some(probabilities))
        } else {
            (self.sdpa(heads, false), None)
        };
        let projected = self.linear(output, &linear(Module::OProj, &inner, &hidden));
        self.tape.drop(output);
        let projected = self.handed_by_channels(projected);
        for var in named {
            self.tape.drop(var);
        }
        (projected, probabilities)
    }

    /// A checkpoint of the older way has its input's gradient made in the memory layout of the input (`accumulate_grad.h`,
    /// `clone_obey_contract`), so that the encoder's layers below the last get theirs channel by channel, and each projection copies it.
    /// Takes over the caller's `x`.
    fn handed_by_channels(&mut self, x: Var) -> Var {
        // Of a single sample it is a matrix that the product takes as it is.
        if self.tape.mode() != Mode::Reentrant || self.part != Part::Main || self.pass.rows == 1 {
            return x;
        }
        let gradient = self.gradient(x);
        let handed = self.tape.view(x, &[], &[gradient]);
        self.tape.drop(x);
        handed
    }

    /// `view(…).transpose(1, 2).contiguous()`. The memory-efficient kernel makes gradients as the projection has to have them, the others by
    /// heads, so that `ViewBackward0` copies. Takes over the caller's `x`.
    fn copied_by_heads(&mut self, x: Var, what: What) -> Var {
        let storage = self.tape.storage(x);
        let is_flash =
            self.pass.compute() != Dtype::Fp32 && self.pass.architecture.head_dim.get() <= FLASH_WIDEST_HEAD;
        let is_memory_efficient = self.pass.attention == Attention::Sdpa && !is_flash;
        let step = if is_memory_efficient { Step::Pass(x) } else { self.gradient(x) };
        let copy = self.made(Module::Attention, what, storage.dims, storage.dtype);
        let copy = self.tape.operator(copy, &[], &[step]);
        self.tape.drop(x);
        copy
    }
}
