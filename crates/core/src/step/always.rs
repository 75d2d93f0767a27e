//! What is there from the beginning: weights, buffers, optimizer states, buckets, averages, and what a step is given.

use super::{FORWARD_AND_BACKWARD, Parameters, Step, by_dtype, inputs, others, updated};
use crate::ledger::{Category, Instant, Module, What};
use crate::optimizer::{Held, Updated};
use crate::quantised;
use crate::scenario::Method;
use crate::tape::Storage;
use crate::units::Dtype;

impl Step<'_> {
    /// Weights, buffers, optimizer states.
    pub(super) fn always(&mut self, parameters: &Parameters) {
        let architecture = &self.pass.architecture;
        for parameter in parameters.of_adapters() {
            let storage = Storage {
                name: parameter.name,
                category: Category::Parameters,
                dims: parameter.dims,
                dtype: self.scenario.trained_dtype(parameter.name),
            };
            self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
        }
        for parameter in parameters.of_model() {
            let storages = match self.pass.quantised {
                Some(quantised) if !parameters.are_sharded() => quantised.storages(parameter),
                _ => vec![quantised::whole(parameter, self.scenario.stored())],
            };
            for storage in storages {
                self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
            }
        }
        if let Some(quantised) = self.pass.quantised.filter(|_| parameters.are_sharded()) {
            for parameter in &parameters.model {
                for storage in quantised.scales(parameter) {
                    self.account.add_storage(&Instant::ALL, storage, parameter.copies(architecture));
                }
            }
        }
        if let Some(dtype) = self.scenario.optimizer_settings.ema.on_gpu(self.pass.weight) {
            self.average(parameters, dtype);
        }
        others::note(&mut self.account, self.scenario);
        for (storage, copies) in inputs::buffers(self.scenario, self.pass) {
            self.account.add_storage(&Instant::ALL, storage, copies);
        }
        for buckets in self.buckets(parameters) {
            self.hold(&Instant::ALL, &buckets);
        }
        if self.scenario.objective.method == Method::Generate {
            return;
        }
        let architecture = self.scenario.architecture();
        if self.scenario.optimizer_dtype() != self.scenario.trained() {
            let updated = updated(self.scenario, &architecture, parameters.updated());
            let master = updated.copy(Category::MasterWeights, What::Master);
            self.hold(&Instant::ALL, &master);
        }
        for updated in by_dtype(self.scenario, &architecture, parameters.with_states()) {
            for state in updated.states(self.scenario.optimizer) {
                self.hold(&Instant::ALL, &state);
            }
        }
    }

    /// DDP's buckets, where gradients aren't views of them. They hold every gradient (`torch/csrc/distributed/c10d/reducer.cpp`,
    /// `initialize_buckets`). PARALLEL section 1.
    fn buckets(&self, parameters: &Parameters) -> Vec<Held> {
        let parallel = &self.scenario.parallel;
        let is_ddp = parallel.scheme().is_some_and(|data| !data.shards_weights()) && self.zero.is_none();
        if !is_ddp || self.pass.grads_in_buckets {
            return Vec::new();
        }
        // A bucket has gradients of one dtype (`compute_bucket_assignment_by_size`).
        let architecture = &self.scenario.model.architecture;
        let of_one_dtype = |updated: Updated<'_>| {
            let dtype = updated.parameters.first().map(|first| self.scenario.trained_dtype(first.name));
            let trained = Updated { dtype: dtype.unwrap_or(updated.dtype), ..updated };
            let mut buckets = trained.copy(Category::Communication, What::Bucket);
            buckets.storage.name.module = Module::Buckets;
            buckets
        };
        by_dtype(self.scenario, architecture, parameters.trained()).map(of_one_dtype).collect()
    }

    /// A moving average of all weights, which begins as a copy of the model.
    fn average(&mut self, parameters: &Parameters, dtype: Dtype) {
        for of in [parameters.model.as_slice(), parameters.adapters.as_deref().unwrap_or_default()] {
            let all = Updated { dtype, ..updated(self.scenario, &self.pass.architecture, of) };
            self.hold(&Instant::ALL, &all.copy(Category::ReferenceModel, What::Average));
        }
    }

    pub(super) fn hold(&mut self, instants: &[Instant], held: &Held) {
        self.account.add_rounded(instants, held.storage, held.rounding);
    }

    /// The batch, masks, and RoPE's cosines and sines.
    pub(super) fn inputs(&mut self) {
        for input in inputs::inputs(self.scenario, self.pass) {
            let until = FORWARD_AND_BACKWARD.iter().take_while(|&&instant| instant <= input.until).count();
            let instants = FORWARD_AND_BACKWARD.get(..until).unwrap_or_default();
            self.account.add_storage(instants, input.storage, input.copies);
        }
    }
}
