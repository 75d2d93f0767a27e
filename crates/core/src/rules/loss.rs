//! Final norm, logits and loss: `ForCausalLMLoss` (transformers), `cross_entropy_loss` (PyTorch). FINDINGS section 4.

use super::Writer;
use super::layer::residual_stream;
use super::linear::Linear;
use super::objective::{completions_head, distillation_head, labels_head, preference_head};
use super::tensor_loss::split_head;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::model::Family;
use crate::plan::Pass;
use crate::scenario::{Compile, Held, LossKernel, Method, Scenario, Shift};
use crate::tape::{Block, Mode, Step, Storage, Var};
use crate::units::Dtype;

/// What stands after the last layer.
pub(crate) fn head(pass: &Pass, mode: Mode, scenario: &Scenario) -> Block {
    if let Some(labels) = pass.architecture.labels {
        return labels_head(pass, mode, labels.get());
    }
    if let Some(split) = pass.tensor {
        return split_head(pass, mode, &split);
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
    let input = Storage { dtype: pass.stream_dtype(), ..input };
    let input = writer.tape.input(input, pass.follows(pass.architecture.blocks()));
    let single = Pass { sequence: 1, ..pass.clone() };
    if pass.architecture.has_own_objective() && pass.architecture.tower.is_none() {
        let is_t5 = pass.architecture.family == Family::T5;
        let (logits, named) = if is_t5 {
            let (logits, named) = writer.t5_logits(input);
            (logits, named.to_vec())
        } else if pass.architecture.speech.is_some() {
            let (logits, named) = writer.speech_logits(input);
            (logits, vec![named])
        } else if pass.architecture.image.is_some() {
            let (logits, named) = writer.class_logits(input, &single);
            (logits, vec![named])
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
    if scenario.objective.method == Method::CausalLm
        && let Some(loss) = writer.other_loss(normed)
    {
        writer.tape.drop(normed);
        return writer.tape.finish(Some(input), loss, true);
    }
    let mut logits = writer.logits(normed);
    if pass.kernels.shift == Shift::WideLogits {
        let wide = writer.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        writer.tape.drop(logits);
        logits = wide;
    }
    let loss = if scenario.objective.method.is_language_modelling() {
        let loss = match pass.kernels.loss {
            _ if pass.kernels.compile == Compile::Model => writer.compiled_model_loss(logits),
            LossKernel::NoUpcast => writer.cross_entropy_without_upcast(logits),
            LossKernel::Compiled => writer.compiled_cross_entropy(logits),
            LossKernel::Liger => writer.liger_cross_entropy(logits),
            _ => writer.cross_entropy(logits),
        };
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
            has_bias: self.pass.architecture.has_head_bias(),
        };
        let narrow = self.cast(normed, Module::LmHead, What::Input, self.narrowed(normed));
        let logits = self.linear(narrow, &linear);
        self.tape.drop(narrow);
        let mut logits = self.joined_logits(logits);
        if self.pass.architecture.family.is_state_space() {
            // `lm_head(…).float()` (`Mamba2ForCausalLM`).
            let wide = self.cast(logits, Module::LmHead, What::LogitsFp32, Dtype::Fp32);
            self.tape.drop(logits);
            logits = wide;
        }
        if self.pass.architecture.family.scales_logits() {
            logits = self.multiplied(logits, Module::LmHead);
        }
        if self.pass.architecture.logit_softcap { self.softcap(logits, Module::LmHead) } else { logits }
    }

    /// The dtype that the head reads: the weight's of the families that convert to it.
    fn narrowed(&self, normed: Var) -> Dtype {
        let converts = self.pass.architecture.family.is_state_space();
        if converts { self.pass.weight } else { self.tape.dtype(normed) }
    }

    /// `cross_entropy(logits.float(), labels moved by one)`: keeps the log-softmax in fp32 and the labels.
    pub(super) fn cross_entropy(&mut self, logits: Var) -> Var {
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        let (aligned, labels, others) = self.aligned(wide);
        let loss = self.negative_log_likelihood(aligned, labels);
        for var in [labels, aligned, wide].into_iter().chain(others) {
            self.tape.drop(var);
        }
        loss
    }

    /// `cross_entropy(logits, labels moved by one)`.
    fn cross_entropy_without_upcast(&mut self, logits: Var) -> Var {
        let (aligned, labels, others) = self.aligned(logits);
        if let Some(padded) = others {
            self.tape.drop(padded);
        }
        let loss = self.negative_log_likelihood(aligned, labels);
        self.tape.drop(labels);
        self.tape.drop(aligned);
        loss
    }

    /// Logits and labels of the same tokens, one of the two moved, and what else of the labels has a name.
    pub(super) fn aligned(&mut self, logits: Var) -> (Var, Var, Option<Var>) {
        if self.pass.kernels.shift == Shift::Labels {
            let [padded, shifted] = self.shifted_labels();
            return (self.tape.view(logits, &[], &[Step::Pass(logits)]), shifted, Some(padded));
        }
        let rows = [self.pass.batch(), Dim::number(self.pass.sequence.saturating_sub(1))];
        let [batch, tokens] = rows;
        let dims = Dims::new(&[batch, tokens, self.pass.vocabulary()]);
        let moved = self.made(Module::Loss, What::ShiftedLogits, dims, self.tape.dtype(logits));
        // `slice_backward` makes a whole tensor.
        let gradient = self.gradient(logits);
        let moved = self.tape.operator(moved, &[], &[gradient]);
        let labels = self.made(Module::Loss, What::ShiftedLabels, Dims::new(&rows), Dtype::Int64);
        (moved, self.tape.constant(labels), None)
    }

    /// The labels with one more at the end, and of these all but the first: both have a name.
    pub(crate) fn shifted_labels(&mut self) -> [Var; 2] {
        let one_more = Dim::number(self.pass.sequence.saturating_add(1));
        let labels =
            |dims: &[Dim]| self.made(Module::Loss, What::ShiftedLabels, Dims::new(dims), Dtype::Int64);
        let storages = [labels(&[self.pass.batch(), one_more]), labels(&self.pass.tokens())];
        storages.map(|storage| self.tape.constant(storage))
    }

    /// `log_softmax` of logits in the dtype that they have, which `cross_entropy_loss` asks for by name, and `nll_loss`, which under
    /// autocast takes a copy in fp32.
    pub(crate) fn negative_log_likelihood(&mut self, logits: Var, labels: Var) -> Var {
        let dtype = self.tape.dtype(logits);
        let log_softmax = self.made(Module::Loss, What::LogSoftmax, self.tape.storage(logits).dims, dtype);
        let gradient = self.gradient(logits);
        let log_softmax = self.tape.operator_keeping_output(log_softmax, &[], &[gradient]);
        let summed = if self.pass.autocast.is_some() { Dtype::Fp32 } else { dtype };
        let input = self.cast(log_softmax, Module::Loss, What::Fp32Copy, summed);
        let loss = self.scalar(input, &[input, labels]);
        self.tape.drop(input);
        self.tape.drop(log_softmax);
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
