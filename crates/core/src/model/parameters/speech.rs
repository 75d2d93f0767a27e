//! Whisper's parameters: the convolutions, the encoder, the decoder.

use super::{List, Place, vocabulary};
use crate::ledger::{Dim, Module, Part, Symbol};
use crate::model::{Architecture, Speech};

/// Frames that each of the two convolutions takes at a time.
pub(crate) const KERNEL: u64 = 3;

impl List<'_> {
    /// `WhisperForConditionalGeneration`. Parameters of the encoder have the names that the only stack of others has.
    pub(super) fn speech(&mut self, hidden: Dim, speech: &Speech) {
        let a = self.architecture;
        self.convolution_of(Module::Conv1, hidden, Dim::number(speech.mel_bins.get()));
        self.convolution_of(Module::Conv2, hidden, hidden);
        let positions = Dim::new(Symbol::Positions, speech.positions.get());
        self.matrix(Place::Fixed, Module::PositionEmbedding, &[positions], &[hidden]);
        self.half(Place::EncoderLayer, hidden, &speech.architecture(a));
        self.norm(Place::Bridge, Module::FinalNorm, hidden);
        self.matrix(Place::Bridge, Module::Embedding, &[vocabulary(a)], &[hidden]);
        let begin = self.parameters.len();
        if let Some(positions) = a.positions {
            let rows = Dim::new(Symbol::Positions, positions.get());
            self.matrix(Place::Bridge, Module::PositionEmbedding, &[rows], &[hidden]);
        }
        self.half(Place::Layer, hidden, a);
        self.in_part(begin, Part::Decoder);
        let begin = self.parameters.len();
        self.speech_attention(Place::Layer, hidden, a);
        self.in_part(begin, Part::Cross);
        let begin = self.parameters.len();
        self.norm(Place::Head, Module::FinalNorm, hidden);
        self.in_part(begin, Part::Decoder);
        if !a.tied {
            self.matrix(Place::Head, Module::LmHead, &[vocabulary(a)], &[hidden]);
        }
    }

    fn in_part(&mut self, begin: usize, part: Part) {
        for parameter in self.parameters.iter_mut().skip(begin) {
            parameter.name.part = part;
        }
    }

    fn convolution_of(&mut self, module: Module, output: Dim, input: Dim) {
        self.matrix(Place::Embedding, module, &[output], &[input, Dim::number(KERNEL)]);
        self.bias(Place::Embedding, module, &[output]);
    }

    /// Attention and MLP of a layer.
    fn half(&mut self, place: Place, hidden: Dim, of: &Architecture) {
        self.speech_attention(place, hidden, of);
        let ffn = Dim::new(Symbol::Ffn, of.ffn.get());
        self.linear_at(place, Module::UpProj, &[ffn], &[hidden], true);
        self.linear_at(place, Module::DownProj, &[hidden], &[ffn], true);
        self.norm(place, Module::PostAttentionNorm, hidden);
    }

    /// Keys have no bias (`WhisperAttention`).
    fn speech_attention(&mut self, place: Place, hidden: Dim, of: &Architecture) {
        let inner = [Dim::new(Symbol::Heads, of.heads.get()), Dim::new(Symbol::HeadDim, of.head_dim.get())];
        for module in [Module::KProj, Module::VProj, Module::QProj] {
            self.linear_at(place, module, &inner, &[hidden], module != Module::KProj);
        }
        self.linear_at(place, Module::OProj, &[hidden], &inner, true);
        self.norm(place, Module::InputNorm, hidden);
    }
}
