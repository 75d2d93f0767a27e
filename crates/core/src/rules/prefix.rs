//! Prefix tuning: keys and values of virtual tokens in front of each layer's own (`peft/peft_model.py`, `PeftModel.get_prompt`;
//! `peft/tuners/prefix_tuning/model.py`, `PrefixEncoder`).
//!
//! All layers' keys and values are one lookup, or what a small MLP makes of one. A cache is filled with them, layer by layer in tensors of
//! their own, to which each layer's attention concatenates its keys and values (`transformers/cache_utils.py`, `DynamicLayer.update`).
//! Those concatenations were made before any layer's operators, so that backward visits them last: the whole gradients of each layer's
//! keys and values wait for them.

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use crate::ledger::{Category, Dim, Dims, Module, What};
use crate::plan::{Pass, Prefix};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Pass {
    /// The pass of the prefix alone, one row for each virtual token.
    pub(super) fn of_prefix(&self, prefix: &Prefix) -> Self {
        Self { sequence: prefix.tokens.value, tensor: None, front: None, ..self.clone() }
    }
}

impl Writer<'_> {
    /// `get_prompt`, of which the gradients that layers leave are the last to be visited. The writer's pass is the prefix's own.
    pub(super) fn prefix_of_layers(&mut self, prefix: &Prefix) {
        let width = prefix.looked_up();
        let gradient =
            self.vector_gradient(Module::Prompt, What::Weight, &[prefix.tokens, width], Dtype::Fp32);
        let output = self.made(Module::Prompt, What::Output, self.rows(&[width]), Dtype::Fp32);
        let mut wide = self.tape.operator(output, &[], &[gradient]);
        if let Some(inner) = prefix.projection {
            wide = self.projected(wide, prefix, inner);
        }
        let narrow = self.cast(wide, Module::Prompt, What::Output, self.pass.weight);
        self.tape.drop(wide);
        let copies = self.made(Module::Prompt, What::Input, self.rows(&[prefix.all]), self.pass.weight);
        let joined = self.gradient(narrow);
        let copies = self.tape.operator(copies, &[], &[joined]);
        self.tape.expect_gradient(copies);
        for var in [narrow, copies] {
            self.tape.drop(var);
        }
    }

    /// `Linear`, `Tanh`, `Linear`. Takes over the caller's `x`.
    fn projected(&mut self, x: Var, prefix: &Prefix, inner: Dim) -> Var {
        let hidden = self.encoder_linear(x, Module::PrefixHidden, inner, prefix.looked_up());
        self.tape.drop(x);
        let storage =
            self.made(Module::PrefixHidden, What::Tanh, self.rows(&[inner]), self.tape.dtype(hidden));
        let gradient = self.gradient(hidden);
        let active = self.tape.operator_keeping_output(storage, &[], &[gradient]);
        self.tape.drop(hidden);
        let output = self.encoder_linear(active, Module::PrefixOutput, prefix.all, inner);
        self.tape.drop(active);
        output
    }

    /// A linear layer with a bias whose weights are fp32, whatever the model's are.
    fn encoder_linear(&mut self, x: Var, module: Module, output: Dim, input: Dim) -> Var {
        let compute = self.pass.autocast.unwrap_or(Dtype::Fp32);
        let shape = [output, input];
        let gradient = self.vector_gradient(module, What::Weight, &shape, Dtype::Fp32);
        let read = self.cast(x, module, What::InputCast, compute);
        let mut steps = vec![self.gradient_of_rows(read)];
        let mut saved = vec![read];
        let cast = (compute != Dtype::Fp32).then(|| {
            let of = |what, dims: &[Dim]| Storage {
                name: self.name(module, what),
                category: Category::WeightCasts,
                dims: Dims::new(dims),
                dtype: compute,
            };
            let (weight, bias) = (of(What::WeightCast, &shape), of(What::BiasCast, &[output]));
            let weight = self.tape.operator(weight, &[], &[gradient]);
            let bias = self.tape.constant(bias);
            for of_cache in [weight, bias] {
                self.tape.cache(of_cache);
            }
            self.tape.drop(bias);
            weight
        });
        if let Some(cast) = cast {
            steps.push(self.gradient(cast));
            saved.push(cast);
        } else {
            steps.push(gradient);
        }
        steps.push(Step::Scratch(self.workspace(false)));
        let nothing = Dims::new(&[Dim::number(0)]);
        steps.push(Step::Raw(self.temporary(module, What::Bias, nothing, compute)));
        steps.push(self.partial_sums(module, &self.pass.tokens(), &[output]));
        steps.push(self.vector_gradient(module, What::Bias, &[output], Dtype::Fp32));
        let made = self.made(module, What::Output, self.rows(&[output]), compute);
        let made = self.tape.operator(made, &saved, &steps);
        self.tape.scratch(self.workspace(true));
        for var in [Some(read), cast].into_iter().flatten() {
            self.tape.drop(var);
        }
        made
    }

    /// A layer's part of the prefix: keys and values, which the cache holds until the layer's own are behind them.
    pub(super) fn prefix_of_layer(&mut self, prefix: &Prefix) -> [Var; 2] {
        let dims = [self.pass.batch(), prefix.tokens, self.pass.kv_heads(), self.pass.head_dim()];
        [What::Key, What::Value].map(|what| {
            self.tape.constant(self.made(Module::Prompt, what, Dims::new(&dims), self.pass.weight))
        })
    }

    /// `DynamicLayer.update`. Takes over the caller's heads and prefix.
    pub(super) fn behind_prefix(&mut self, heads: Heads, [keys, values]: [Var; 2]) -> Heads {
        let key = self.concatenated(heads.key, keys, What::Key);
        let value = self.concatenated(heads.value, values, What::Value);
        for var in [heads.key, heads.value] {
            self.tape.drop(var);
        }
        for of_cache in [key, value] {
            self.tape.cache(of_cache);
        }
        Heads { key, value, ..heads }
    }

    /// `torch.cat`, which autocast gives operands of one dtype. Takes over the caller's `prefix`.
    fn concatenated(&mut self, own: Var, prefix: Var, what: What) -> Var {
        let dtype = promoted(self.tape.dtype(own), self.tape.dtype(prefix));
        let widened = self.cast(own, Module::Attention, what, dtype);
        let dims = [self.pass.batch(), self.pass.keys(), self.pass.kv_heads(), self.pass.head_dim()];
        let joined = self.made(Module::Attention, what, Dims::new(&dims), dtype);
        let joined = self.tape.operator(joined, &[], &[Step::Wait, Step::Pass(widened)]);
        for var in [widened, prefix] {
            self.tape.drop(var);
        }
        joined
    }
}
