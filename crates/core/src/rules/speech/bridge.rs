//! What stands between Whisper's encoder and its decoder, and after that (`WhisperDecoder.forward`, `WhisperForConditionalGeneration.forward`).

use crate::ledger::{Dim, Dims, Module, Part, Symbol, What};
use crate::plan::Pass;
use crate::rules::Writer;
use crate::rules::embedding::SORTS_WITH_PADDING;
use crate::rules::layer::residual_stream;
use crate::scenario::{Attention, Held};
use crate::tape::{Step, Storage, Var};
use crate::units::{Count, Dtype};

/// Tensors of indices, of all tokens each, by which `index_put_` sorts what it adds up (`index_put_with_sort_kernel` in `Indexing.cu`: the linear
/// index, its order before and after, the sorted index).
const SORTED_INDICES: u64 = 4;

impl<'a> Writer<'a> {
    /// The end of the encoder, and the decoder's embedding. `text` is the decoder's pass.
    pub(crate) fn speech_bridge(&mut self, x: Var, text: &'a Pass) -> Var {
        let encoded = self.norm_of_channels(x, Module::FinalNorm);
        self.tape.drop(x);
        // The decoder's layers, or their checkpoints, keep it, and the sum of their gradients comes back.
        let keeps = self.pass.autocast.is_none() || self.pass.checkpointing.is_on();
        let used = self.tape.view(encoded, &[], &[Step::Pass(encoded)]);
        self.tape.expect_gradient(used);
        if self.pass.held == Held::Outputs {
            self.tape.hold_on(encoded);
        }
        self.pass = text;
        let tokens = self.tokens(SORTS_WITH_PADDING);
        self.part = Part::Decoder;
        let ids = Dims::new(&self.pass.tokens());
        let ids = self.made(Module::PositionEmbedding, What::TokenIds, ids, Dtype::Int64);
        let ids = self.tape.constant(ids);
        let positions = self.indexed_positions(ids);
        let mut output = self.sum(tokens, positions, Module::PositionEmbedding, What::Residual);
        if self.pass.architecture.embedding_dropout {
            let dropped = self.dropout(output, Module::EmbeddingDropout);
            self.tape.drop(output);
            output = dropped;
        }
        let is_eager = self.pass.attention == Attention::Eager;
        let mask = is_eager.then(|| self.tape.constant(self.causal_mask()));
        // Backward has come through all of the decoder's layers, and their checkpoints are gone, when it comes here.
        let of_checkpoints = mask.filter(|_| self.pass.checkpointing.is_on());
        let kept: Vec<Var> = keeps.then_some(encoded).into_iter().chain(of_checkpoints).collect();
        let handed = self.tape.view(output, &kept, &[Step::Pass(output)]);
        self.tape.drop(output);
        // `inputs_embeds`, `positions`, `position_ids` until the decoder's forward returns, `encoder_outputs` until the loss is there.
        self.tape.keep_names();
        for named in [tokens, positions, ids].into_iter().chain(mask) {
            self.tape.drop(named);
        }
        self.tape.leave_stack();
        self.tape.drop(used);
        self.tape.drop(encoded);
        handed
    }

    /// What eager attention of the decoder's layers adds to its scores (`create_causal_mask`).
    fn causal_mask(&self) -> Storage {
        let sequence = self.pass.sequence();
        let dims = Dims::new(&[self.pass.batch(), sequence, sequence]);
        self.made(Module::Attention, What::Mask, dims, self.pass.weight)
    }

    /// `weight[position_ids]`: indexing, not a lookup (`WhisperPositionalEmbedding`). Its backward adds up into zeros.
    fn indexed_positions(&mut self, ids: Var) -> Var {
        let rows = self.pass.architecture.positions.map_or(0, Count::get);
        let rows = Dim::new(Symbol::Positions, rows);
        let module = Module::PositionEmbedding;
        let gradient = self.parameter_gradient(module, What::Weight, &[rows, self.pass.hidden()]);
        let sorted = Dims::new(&self.pass.tokens()).times(Dim::number(SORTED_INDICES));
        let sorted = self.temporary(module, What::SortBuffers, sorted, Dtype::Int64);
        let output = residual_stream(self.pass, self.name(module, What::Output));
        self.tape.operator(output, &[ids], &[gradient, Step::Temporary(sorted)])
    }

    /// Logits, and what Python names until the loss is there (`outputs.last_hidden_state`).
    pub(crate) fn speech_logits(&mut self, x: Var) -> (Var, Var) {
        self.part = Part::Decoder;
        let normed = self.norm_of_tokens(x, Module::FinalNorm);
        self.part = Part::Main;
        (self.logits(normed), normed)
    }
}
