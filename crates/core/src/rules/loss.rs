//! Final norm, logits and loss: `ForCausalLMLoss` (transformers), `cross_entropy_loss` (PyTorch). FINDINGS section 4.

use super::Writer;
use super::layer::residual_stream;
use super::linear::Linear;
use super::objective::{completions_head, distillation_head, labels_head, preference_head};
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::model::Family;
use crate::plan::Pass;
use crate::scenario::{Held, Method, Scenario};
use crate::tape::{Block, Mode, Step, Var};
use crate::units::Dtype;

/// What stands after the last layer.
pub(crate) fn head(pass: &Pass, mode: Mode, scenario: &Scenario) -> Block {
    if let Some(labels) = pass.architecture.labels {
        return labels_head(pass, mode, labels.get());
    }
    match scenario.objective.method {
        Method::Kto | Method::Orpo | Method::SimPo | Method::Cpo => {
            return preference_head(pass, mode, scenario);
        }
        Method::Distillation => return distillation_head(pass, mode, scenario),
        method if method.has_rollouts() => return completions_head(pass, mode, scenario),
        _ => {}
    }
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let input = residual_stream(pass, Name::of(Module::Layer, What::Output));
    let input = writer.tape.input(input, pass.follows(pass.architecture.blocks()));
    if pass.architecture.family.is_masked() || pass.architecture.family == Family::T5 {
        let is_t5 = pass.architecture.family == Family::T5;
        let (logits, named) = if is_t5 {
            let (logits, named) = writer.t5_logits(input);
            (logits, named.to_vec())
        } else {
            let (logits, named) = writer.masked_lm_logits(input);
            (logits, vec![named])
        };
        let loss = writer.masked_cross_entropy(logits);
        // `sequence_output` in Python.
        for var in named {
            writer.tape.drop(var);
        }
        writer.tape.drop(input);
        let logits = writer.outputs(logits);
        if scenario.held == Held::Loss {
            writer.tape.drop(logits);
        }
        return writer.tape.finish(Some(input), loss, true);
    }
    let normed = writer.norm_of_tokens(input, Module::FinalNorm);
    writer.tape.drop(input);
    let logits = writer.logits(normed);
    let loss = if scenario.objective.method.is_language_modelling() {
        let loss = writer.cross_entropy(logits);
        writer.tape.drop(normed);
        let logits = writer.outputs(logits);
        if scenario.held == Held::Loss {
            writer.tape.drop(logits);
        }
        loss
    } else {
        // `model(…).logits`: the hidden states go with the model's output.
        writer.tape.drop(normed);
        let logits = writer.outputs(logits);
        writer.log_probabilities(logits, scenario.log_probs)
    };
    writer.tape.finish(Some(input), loss, true)
}

impl Writer<'_> {
    pub(super) fn logits(&mut self, normed: Var) -> Var {
        let (hidden, vocabulary) = ([self.pass.hidden()], [self.pass.vocabulary()]);
        let weight_of = if self.pass.architecture.tied { Module::Embedding } else { Module::LmHead };
        let linear = Linear {
            module: Module::LmHead,
            weight_of,
            input: &hidden,
            output: &vocabulary,
            has_bias: false,
        };
        let logits = self.linear(normed, &linear);
        let logits = self.scaled(logits, Module::LmHead);
        if self.pass.architecture.logit_softcap { self.softcap(logits, Module::LmHead) } else { logits }
    }

    /// `cross_entropy(logits.float(), labels moved by one)`: keeps the log-softmax in fp32 and the labels.
    fn cross_entropy(&mut self, logits: Var) -> Var {
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        let labels =
            |dims: &[Dim]| self.made(Module::Loss, What::ShiftedLabels, Dims::new(dims), Dtype::Int64);
        let one_more = Dim::number(self.pass.sequence.saturating_add(1));
        let (padded, shifted) = (labels(&[self.pass.batch(), one_more]), labels(&self.pass.tokens()));
        let (padded, shifted) = (self.tape.constant(padded), self.tape.constant(shifted));
        let log_softmax =
            self.made(Module::Loss, What::LogSoftmax, self.rows(&[self.pass.vocabulary()]), Dtype::Fp32);
        let gradient = self.gradient(wide);
        let log_softmax = self.tape.operator_keeping_output(log_softmax, &[], &[gradient]);
        let loss = self.scalar(log_softmax, &[log_softmax, shifted]);
        for var in [log_softmax, shifted, padded, wide] {
            self.tape.drop(var);
        }
        loss
    }

    /// The logits as the training loop gets them: in fp32 where autocast is entered around the model's forward alone
    /// (accelerate's `convert_outputs_to_fp32`). Takes over the caller's `logits`.
    pub(super) fn outputs(&mut self, logits: Var) -> Var {
        if !self.pass.leaves_autocast_early() {
            return logits;
        }
        self.tape.leave_autocast();
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        self.tape.drop(logits);
        wide
    }

    /// The loss as a number.
    pub(crate) fn scalar(&mut self, of: Var, saved: &[Var]) -> Var {
        let storage = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let gradient = self.gradient(of);
        self.tape.operator(storage, saved, &[gradient])
    }
}

impl Writer<'_> {
    /// The step that makes the gradient of the head's weight; a tied one waits for the embedding's.
    pub(crate) fn head_gradient(&self, step: Step) -> Step {
        match step {
            // What waits is a sum by then, which takes more in place.
            Step::Parameter(storage) if self.pass.architecture.tied && self.sums_in_new_tensors() => {
                Step::Temporary(storage)
            }
            Step::Parameter(storage) if self.pass.architecture.tied => Step::Waiting(storage),
            other => other,
        }
    }
}
