//! Heads of the objectives beside language modelling: what stands after the last layer, written after transformers' and TRL's forward.

use super::Writer;
use super::layer::residual_stream;
use super::linear::Linear;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::plan::Pass;
use crate::scenario::{Method, Scenario};
use crate::tape::{Block, Mode, Step, Storage, Var};
use crate::units::Dtype;

/// Tokens whose entropy is computed at a time (`trl/trainer/utils.py`, `entropy_from_logits`).
const ENTROPY_CHUNK: u64 = 128;

/// The head over labels: all tokens are scored, the last one of each sequence counts
/// (`modeling_layers.py`, `GenericForSequenceClassification`).
pub(crate) fn labels_head(pass: &Pass, mode: Mode, labels: u64) -> Block {
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let (input, normed) = writer.begin_head();
    let (hidden, labels) = ([pass.hidden()], [Dim::number(labels)]);
    let score = Linear {
        module: Module::Score,
        weight_of: Module::Score,
        input: &hidden,
        output: &labels,
        has_bias: false,
    };
    let scores = writer.linear(normed, &score);
    writer.tape.drop(normed);
    let scores = writer.outputs(scores);
    let pooled = writer.made(
        Module::Score,
        What::Selected,
        Dims::new(&[pass.batch(), labels[0]]),
        writer.tape.dtype(scores),
    );
    let gradient = writer.gradient(scores);
    let pooled = writer.tape.operator(pooled, &[], &[gradient]);
    let loss = writer.scalar(pooled, &[pooled]);
    writer.tape.drop(pooled);
    writer.tape.drop(scores);
    writer.tape.finish(Some(input), loss, true)
}

/// Log-probabilities of the completions' tokens (`grpo_trainer.py`, `_get_per_token_logps_and_entropies` before the head was fused;
/// PARALLEL section 13).
pub(crate) fn completions_head(pass: &Pass, mode: Mode, scenario: &Scenario) -> Block {
    let is_ppo = scenario.objective.method == Method::Ppo;
    let mut rollout = scenario.objective.rollout;
    // `ppo_trainer.py` slices whole logits once, and computes the entropy of all tokens at a time.
    (rollout.keeps_completion, rollout.entropy) =
        (rollout.keeps_completion && !is_ppo, rollout.entropy && !is_ppo);
    let completion = scenario.tokens_of_completion().min(pass.sequence);
    let scored = Pass { sequence: completion, ..pass.clone() };
    let one_more = if rollout.keeps_completion { completion.saturating_add(1) } else { pass.sequence };
    let with_next = Pass { sequence: one_more.min(pass.sequence), ..pass.clone() };
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let (input, mut normed) = writer.begin_head();
    if rollout.keeps_completion {
        writer.pass = &with_next;
        let of_rows = writer.rows(&[pass.hidden()]);
        let slice = writer.part_of(normed, of_rows);
        writer.tape.drop(normed);
        normed = slice;
        if pass.rows > 1 {
            // The slice is not contiguous: the product folds samples and positions, which copies it.
            normed = writer.contiguous(slice, Module::LmHead, What::Contiguous);
            writer.tape.drop(slice);
        }
    }
    let logits = writer.logits(normed);
    writer.tape.drop(normed);
    let logits = writer.outputs(logits);
    // `logits[:, :-1]`, then `[:, -completion:]`.
    let without_last = Pass { sequence: one_more.saturating_sub(1).max(1), ..pass.clone() };
    writer.pass = &without_last;
    let logits = if is_ppo { logits } else { writer.sliced(logits) };
    writer.pass = &scored;
    let mut logits = writer.sliced(logits);
    if rollout.temperature {
        let divided = writer.map(logits, Module::Loss, What::Scaled, &[]);
        writer.tape.drop(logits);
        logits = divided;
    }
    let named = writer.tape.view(logits, &[], &[Step::Pass(logits)]);
    let loss = writer.log_probabilities(logits, scenario.log_probs_way());
    if rollout.entropy {
        writer.entropy(named);
    }
    if is_ppo {
        // The softmax, and its product with the logits.
        let dims = Dims::new(&[Dim::number(2), Dim::number(pass.rows)]);
        let dims = scored_dims(dims, &scored);
        let storage = writer.temporary(Module::Loss, What::Softmax, dims, writer.tape.dtype(named));
        writer.tape.scratch(storage);
    }
    writer.tape.drop(named);
    writer.tape.finish(Some(input), loss, true)
}

