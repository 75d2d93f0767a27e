//! T5's two stacks.

use super::{List, Place};
use crate::ledger::{Dim, Module, Part, Symbol};
use crate::model::Decoder;

impl List<'_> {
    /// `T5Stack`, twice.
    pub(super) fn encoder_decoder(&mut self, hidden: Dim, decoder: &Decoder) {
        let table = [Dim::number(decoder.buckets.get())];
        let heads = [Dim::new(Symbol::Heads, self.architecture.heads.get())];
        self.matrix(Place::Embedding, Module::RelativePositions, &table, &heads);
        self.t5_attention(Place::Layer, Part::Main, Module::InputNorm, hidden);
        self.t5_mlp(Place::Layer, hidden);
        let begin = self.parameters.len();
        self.norm(Place::Bridge, Module::FinalNorm, hidden);
        self.matrix(Place::Bridge, Module::RelativePositions, &table, &heads);
        self.t5_attention(Place::DecoderLayer, Part::Decoder, Module::InputNorm, hidden);
        self.t5_mlp(Place::DecoderLayer, hidden);
        for parameter in self.parameters.iter_mut().skip(begin + 1) {
            parameter.name.part = Part::Decoder;
        }
        self.t5_attention(Place::DecoderLayer, Part::Cross, Module::InputNorm, hidden);
        self.norm(Place::Head, Module::FinalNorm, hidden);
        if let Some(norm) = self.parameters.last_mut() {
            norm.name.part = Part::Decoder;
        }
    }

    fn t5_attention(&mut self, place: Place, part: Part, norm: Module, hidden: Dim) {
        let a = self.architecture;
        let inner = [Dim::new(Symbol::Heads, a.heads.get()), Dim::new(Symbol::HeadDim, a.head_dim.get())];
        let begin = self.parameters.len();
        for module in [Module::QProj, Module::KProj, Module::VProj] {
            self.matrix(place, module, &inner, &[hidden]);
        }
        self.matrix(place, Module::OProj, &[hidden], &inner);
        self.norm(place, norm, hidden);
        for parameter in self.parameters.iter_mut().skip(begin) {
            parameter.name.part = part;
        }
    }

    fn t5_mlp(&mut self, place: Place, hidden: Dim) {
        self.mlp(place, hidden);
        self.norm(place, Module::PostAttentionNorm, hidden);
    }
}
