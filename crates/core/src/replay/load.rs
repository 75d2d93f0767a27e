//! The model is made: its tensors in the order of their modules, then what stands beside it.

use super::sequence::Player;
use crate::model::{Parameter, Place};
use crate::step::inputs;
use crate::step::others;
use crate::tape::Storage;
use crate::units::Bytes;

impl Player<'_> {
    /// The tensors beside the parameters of the whole model: those of the embedding, of layer after layer, of the head.
    pub(super) fn beside_parameters(&self, of: &[Parameter], sizes: &[Bytes]) -> Vec<Bytes> {
        let architecture = &self.pass.architecture;
        let with_size = || of.iter().zip(sizes);
        let at = |is_here: &dyn Fn(Place) -> bool| -> Vec<Bytes> {
            with_size().filter(|(parameter, _)| is_here(parameter.place)).map(|(_, &size)| size).collect()
        };
        let mut all = at(&|place| place == Place::Embedding);
        let tower = architecture.tower;
        for _ in 0..tower.map_or(0, |tower| tower.used.get()) {
            all.extend(at(&|place| place == Place::TowerLayer));
        }
        for _ in 0..tower.map_or(0, |tower| tower.layers.get().saturating_sub(tower.used.get())) {
            all.extend(at(&|place| place == Place::UnusedTowerLayer));
        }
        all.extend(at(&|place| place == Place::UnusedTower));
        all.extend(at(&|place| place == Place::Fixed));
        for _ in 0..architecture.speech.map_or(0, |speech| speech.layers.get()) {
            all.extend(at(&|place| place == Place::EncoderLayer));
        }
        if architecture.speech.is_some() {
            all.extend(at(&|place| place == Place::Bridge));
        }
        for index in 0..architecture.layers.get() {
            let here = with_size().filter(|(parameter, _)| parameter.is_at(architecture, index));
            all.extend(here.map(|(_, &size)| size));
        }
        if architecture.speech.is_none() {
            all.extend(at(&|place| place == Place::Bridge));
        }
        for _ in 0..architecture.decoder.map_or(0, |decoder| decoder.layers.get()) {
            all.extend(at(&|place| place == Place::DecoderLayer));
        }
        all.extend(at(&|place| place == Place::Head));
        all.retain(|&size| size > Bytes::ZERO);
        all
    }

    /// The tensors in which the model's parameters are held, in the order of their modules: of a quantised weight more than one.
    fn held_in_order(&self) -> Vec<Bytes> {
        let model = &self.parameters.model;
        let held: Vec<Vec<Bytes>> = model
            .iter()
            .map(|parameter| self.pass.storages(parameter).iter().map(Storage::bytes).collect())
            .collect();
        let most = held.iter().map(Vec::len).max().unwrap_or_default();
        let mut all = Vec::new();
        for at in 0..most {
            let sizes: Vec<Bytes> =
                held.iter().map(|pieces| pieces.get(at).copied().unwrap_or_default()).collect();
            all.extend(self.beside_parameters(model, &sizes));
        }
        all
    }

    /// Makes the model, its buffers, the adapters, the reference model.
    pub(super) fn load(&mut self) {
        let sizes = |of: &[Parameter], element: u64| -> Vec<Bytes> {
            of.iter().map(|parameter| Bytes::new(parameter.elements()).times(element)).collect()
        };
        let model = &self.parameters.model;
        let mut all = self.held_in_order();
        if let Some(adapters) = &self.parameters.adapters {
            let dtype = |parameter: &Parameter| self.scenario.trained_dtype(parameter.name).size();
            let sizes = adapters.iter().map(|p| Bytes::new(p.elements()).times(dtype(p))).collect::<Vec<_>>();
            all.extend(self.beside_parameters(adapters, &sizes));
        }
        for (part, other) in others::on_gpu(self.scenario) {
            let weights = others::weights(self.scenario, part, other);
            let sizes: Vec<Bytes> = weights.iter().map(|(storage, _)| storage.bytes()).collect();
            if other.millions.is_some() {
                all.extend(sizes);
            } else {
                all.extend(self.beside_parameters(&others::parameters_of(self.scenario, part), &sizes));
            }
        }
        if let Some(dtype) = self.scenario.optimizer_settings.ema.on_gpu(self.pass.weight) {
            all.extend(self.beside_parameters(model, &sizes(model, dtype.size())));
            if let Some(adapters) = &self.parameters.adapters {
                all.extend(self.beside_parameters(adapters, &sizes(adapters, dtype.size())));
            }
        }
        for (storage, copies) in inputs::buffers(self.scenario, self.pass) {
            all.extend((0..copies).map(|_| storage.bytes()));
        }
        for size in all {
            self.allocator.allocate(size);
        }
        self.allocator.begin_anew();
    }
}
