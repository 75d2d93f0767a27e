//! What stands before Whisper's encoder: two convolutions over a spectrogram, and positions that are never trained (`WhisperEncoder.forward`).
//!
//! The convolution is PyTorch's own (`slow_conv2d_forward`, `slow_conv2d_backward` of a sample at a time), as it runs without cuDNN; cuDNN's
//! workspaces aren't known.

use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::model::{SPEECH_KERNEL, Speech};
use crate::rules::Writer;
use crate::rules::layer::residual_stream;
use crate::rules::linear::Linear;
use crate::scenario::Checkpointing;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// A convolution: channels and frames that it reads, frames that it makes.
struct Convolution {
    module: Module,
    channels: Dim,
    input: Option<Var>,
    frames: Dim,
    /// The gradient that reaches it is of another memory layout.
    copies_gradient: bool,
}

const fn is_reentrant(checkpointing: Checkpointing) -> bool {
    matches!(checkpointing, Checkpointing::LayersReentrant | Checkpointing::OffloadedInputs)
}

impl Writer<'_> {
    /// From a spectrogram to what the encoder's first layer reads.
    pub(crate) fn speech_embedding(&mut self, speech: &Speech) -> Var {
        let (compute, hidden) = (self.pass.compute(), self.pass.hidden());
        let (bins, frames) = (Dim::number(speech.mel_bins.get()), Dim::number(speech.frames()));
        let features = Dims::new(&[self.pass.batch(), bins, frames]);
        let features = self.made(Module::Conv1, What::InputCast, features, compute);
        let features = (self.pass.weight != compute).then(|| self.tape.constant(features));
        let module = Module::Conv1;
        let first = Convolution { module, channels: bins, input: features, frames, copies_gradient: false };
        let first = self.convolved_and_activated(&first);
        if let Some(features) = features {
            self.tape.drop(features);
        }
        let (module, input, frames) = (Module::Conv2, Some(first), self.pass.sequence());
        // A checkpoint of the older way gives it channel by channel already.
        let copies_gradient = !is_reentrant(self.pass.checkpointing);
        let second = Convolution { module, channels: hidden, input, frames, copies_gradient };
        let embeds = self.convolved_and_activated(&second);
        self.tape.drop(first);
        let of_all = self.made(Module::PositionEmbedding, What::TokenIds, Dims::new(&[frames]), Dtype::Int64);
        let of_all = self.tape.constant(of_all);
        let sum = self.fixed_positions_added(embeds);
        let output = if self.pass.architecture.embedding_dropout {
            let dropped = self.dropout(sum, Module::EmbeddingDropout);
            self.tape.drop(sum);
            dropped
        } else {
            sum
        };
        // `inputs_embeds`, `all_positions`
        self.tape.keep_names();
        self.tape.drop(embeds);
        self.tape.drop(of_all);
        output
    }

    /// Rows of a table that is never trained, looked up.
    fn fixed_positions_added(&mut self, embeds: Var) -> Var {
        let table = Dims::new(&[self.pass.sequence(), self.pass.hidden()]);
        let rows = self.made(Module::PositionEmbedding, What::Output, table, self.pass.weight);
        let rows = self.tape.constant(rows);
        let output = residual_stream(self.pass, Name::of(Module::PositionEmbedding, What::Residual));
        let step = self.hand_on(embeds, output.dtype);
        let sum = self.tape.operator(output, &[], &[step]);
        self.tape.drop(rows);
        sum
    }

    /// `gelu(conv(x))`, whose result is described as tokens.
    fn convolved_and_activated(&mut self, convolution: &Convolution) -> Var {
        let convolved = self.convolved(convolution);
        let active = self.map(convolved, Module::Activation, What::Output, &[convolved]);
        self.tape.drop(convolved);
        active
    }

    fn convolved(&mut self, convolution: &Convolution) -> Var {
        let &Convolution { module, channels, input, frames, copies_gradient } = convolution;
        let compute = self.pass.compute();
        let (kernel, output) = ([channels, Dim::number(SPEECH_KERNEL)], [self.pass.hidden()]);
        let linear = Linear { module, weight_of: module, input: &kernel, output: &output, has_bias: true };
        let weight = self.weight_cast(&linear, compute);
        let columns = self.temporary(module, What::Workspace, Dims::new(&kernel).and(frames), compute);
        let made = Dims::new(&[self.pass.batch(), frames, self.pass.hidden()]);
        let product = Step::Scratch(self.workspace(false));
        let mut steps = Vec::new();
        if copies_gradient {
            steps.push(Step::Temporary(self.temporary(module, What::Contiguous, made, compute)));
        }
        if let Some(input) = input.filter(|&input| self.tape.requires_grad(input)) {
            steps.extend([self.gradient(input), Step::Temporary(columns), product]);
        } else {
            steps.push(Step::Temporary(columns));
        }
        if weight.is_some() {
            steps.push(Step::Raw(self.temporary(module, What::Bias, Dims::new(&output), compute)));
        }
        steps.push(self.parameter_gradient(module, What::Bias, &output));
        steps.push(match weight {
            Some(cast) => self.gradient(cast),
            None => self.weight_gradient(&linear),
        });
        steps.push(product);
        let saved: Vec<Var> = input.into_iter().chain(weight).collect();
        let result = self.tape.operator(self.made(module, What::Output, made, compute), &saved, &steps);
        let columns = self.tape.constant(columns);
        self.tape.scratch(self.workspace(false));
        self.tape.drop(columns);
        if let Some(cast) = weight {
            self.tape.drop(cast);
        }
        result
    }
}
