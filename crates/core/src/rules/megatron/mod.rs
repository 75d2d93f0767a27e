//! The layers of Megatron-LM (core 0.14) with Transformer Engine (2.11), as one rank runs them.
//!
//! Tensors are `[sequence, batch, hidden]`; a rank has its part of the heads, of the MLP's width and of the vocabulary and, between these
//! (with sequence parallelism), of the sequence. Gradients of weights are added into the main gradients by the kernels that make them, so
//! that no rule makes one. Biases and dropout of a layer make nothing that stays: `bias_dropout_add` with a probability of zero is a sum.
//!
//! Derived, checked against measured/megatron.jsonl.

mod attention;
mod ends;
mod experts;
mod latent;
mod linear;
mod mlp;

pub(crate) use ends::{embedding, head};

use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::parallel::megatron::Split;
use crate::tape::{Block, Mode, Step, Storage, Tape, Var};
use crate::trained::Trained;
use crate::units::Dtype;

/// A block being written.
struct Writer<'a> {
    tape: Tape,
    split: &'a Split,
}

/// One layer (`TransformerLayer.forward`).
pub(crate) fn layer(split: &Split, mode: Mode, is_sparse: bool) -> Block {
    let mut writer = Writer::new(split, mode);
    let input = writer.residual(Module::Layer, What::Input);
    let input = writer.tape.input(input, true);
    let branch = if split.architecture.latent.is_some() {
        writer.latent_attention(input)
    } else {
        writer.attention(input)
    };
    let attended = writer.sum(input, branch);
    writer.tape.drop(branch);
    let branch = if is_sparse { writer.experts(attended) } else { writer.mlp(attended) };
    let output = writer.sum(attended, branch);
    writer.tape.drop(branch);
    writer.tape.drop(attended);
    writer.tape.drop(input);
    writer.tape.finish(Some(input), output, false)
}

impl<'a> Writer<'a> {
    fn new(split: &'a Split, mode: Mode) -> Self {
        Self { tape: Tape::new(mode, true, Trained::ALL.layer(true)), split }
    }

    /// A tensor of a width for every token of the rank.
    fn whole(&self, module: Module, what: What, width: &[Dim]) -> Storage {
        self.rows(module, what, self.split.sequence(), width)
    }

    /// The same for the part of the tokens that sequence parallelism leaves it.
    fn short(&self, module: Module, what: What, width: &[Dim]) -> Storage {
        self.rows(module, what, self.split.short(), width)
    }

    fn rows(&self, module: Module, what: What, sequence: Dim, width: &[Dim]) -> Storage {
        let dims = width.iter().fold(Dims::new(&[sequence, self.split.batch()]), |dims, &dim| dims.and(dim));
        Storage { name: Name::of(module, what), category: Category::Activations, dims, dtype: Dtype::Bf16 }
    }

    /// What layers hand to each other.
    fn residual(&self, module: Module, what: What) -> Storage {
        self.short(module, what, &[self.split.hidden()])
    }

    fn gradient(&self, var: Var) -> Step {
        Step::Gradient(var, self.tape.gradient_of(var))
    }

    fn temporary(storage: Storage) -> Step {
        Step::Temporary(Storage { category: Category::Temporaries, ..storage })
    }

    /// `residual + branch` (`bias_dropout_add_unfused`), which hands its gradient on to both.
    fn sum(&mut self, a: Var, b: Var) -> Var {
        let output = self.residual(Module::Layer, What::Residual);
        self.tape.operator(output, &[], &[Step::Pass(a), Step::Pass(b)])
    }

    /// A copy in another layout, which keeps nothing.
    fn copied(&mut self, x: Var, storage: Storage) -> Var {
        let gradient = self.gradient(x);
        self.tape.operator(storage, &[], &[gradient])
    }

    /// `1 / rms` of each row of a norm.
    fn inverse_rms(&mut self, module: Module, rows: &[Dim]) -> Var {
        let storage = made(module, What::InverseRms, rows, Dtype::Fp32);
        self.tape.constant(storage)
    }
}

/// A tensor that forward makes.
fn made(module: Module, what: What, dims: &[Dim], dtype: Dtype) -> Storage {
    Storage { name: Name::of(module, what), category: Category::Activations, dims: Dims::new(dims), dtype }
}
