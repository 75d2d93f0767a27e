//! The layers of Megatron-LM (core 0.14) with Transformer Engine (2.11), as one rank runs them.
//!
//! Tensors are `[sequence, batch, hidden]`; a rank has its part of the heads, of the MLP's width and of the vocabulary and, between these
//! (with sequence parallelism), of the sequence. Gradients of weights are added into the main gradients by the kernels that make them, so
//! that no rule makes one. Biases make nothing that stays.
//!
//! Derived, checked against measured/megatron.jsonl.

mod attention;
mod context;
mod eager;
mod ends;
mod experts;
mod latent;
mod linear;
mod mlp;

pub(crate) use ends::{embedding, head};

use crate::ledger::{Category, Dim, Dims, Module, Name, Part, What};
use crate::model::NormKind;
use crate::parallel::megatron::RankPart;
use crate::tape::{Block, Mode, Step, Storage, Tape, Var};
use crate::trained::Trained;
use crate::units::Dtype;

/// A block being written.
struct Writer<'a> {
    tape: Tape,
    rank: &'a RankPart,
}

/// One layer (`TransformerLayer.forward`).
pub(crate) fn layer(rank: &RankPart, mode: Mode, is_sparse: bool) -> Block {
    let mut writer = Writer::new(rank, mode);
    let input = writer.residual(Module::Layer, What::Input);
    let input = writer.tape.input(input, true);
    let branch = if rank.architecture.latent.is_some() {
        writer.latent_attention(input)
    } else {
        writer.attention(input)
    };
    let attended = writer.sum(input, branch, Module::AttentionDropout);
    writer.tape.drop(branch);
    let branch = if is_sparse { writer.experts(attended) } else { writer.mlp(attended) };
    let output = writer.sum(attended, branch, Module::MlpDropout);
    writer.tape.drop(branch);
    writer.tape.drop(attended);
    writer.tape.drop(input);
    writer.tape.finish(Some(input), output, false)
}

impl<'a> Writer<'a> {
    fn new(rank: &'a RankPart, mode: Mode) -> Self {
        Self { tape: Tape::new(mode, true, Trained::ALL.layer(true)), rank }
    }

    /// A tensor of a width for every token of the rank.
    fn whole(&self, module: Module, what: What, width: &[Dim]) -> Storage {
        self.rows(module, what, self.rank.sequence(), width)
    }

    /// The same for the part of the tokens that sequence parallelism leaves it.
    fn short(&self, module: Module, what: What, width: &[Dim]) -> Storage {
        self.rows(module, what, self.rank.short(), width)
    }

    fn rows(&self, module: Module, what: What, sequence: Dim, width: &[Dim]) -> Storage {
        let dims = width.iter().fold(Dims::new(&[sequence, self.rank.batch()]), |dims, &dim| dims.and(dim));
        Storage { name: named(module, what), category: Category::Activations, dims, dtype: Dtype::Bf16 }
    }

    /// What layers hand to each other.
    fn residual(&self, module: Module, what: What) -> Storage {
        self.short(module, what, &[self.rank.hidden()])
    }

    fn gradient(&self, var: Var) -> Step {
        Step::Gradient(var, self.tape.gradient_of(var))
    }

    fn temporary(storage: Storage) -> Step {
        Step::Temporary(Storage { category: Category::Temporaries, ..storage })
    }

    /// `residual + dropout(branch + bias)` (`bias_dropout_add`), which keeps dropout's mask.
    fn sum(&mut self, residual: Var, branch: Var, dropout: Module) -> Var {
        let output = self.residual(Module::Layer, What::Residual);
        if !self.rank.architecture.residual_dropout {
            return self.tape.operator(output, &[], &[Step::Pass(residual), Step::Pass(branch)]);
        }
        let mask = Storage { dtype: Dtype::Bool, ..self.residual(dropout, What::DropoutMask) };
        let mask = self.tape.constant(mask);
        let gradient = self.gradient(branch);
        let output = self.tape.operator_keeping_results(output, &[mask], &[Step::Pass(residual), gradient]);
        self.tape.drop(mask);
        output
    }

    /// A copy in another layout, which keeps nothing.
    fn copied(&mut self, x: Var, storage: Storage) -> Var {
        let gradient = self.gradient(x);
        self.tape.operator(storage, &[], &[gradient])
    }

    /// What a norm keeps of each row: `1 / rms`, or the mean and `1 / standard deviation`.
    fn statistics(&mut self, module: Module, rows: &[Dim]) -> Vec<Var> {
        let is_rms = self.rank.architecture.family.norm() == NormKind::Rms;
        let kept: &[What] = if is_rms { &[What::InverseRms] } else { &[What::Mean, What::InverseStd] };
        kept.iter().map(|&what| self.tape.constant(made(module, what, rows, Dtype::Fp32))).collect()
    }
}

/// A tensor that forward makes.
fn made(module: Module, what: What, dims: &[Dim], dtype: Dtype) -> Storage {
    Storage { name: named(module, what), category: Category::Activations, dims: Dims::new(dims), dtype }
}

/// A name among Megatron's modules.
pub(crate) const fn named(module: Module, what: What) -> Name {
    Name { part: Part::Megatron, ..Name::of(module, what) }
}
