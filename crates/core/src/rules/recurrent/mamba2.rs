//! `Mamba2Mixer`: one projection, a convolution, the scan of state space duality, a gated norm over groups.

use super::{Shape, value_shape};
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::rules::elementwise::promoted;
use crate::rules::norm::Norm;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// What the scan reads. A token is read with B, the state with C: the keys and queries of linear attention.
#[derive(Clone, Copy)]
pub(super) struct DualityInputs {
    pub(super) hidden: Var,
    pub(super) keys: Var,
    pub(super) queries: Var,
    /// Length of a step, before softplus.
    pub(super) step: Var,
    /// `-exp(A_log)`.
    pub(super) decay: Var,
}

impl Writer<'_> {
    pub(super) fn mamba2(&mut self, x: Var, layer: &Recurrent) -> Var {
        let number = |count: u64| Dim::number(count);
        let (inner, channels, heads) = (layer.values(), layer.channels(), layer.value_heads.get());
        let width = inner.saturating_add(channels).saturating_add(heads);
        let projected = self.recurrent_projection(x, Module::RecurrentIn, width, layer.proj_bias);
        let decay = self.negative_rate(&[number(heads)]);
        let of_values = self.rows(&value_shape(layer));
        let of_keys = self.rows(&[number(layer.key_heads.get()), number(layer.key_dim.get())]);
        let (of_channels, per_head) = (self.rows(&[number(channels)]), self.rows(&[number(heads)]));
        let [gate, mixed, step] = self.split_into(
            projected,
            [(What::Scaled, of_values), (What::Input, of_channels), (What::Step, per_head)],
        );
        let active = self.then(mixed, |w, x| w.convolution(x, layer));
        let [hidden, keys, queries] =
            self.split_into(active, [(What::Value, of_values), (What::Key, of_keys), (What::Query, of_keys)]);
        let read = self.duality(&DualityInputs { hidden, keys, queries, step, decay }, layer);
        let normed = self.then(read, |w, x| w.norm_of_groups(x, gate, layer));
        let given = self.tape.dtype(x);
        let narrow = self.then(normed, |w, x| w.cast(x, Module::RecurrentOut, What::Input, given));
        let output = self.recurrent_output(narrow, layer);
        for var in [narrow, hidden, keys, queries, active, gate, step, decay, projected] {
            self.tape.drop(var);
        }
        output
    }

    /// `-exp(A_log.float())`.
    pub(super) fn negative_rate(&mut self, shape: &[Dim]) -> Var {
        let dims = Dims::new(shape);
        let mut gradient = self.parameter_gradient(Module::ALog, What::Weight, shape);
        let wide = self.scanned(What::Decay, dims, Dtype::Fp32);
        let copy = (self.pass.weight != Dtype::Fp32).then(|| self.tape.operator(wide, &[], &[gradient]));
        if let Some(copy) = copy {
            gradient = self.gradient(copy);
        }
        let exponent = self.tape.operator_keeping_output(wide, &[], &[gradient]);
        if let Some(copy) = copy {
            self.tape.drop(copy);
        }
        self.then(exponent, |w, x| w.made_of(x, What::Decay, dims))
    }

    /// `weight * norm(x.float() * silu(gate.float())).to(x.dtype)`, by groups (`MambaRMSNormGated`). The caller still holds both.
    fn norm_of_groups(&mut self, x: Var, gate: Var, layer: &Recurrent) -> Var {
        let given = self.tape.dtype(x);
        let (module, groups) = (Module::GatedNorm, layer.key_heads.get().max(1));
        let wide = self.cast(x, module, What::Fp32Copy, Dtype::Fp32);
        let of_gate = self.cast(gate, module, What::Fp32Copy, Dtype::Fp32);
        let active = self.map(of_gate, module, What::Step, &[of_gate]);
        self.tape.drop(of_gate);
        let product = self.product(wide, active, module, What::Product);
        self.tape.drop(active);
        self.tape.drop(wide);
        let tokens = self.pass.tokens();
        let rows = [tokens[0], tokens[1], Dim::number(groups)];
        let norm = Norm { module, rows: &rows, width: Dim::number(layer.values() / groups) };
        let normalised = self.then(product, |w, x| w.normalise(x, &norm));
        let norm = Norm { module, rows: &tokens, width: Dim::number(layer.values()) };
        self.tape.reshape(normalised, self.name(module, What::Normalised), norm.full());
        let back = self.cast(normalised, module, What::Normalised, given);
        let weighted = self.weighted_norm(back, &norm, promoted(given, self.pass.weight));
        self.tape.drop(back);
        self.tape.drop(normalised);
        weighted
    }

    /// The length of a step: `clamp(softplus(step + dt_bias))`. Autocast's softplus is fp32. The caller still holds `step`.
    pub(super) fn step_length(&mut self, step: Var, heads: Dim) -> Var {
        let of = self.tape.storage(step);
        let bias = self.parameter_gradient(Module::DtBias, What::Weight, &[heads]);
        let sum = self.scanned(What::Step, of.dims, of.dtype);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(step), bias]);
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { of.dtype };
        let wide = self.then(sum, |w, x| w.scan_cast(x, What::Step, dtype));
        let length = self.map(wide, Module::Scan, What::Step, &[wide]);
        self.tape.drop(wide);
        let limited = self.map(length, Module::Scan, What::Step, &[length]);
        self.tape.drop(length);
        limited
    }
}

impl Shape {
    /// A row for each token of all chunks, with its heads.
    pub(super) fn tokens(&self, more: &[Dim]) -> Dims {
        let rows = [self.batch, self.chunks, self.chunk, self.heads];
        more.iter().fold(Dims::new(&rows), |dims, &dim| dims.and(dim))
    }
}
