//! MLPs, experts and routers.

use super::{LayerRange, List, Parameter, Place};
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Experts, Family};

impl List<'_> {
    /// One MLP in each layer, or experts in some and one MLP in the others.
    pub(super) fn mlps(&mut self, hidden: Dim) {
        let Some(experts) = self.architecture.experts else {
            return self.mlp(Place::Layer, hidden);
        };
        if self.architecture.sparse_layers() < self.architecture.layers.get() {
            self.mlp(Place::DenseLayer, hidden);
        }
        self.experts(hidden, &experts);
    }

    pub(super) fn mlp(&mut self, place: Place, hidden: Dim) {
        let a = self.architecture;
        let ffn = Dim::new(Symbol::Ffn, a.ffn.get());
        if a.family.has_fused_gate() {
            self.linear_at(place, Module::GateUpProj, &[Dim::number(2), ffn], &[hidden], a.mlp_bias);
        } else {
            if a.is_gated() {
                self.linear_at(place, Module::GateProj, &[ffn], &[hidden], a.mlp_bias);
            }
            self.linear_at(place, Module::UpProj, &[ffn], &[hidden], a.mlp_bias);
        }
        self.linear_at(place, Module::DownProj, &[hidden], &[ffn], a.mlp_bias);
    }

    /// The router and the experts' matrices (`MixtralExperts`), with the MLP that every token goes through (`DeepseekV2Moe`).
    fn experts(&mut self, hidden: Dim, experts: &Experts) {
        let count = Dim::new(Symbol::Experts, experts.count.get());
        let ffn = Dim::new(Symbol::ExpertFfn, experts.ffn.get());
        let has_biases = self.architecture.family.has_expert_biases();
        let router_is_first = matches!(self.architecture.family, Family::Mixtral | Family::Olmoe);
        if router_is_first {
            self.linear_at(Place::SparseLayer, Module::Router, &[count], &[hidden], false);
        }
        self.stacked(Module::ExpertsUp, count, &[Dim::number(2), ffn], &[hidden]);
        self.stacked(Module::ExpertsDown, count, &[hidden], &[ffn]);
        if has_biases {
            self.bias(Place::SparseLayer, Module::ExpertsUp, &[count, Dim::number(2), ffn]);
            self.bias(Place::SparseLayer, Module::ExpertsDown, &[count, hidden]);
        }
        if !router_is_first {
            self.linear_at(Place::SparseLayer, Module::Router, &[count], &[hidden], has_biases);
        }
        if self.architecture.family.has_shared_gate() {
            self.linear_at(Place::SparseLayer, Module::SharedGate, &[Dim::number(1)], &[hidden], false);
        }
        if let Some(width) = experts.shared_ffn {
            let shared = Dim::new(Symbol::SharedFfn, width.get());
            let bias = self.architecture.mlp_bias;
            self.linear_at(Place::SparseLayer, Module::SharedGateProj, &[shared], &[hidden], bias);
            self.linear_at(Place::SparseLayer, Module::SharedUpProj, &[shared], &[hidden], bias);
            self.linear_at(Place::SparseLayer, Module::SharedDownProj, &[hidden], &[shared], bias);
        }
    }

    /// A matrix for each expert, all in one parameter.
    fn stacked(&mut self, module: Module, count: Dim, rows: &[Dim], columns: &[Dim]) {
        let of_all = |dims: &[Dim]| Dims::new(dims).product().saturating_mul(count.value);
        self.parameters.push(Parameter {
            name: Name::of(module, What::Weight),
            place: Place::SparseLayer,
            layers: LayerRange::ALL,
            dims: Dims::new(&[&[count], rows, columns].concat()),
            matrix: Some((of_all(rows), of_all(columns))),
        });
    }
}
