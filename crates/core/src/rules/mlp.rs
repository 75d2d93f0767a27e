//! The MLP: gated (`LlamaMLP`, `Phi3MLP`, `Gemma2MLP`) or plain (`GPT2MLP`). FINDINGS section 3.

use super::Writer;
use super::linear::Linear;
use crate::ledger::{Dim, Module, Name, Symbol, What};
use crate::model::{Activation, Family};
use crate::scenario::Fused;
use crate::tape::{Step, Var};
use crate::units::{Count, Dtype};

/// A gated MLP: its three projections and its width.
pub(crate) struct Gated {
    gate: Module,
    up: Module,
    down: Module,
    width: Dim,
}

impl Gated {
    /// The MLP of the shared experts together.
    pub(crate) const fn shared(width: Count) -> Self {
        Self {
            gate: Module::SharedGateProj,
            up: Module::SharedUpProj,
            down: Module::SharedDownProj,
            width: Dim::new(Symbol::SharedFfn, width.get()),
        }
    }
}

impl Writer<'_> {
    /// The MLP on `x`, which the caller still holds: its output before dropout.
    pub(crate) fn mlp(&mut self, x: Var) -> Var {
        let family = self.pass.architecture.family;
        let width = self.pass.ffn();
        if self.pass.architecture.is_gated() && !family.has_fused_gate() {
            let gated = Gated { gate: Module::GateProj, up: Module::UpProj, down: Module::DownProj, width };
            return self.gated_mlp(x, &gated);
        }
        let inner = if family.has_fused_gate() { self.fused_gate(x) } else { self.plain(x) };
        let output = self.down(inner, Module::DownProj, width);
        self.tape.drop(inner);
        output
    }

    /// `down_proj(act(gate_proj(x)) * up_proj(x))`.
    pub(crate) fn gated_mlp(&mut self, x: Var, mlp: &Gated) -> Var {
        let gate = self.up(x, mlp.gate, mlp.width);
        let is_compiled = self.is_compiled(mlp.gate);
        if is_compiled || self.pass.kernels.mlp == Fused::Liger {
            let up = self.up(x, mlp.up, mlp.width);
            let product = if is_compiled {
                self.compiled_product(gate, up, mlp.down)
            } else {
                self.liger_product(gate, up, mlp.down)
            };
            self.tape.drop(gate);
            self.tape.drop(up);
            let output = self.down(product, mlp.down, mlp.width);
            self.tape.drop(product);
            return output;
        }
        let active = self.activated(gate);
        self.tape.drop(gate);
        let up = self.up(x, mlp.up, mlp.width);
        let product = self.product(active, up, mlp.down, What::Input);
        self.tape.drop(active);
        self.tape.drop(up);
        let inner = self.before_down(product);
        let output = self.down(inner, mlp.down, mlp.width);
        self.tape.drop(inner);
        output
    }

    pub(super) fn up(&mut self, x: Var, module: Module, width: Dim) -> Var {
        let (hidden, ffn) = ([self.pass.hidden()], [width]);
        let has_bias = self.pass.architecture.mlp_bias;
        self.linear(x, &Linear { module, weight_of: module, input: &hidden, output: &ffn, has_bias })
    }

    pub(super) fn down(&mut self, x: Var, module: Module, width: Dim) -> Var {
        let (ffn, hidden) = ([width], [self.pass.hidden()]);
        let has_bias = self.pass.architecture.mlp_bias;
        self.linear(x, &Linear { module, weight_of: module, input: &ffn, output: &hidden, has_bias })
    }

    /// `act(gate) * up` with one projection for gate and up, whose whole output is kept: `chunk` gives views.
    fn fused_gate(&mut self, x: Var) -> Var {
        let (hidden, ffn) = ([self.pass.hidden()], [Dim::number(2), self.pass.ffn()]);
        let has_bias = self.pass.architecture.mlp_bias;
        let linear = Linear {
            module: Module::GateUpProj,
            weight_of: Module::GateUpProj,
            input: &hidden,
            output: &ffn,
            has_bias,
        };
        let both = self.linear(x, &linear);
        // split's backward concatenates the two halves' gradients once.
        let steps = [self.gradient(both)];
        let split = self.tape.view(both, &[], &steps);
        let half = self.rows(&[self.pass.ffn()]);
        let gate = self.tape.view(split, &[], &[Step::Pass(split)]);
        self.tape.reshape(gate, Name::of(Module::GateProj, What::Output), half);
        let up = self.tape.view(split, &[], &[Step::Join(split)]);
        self.tape.reshape(up, Name::of(Module::UpProj, What::Output), half);
        self.tape.drop(split);
        let active = self.activated(gate);
        let product = self.product(up, active, Module::DownProj, What::Input);
        for var in [active, gate, up, both] {
            self.tape.drop(var);
        }
        self.before_down(product)
    }

    fn plain(&mut self, x: Var) -> Var {
        let up = self.up(x, Module::UpProj, self.pass.ffn());
        let active = self.activated(up);
        self.tape.drop(up);
        self.before_down(active)
    }

    pub(super) fn activated(&mut self, x: Var) -> Var {
        match self.pass.architecture.activation {
            Activation::OneKernel => self.map(x, Module::Activation, What::Output, &[x]),
            Activation::NewGelu => self.new_gelu(x),
            Activation::QuickGelu => self.quick_gelu(x),
            Activation::Relu => self.relu(x, What::Output),
            Activation::Relu2 => self.relu_squared(x),
        }
    }

    fn relu(&mut self, x: Var, what: What) -> Var {
        let storage = self.tape.storage(x);
        let output = self.made(Module::Activation, what, storage.dims, storage.dtype);
        let gradient = self.gradient(x);
        self.tape.operator_keeping_output(output, &[], &[gradient])
    }

    /// `square(relu(x))`. `pow` is an fp32 operator under autocast; its backward makes two more tensors.
    fn relu_squared(&mut self, x: Var) -> Var {
        let positive = self.relu(x, What::Step);
        let wide = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(x) };
        let base = self.cast(positive, Module::Activation, What::Fp32Copy, wide);
        let storage = self.tape.storage(base);
        let temporary = self.temporary(Module::Activation, What::Step, storage.dims, wide);
        let steps = [Step::Temporary(temporary), Step::Temporary(temporary), self.gradient(base)];
        let square = self.made(Module::Activation, What::Output, storage.dims, wide);
        let square = self.tape.operator(square, &[base], &steps);
        self.tape.drop(base);
        self.tape.drop(positive);
        square
    }

    /// T5's and ModernBERT's dropout before the last projection, and T5's conversion to that projection's dtype. Takes over the caller's `x`.
    fn before_down(&mut self, x: Var) -> Var {
        let family = self.pass.architecture.family;
        if family != Family::T5 && !family.drops_within_mlp_alone() {
            return x;
        }
        let dropped = self.residual_dropout(x, Module::InnerDropout);
        if family != Family::T5 {
            return dropped;
        }
        let converted = self.cast(dropped, Module::DownProj, What::Fp32Copy, self.pass.weight);
        self.tape.drop(dropped);
        converted
    }

    /// `x * sigmoid(1.702 * x)` (`QuickGELUActivation`).
    fn quick_gelu(&mut self, x: Var) -> Var {
        let scaled = self.map(x, Module::Activation, What::Step, &[]);
        let storage = self.tape.storage(scaled);
        let gradient = self.gradient(scaled);
        let sigmoid = self.made(Module::Activation, What::Product, storage.dims, storage.dtype);
        let sigmoid = self.tape.operator_keeping_output(sigmoid, &[], &[gradient]);
        self.tape.drop(scaled);
        let output = self.product(x, sigmoid, Module::Activation, What::Output);
        self.tape.drop(sigmoid);
        output
    }

    /// `0.5 * x * (1 + tanh(c * (x + 0.044715 * x³)))`, step by step (`NewGELUActivation`). `pow` is an fp32 operator under autocast.
    fn new_gelu(&mut self, x: Var) -> Var {
        let module = Module::Activation;
        let step = What::Step;
        let wide = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(x) };
        let half = self.map(x, module, step, &[]);
        let base = self.cast(x, module, What::Fp32Copy, wide);
        let storage = self.tape.storage(base);
        let temporary = self.temporary(module, step, storage.dims, wide);
        let steps = [Step::Temporary(temporary), Step::Temporary(temporary), self.gradient(base)];
        let cube = self.tape.operator(self.made(module, step, storage.dims, wide), &[base], &steps);
        self.tape.drop(base);
        let scaled = self.map(cube, module, step, &[]);
        self.tape.drop(cube);
        let sum = self.sum(x, scaled, module, step);
        self.tape.drop(scaled);
        let inner = self.map(sum, module, step, &[]);
        self.tape.drop(sum);
        let gradient = self.gradient(inner);
        let tanh = self.tape.operator_keeping_output(
            self.made(module, What::Tanh, storage.dims, wide),
            &[],
            &[gradient],
        );
        self.tape.drop(inner);
        let plus_one = self.tape.operator(
            self.made(module, What::Product, storage.dims, wide),
            &[],
            &[Step::Pass(tanh)],
        );
        self.tape.drop(tanh);
        let output = self.product(half, plus_one, module, What::Output);
        self.tape.drop(half);
        self.tape.drop(plus_one);
        output
    }
}
