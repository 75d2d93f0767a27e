//! Parameters of models that read images, and of a tower in front of a language model.

use super::{List, Parameter, Place, parameters, vocabulary};
use crate::ledger::{Dim, Module, Name, Part, Symbol};
use crate::model::{Family, Image, Tower};

impl List<'_> {
    /// `ViTForImageClassification`, `CLIPVisionModel`.
    pub(super) fn of_images(&mut self, hidden: Dim, image: &Image) {
        let a = self.architecture;
        self.vector(Place::Embedding, Module::ClassToken, &[hidden]);
        let (channels, patch) = (Dim::number(image.channels.get()), Dim::number(image.patch.get()));
        let positions = Dim::new(Symbol::Sequence, image.positions());
        self.matrix(Place::Embedding, Module::PatchEmbedding, &[hidden], &[channels, patch, patch]);
        if a.family == Family::Vit {
            self.bias(Place::Embedding, Module::PatchEmbedding, &[hidden]);
        }
        self.matrix(Place::Embedding, Module::PositionEmbedding, &[positions], &[hidden]);
        if a.family == Family::ClipVision {
            self.norm(Place::Embedding, Module::EmbeddingNorm, hidden);
        }
        self.attention(hidden);
        self.mlps(hidden);
        self.layer_norms(hidden);
        self.norm(Place::Head, Module::FinalNorm, hidden);
        if a.family == Family::Vit {
            self.linear_at(Place::Head, Module::Classifier, &[vocabulary(a)], &[hidden], true);
        }
    }

    /// A vision tower and the projector to the language model (`LlavaModel`).
    pub(super) fn tower(&mut self, hidden: Dim, tower: &Tower) {
        let of_tower = parameters(&tower.architecture());
        let place = |place, parameter: &Parameter| Parameter {
            name: Name { part: Part::Vision, ..parameter.name },
            place,
            ..*parameter
        };
        for parameter in &of_tower {
            self.parameters.push(place(
                match parameter.place {
                    Place::Embedding => Place::Embedding,
                    Place::Head => Place::UnusedTower,
                    _ => Place::TowerLayer,
                },
                parameter,
            ));
        }
        for parameter in of_tower.iter().filter(|parameter| parameter.is_in_layer()) {
            self.parameters.push(place(Place::UnusedTowerLayer, parameter));
        }
        let of_tower = Dim::number(tower.hidden.get());
        let bias = tower.projector_bias;
        self.linear_at(Place::Bridge, Module::ProjectorUp, &[hidden], &[of_tower], bias);
        self.linear_at(Place::Bridge, Module::ProjectorDown, &[hidden], &[hidden], bias);
    }
}