fn scored_dims(dims: Dims, scored: &Pass) -> Dims {
    dims.and(scored.sequence()).and(scored.vocabulary())
}

/// Log-probabilities of sequences without their first token, and the chosen ones' own loss where there is one
/// (`cpo_trainer.py`, `orpo_trainer.py`: `concatenated_forward`, `get_batch_logps`; `kto_trainer.py`: `forward`).
pub(crate) fn preference_head(pass: &Pass, mode: Mode, scenario: &Scenario) -> Block {
    let method = scenario.objective.method;
    let shorter = pass.sequence.saturating_sub(1).max(1);
    let predicted = Pass { sequence: shorter, ..pass.clone() };
    let chosen = Pass { rows: pass.rows / 2, ..predicted.clone() };
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let (input, normed) = writer.begin_head();
    let logits = writer.logits(normed);
    writer.tape.drop(normed);
    let logits = writer.outputs(logits);
    if mode == Mode::Grad && method != Method::Kto {
        // `all_logits`, of which the metrics take views, is named until the loss is there.
        writer.tape.cache(logits);
    }
    let mut own = None;
    if matches!(method, Method::Orpo | Method::Cpo) {
        writer.pass = &chosen;
        own = Some(writer.loss_of_chosen(logits));
    }
    writer.pass = &predicted;
    let named = writer.tape.view(logits, &[], &[Step::Pass(logits)]);
    let sliced = writer.sliced(logits);
    let loss = writer.log_probabilities(sliced, scenario.log_probs_way());
    if mode == Mode::Grad && method == Method::Kto {
        // Chosen and rejected logits, taken by index: copies, which the metrics name until the loss is there.
        let storage = writer.tape.storage(named);
        let copy = writer.made(Module::Loss, What::Selected, storage.dims, storage.dtype);
        let copy = writer.tape.constant(copy);
        writer.tape.cache(copy);
        writer.tape.drop(copy);
    }
    writer.tape.drop(named);
    let loss = match own {
        Some(own) => writer.both(own, loss),
        None => loss,
    };
    writer.tape.finish(Some(input), loss, true)
}

/// Forward divergence of the teacher's distribution over the vocabulary from the student's
/// (`gkd_trainer.py`, `generalized_jsd_loss` with `beta = 0`).
pub(crate) fn distillation_head(pass: &Pass, mode: Mode, scenario: &Scenario) -> Block {
    let completion = scenario.tokens_of_completion().min(pass.sequence);
    let scored = Pass { sequence: completion, ..pass.clone() };
    let mut writer = Writer::new(pass, mode, pass.trained.head());
    let (input, normed) = writer.begin_head();
    let logits = writer.logits(normed);
    writer.tape.drop(normed);
    let logits = writer.outputs(logits);
    let of_teacher = |storage: Storage| Storage { category: Category::ReferenceModel, ..storage };
    let has_teacher = scenario.objective.teacher().place.on_gpu().is_some();
    let all = of_teacher(writer.tape.storage(logits));
    // Both models' outputs are named until the loss is there.
    writer.tape.cache(logits);
    let teacher = writer.tape.constant(all);
    if has_teacher {
        writer.tape.cache(teacher);
    }
    writer.pass = &scored;
    let dims = writer.rows(&[pass.vocabulary()]);
    let sliced = writer.sliced(logits);
    let divided = writer.map(sliced, Module::Loss, What::Scaled, &[]);
    writer.tape.drop(sliced);
    let student = writer.log_softmax(divided);
    writer.tape.drop(divided);
    let dtype = writer.tape.dtype(student);
    let scaled = writer.tape.constant(Storage { dims, ..all });
    let wide = Storage { dims, dtype, name: Name::of(Module::Loss, What::LogSoftmax), ..all };
    let target = writer.tape.constant(wide);
    writer.tape.drop(scaled);
    writer.tape.drop(teacher);
    let loss = writer.divergence(student, target);
    writer.tape.drop(student);
    writer.tape.drop(target);
    writer.tape.finish(Some(input), loss, true)
}

