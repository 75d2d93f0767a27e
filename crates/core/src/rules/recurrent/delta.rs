//! `Qwen3NextGatedDeltaNet`.

use super::value_shape;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::rules::elementwise::promoted;
use crate::rules::norm::Norm;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// What the scan reads: views of what the convolution has made, and numbers for each head.
#[derive(Clone, Copy)]
pub(super) struct DeltaInputs {
    pub(super) query: Var,
    pub(super) key: Var,
    pub(super) value: Var,
    /// Logarithm of the decay.
    pub(super) decay: Var,
    /// Rate of learning.
    pub(super) beta: Var,
}

impl Writer<'_> {
    pub(super) fn gated_delta_net(&mut self, x: Var, layer: &Recurrent) -> Var {
        let number = |count: u64| Dim::number(count);
        let (keys, values) = (layer.keys(), layer.values());
        let heads = number(layer.value_heads.get());
        let repeats = layer.value_heads > layer.key_heads;
        let width = layer.channels().saturating_add(values);
        let mixed = self.recurrent_projection(x, Module::RecurrentIn, width, false);
        let rates =
            self.recurrent_projection(x, Module::RecurrentRates, heads.value.saturating_mul(2), false);
        let (of_keys, of_values) = (self.rows(&[number(keys)]), self.rows(&value_shape(layer)));
        let [query, key, value, mut gate] = self.split_into(
            mixed,
            [
                (What::Query, of_keys),
                (What::Key, of_keys),
                (What::Value, of_values),
                (What::Scaled, of_values),
            ],
        );
        let per_head = self.rows(&[heads]);
        let [mut beta, mut rate] = self.split_into(rates, [(What::Step, per_head), (What::Decay, per_head)]);
        // Of grouped heads, parts of the projections are reshaped over a gap.
        let mut value_copy = None;
        if repeats {
            value_copy = Some(self.copied(value, What::Value, of_values));
            gate = self.then(gate, |w, x| w.copied(x, What::Scaled, of_values));
            beta = self.then(beta, |w, x| w.copied(x, What::Step, per_head));
            rate = self.then(rate, |w, x| w.copied(x, What::Decay, per_head));
        }
        let query = self.then(query, |w, x| w.copied(x, What::Query, of_keys));
        let key = self.then(key, |w, x| w.copied(x, What::Key, of_keys));
        let value_copy = value_copy.unwrap_or_else(|| self.copied(value, What::Value, of_values));
        self.tape.drop(value);
        let dims = self.rows(&[number(layer.channels())]);
        let all = self.scanned(What::Input, dims, self.tape.dtype(mixed));
        let all = self.tape.operator(all, &[], &[query, key, value_copy].map(Step::Pass));
        let active = self.then(all, |w, x| w.convolution(x, layer));
        let [query_heads, key_heads, value_heads] = self.heads_of(active, layer, repeats);
        for var in [query, key, value_copy] {
            self.tape.drop(var);
        }
        let learned = self.keeping_output(beta, What::Step);
        let decay = self.decay(rate, per_head, heads);
        let (query, key, value) = (query_heads, key_heads, value_heads);
        let read = self.delta_rule(&DeltaInputs { query, key, value, decay, beta: learned }, layer);
        for var in [query, key, value] {
            self.tape.drop(var);
        }
        let normed = self.then(read, |w, x| w.gated_norm(x, gate, layer));
        let output = self.recurrent_output(normed, layer);
        for var in [normed, gate, decay, learned, beta, rate, active, rates, mixed] {
            self.tape.drop(var);
        }
        output
    }

    /// Queries, keys and values by head. What is transposed to heads has its gradient copied back.
    fn heads_of(&mut self, active: Var, layer: &Recurrent, repeats: bool) -> [Var; 3] {
        let heads = [Dim::number(layer.key_heads.get()), Dim::number(layer.key_dim.get())];
        let (keys, values) = (self.rows(&heads), self.rows(&value_shape(layer)));
        let [query, key, value] =
            self.split_into(active, [(What::Query, keys), (What::Key, keys), (What::Value, values)]);
        [
            self.then(query, |w, x| w.reshaped(x, What::Query, keys, !repeats)),
            self.then(key, |w, x| w.reshaped(x, What::Key, keys, !repeats)),
            self.then(value, |w, x| w.reshaped(x, What::Value, values, true)),
        ]
    }

    /// `-A_log.float().exp() * softplus(a.float() + dt_bias)`. The caller still holds `rate`.
    fn decay(&mut self, rate: Var, per_head: Dims, heads: Dim) -> Var {
        let negative = self.negative_rate(&[heads]);
        let wide = self.scan_cast(rate, What::Decay, Dtype::Fp32);
        let sum = self.scanned(What::Decay, per_head, Dtype::Fp32);
        let bias = self.parameter_gradient(Module::DtBias, What::Weight, &[heads]);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(wide), bias]);
        self.tape.drop(wide);
        let length = self.map(sum, Module::Scan, What::Decay, &[sum]);
        self.tape.drop(sum);
        let decay = self.broadcast_product(negative, length, What::Decay, per_head);
        self.tape.drop(length);
        self.tape.drop(negative);
        decay
    }

    /// `(weight * norm(x)).to(x.dtype) * silu(gate.float())` (`Qwen3NextRMSNormGated`). The caller still holds both.
    fn gated_norm(&mut self, x: Var, gate: Var, layer: &Recurrent) -> Var {
        let given = self.tape.dtype(x);
        let rows = [self.pass.batch(), self.pass.sequence(), Dim::number(layer.value_heads.get())];
        let width = Dim::number(layer.value_dim.get());
        let norm = Norm { module: Module::GatedNorm, rows: &rows, width };
        let normalised = self.normalise(x, &norm);
        let back = self.cast(normalised, Module::GatedNorm, What::Normalised, given);
        let weighted = self.weighted_norm(back, &norm, promoted(given, self.pass.weight));
        self.tape.drop(back);
        self.tape.drop(normalised);
        let wide = self.cast(gate, Module::GatedNorm, What::Fp32Copy, Dtype::Fp32);
        let active = self.map(wide, Module::GatedNorm, What::Step, &[wide]);
        self.tape.drop(wide);
        let product = self.product(weighted, active, Module::GatedNorm, What::Product);
        self.tape.drop(active);
        self.tape.drop(weighted);
        let output = self.cast(product, Module::GatedNorm, What::Output, given);
        self.tape.drop(product);
        output
    }
}