impl Writer<'_> {
    /// The last layer's output and its norm.
    fn begin_head(&mut self) -> (Var, Var) {
        let input = residual_stream(self.pass, Name::of(Module::Layer, What::Output));
        let input = self.tape.input(input, self.pass.follows(self.pass.architecture.blocks()));
        let normed = self.norm_of_tokens(input, Module::FinalNorm);
        self.tape.drop(input);
        (input, normed)
    }

    /// A view of a part of `x`, whose gradient is zeros of the whole with the part's copied in (`slice_backward`).
    fn part_of(&mut self, x: Var, dims: Dims) -> Var {
        let gradient = self.gradient(x);
        let slice = self.tape.view(x, &[], &[gradient]);
        let name = self.tape.storage(x).name;
        self.tape.reshape(slice, name, dims);
        slice
    }

    /// The logits of the pass's tokens. Takes over the caller's `logits`.
    fn sliced(&mut self, logits: Var) -> Var {
        let dims = self.rows(&[self.pass.vocabulary()]);
        let slice = self.part_of(logits, dims);
        self.tape.drop(logits);
        slice
    }

    /// `cross_entropy(logits[:chosen, :-1].contiguous(), …)`: in the logits' own dtype, in fp32 under autocast. The pass is the chosen
    /// sequences'.
    fn loss_of_chosen(&mut self, logits: Var) -> Var {
        let dims = self.rows(&[self.pass.vocabulary()]);
        let storage = self.tape.storage(logits);
        let chosen = self.part_of(logits, storage.dims.halved());
        let moved = self.part_of(chosen, dims);
        self.tape.drop(chosen);
        let copy = self.contiguous(moved, Module::Loss, What::Contiguous);
        self.tape.drop(moved);
        // As in `masked_cross_entropy`, autocast casts what `log_softmax` has made for `nll_loss`.
        let storage = self.tape.storage(copy);
        let narrow = Storage { name: Name::of(Module::Loss, What::LogSoftmax), ..storage };
        let gradient = self.gradient(copy);
        let narrow = self.tape.operator_keeping_output(narrow, &[], &[gradient]);
        self.tape.drop(copy);
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { storage.dtype };
        let log_softmax = self.cast(narrow, Module::Loss, What::Fp32Copy, dtype);
        self.tape.drop(narrow);
        let labels =
            self.made(Module::Loss, What::ShiftedLabels, Dims::new(&self.pass.tokens()), Dtype::Int64);
        let labels = self.tape.constant(labels);
        let loss = self.scalar(log_softmax, &[log_softmax, labels]);
        self.tape.drop(labels);
        self.tape.drop(log_softmax);
        loss
    }

    /// `log_softmax`, an fp32 operator under autocast.
    fn log_softmax(&mut self, x: Var) -> Var {
        let is_autocast = self.pass.autocast.is_some();
        let dtype = if is_autocast { Dtype::Fp32 } else { self.tape.dtype(x) };
        let wide = self.cast(x, Module::Loss, What::LogitsFp32, dtype);
        let output = self.made(Module::Loss, What::LogSoftmax, self.tape.storage(x).dims, dtype);
        let gradient = self.gradient(wide);
        let output = self.tape.operator_keeping_output(output, &[], &[gradient]);
        self.tape.drop(wide);
        output
    }

    /// The sum of two losses.
    fn both(&mut self, a: Var, b: Var) -> Var {
        let storage = self.tape.storage(b);
        let sum = self.tape.operator(storage, &[], &[Step::Pass(a), Step::Pass(b)]);
        self.tape.drop(a);
        self.tape.drop(b);
        sum
    }

    /// `kl_div(student, target, log_target=True, reduction="none")`, masked and summed.
    fn divergence(&mut self, student: Var, target: Var) -> Var {
        let storage = self.tape.storage(student);
        let like = |what| Storage { name: Name::of(Module::Loss, what), ..storage };
        let exponents = self.tape.constant(like(What::Softmax));
        let difference = self.map(student, Module::Loss, What::Step, &[]);
        let gradient = self.gradient(difference);
        let product = self.tape.operator(like(What::Product), &[exponents], &[gradient]);
        self.tape.drop(difference);
        self.tape.drop(exponents);
        let gradient = self.gradient(product);
        let masked = self.tape.operator(like(What::Scaled), &[], &[gradient]);
        self.tape.drop(product);
        let _ = target;
        let sum = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(masked)]);
        self.tape.drop(masked);
        sum
    }

    /// Log-softmax, its exponents and their product, for some tokens at a time, without a graph.
    fn entropy(&mut self, logits: Var) {
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { self.tape.dtype(logits) };
        let tokens = Dims::new(&self.pass.tokens()).product().min(ENTROPY_CHUNK);
        let dims = Dims::new(&[Dim::number(3), Dim::number(tokens), self.pass.vocabulary()]);
        let storage = self.temporary(Module::Loss, What::Step, dims, dtype);
        self.tape.scratch(storage);
    }
}
