//! Head and loss in one kernel or function: Liger's, TRL's, Apple's cut cross-entropy.

use super::Writer;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// Tokens and columns of the vocabulary in one of TRL's tiles (`trl/kernels/chunked_logprob.py`, `TOKEN_CHUNK_SIZE`;
/// `trl/trainer/utils.py`, `_CHUNKED_LOGPROB_CHUNK_SIZE`).
const TRL_TILE: (u64, u64) = (4096, 32_768);
/// A lock of cut cross-entropy is for a block of tokens or of the vocabulary and some of the hidden width; its kernels' blocks are tuned
/// when they first run. The smallest of them (`cut_cross_entropy/tl_autotune.py`).
const CUT_BLOCK: (u64, u64) = (128, 64);

impl Writer<'_> {
    fn tokens_of_pass(&self) -> u64 {
        self.pass.rows.saturating_mul(self.pass.sequence)
    }

    fn per_token(&self, what: What, dtype: Dtype) -> Storage {
        self.made(Module::Loss, what, Dims::new(&self.pass.tokens()), dtype)
    }

    /// A gradient that a fused loss has made already in forward.
    fn made_gradient_of(&self, hidden: Var) -> Storage {
        let storage = self.tape.gradient_of(hidden);
        Storage { category: Category::Activations, ..storage }
    }

    /// `LigerFusedLinearCrossEntropyFunction` (`liger_kernel/ops/fused_linear_cross_entropy.py`): for a chunk of tokens at a time the
    /// logits, over them their gradient, and from it those of hidden states and weight: forward makes gradients.
    pub(crate) fn liger_fused_linear(&mut self, normed: Var) -> Var {
        let labels = self.shifted_labels();
        let (trained, compute) = (self.trains_head(), self.pass.compute());
        let hidden = self.tape.constant(self.made_gradient_of(normed));
        let weight = trained.then(|| self.tape.constant(self.gradient_of_head()));
        let losses = self.tape.constant(self.per_token(What::LogProbs, Dtype::Fp32));
        let mask = self.tape.constant(self.per_token(What::Mask, Dtype::Bool));
        self.liger_chunks(self.tape.dtype(normed) == compute, trained);
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let mut saved = vec![hidden];
        saved.extend(weight);
        let mut steps = vec![Step::Overwrite(normed, hidden)];
        steps.extend(weight.map(|weight| Step::MadeByForward(weight, self.pass.architecture.tied)));
        let loss = self.tape.operator(number, &saved, &steps);
        for var in [mask, losses, hidden].into_iter().chain(weight).chain(labels) {
            self.tape.drop(var);
        }
        loss
    }

    /// Tokens of a chunk: logits of as many bytes as the hidden states have (`chunk_mem_const = 1`).
    fn liger_chunk(&self) -> u64 {
        let tokens = self.tokens_of_pass();
        let parts = self.pass.vocabulary().value.div_ceil(self.pass.hidden().value.max(1));
        tokens.div_ceil(parts.max(1)).next_power_of_two().min(tokens)
    }

    /// What the loop over chunks asks for. Where autocast converts, each chunk converts its rows and the weight, which is no leaf after
    /// its transposition and so not cached; the product for the hidden states takes the weight itself, whose copy autocast then caches.
    fn liger_chunks(&mut self, is_pure: bool, trained: bool) {
        let (compute, chunk) = (self.pass.compute(), self.liger_chunk());
        let tokens = Dim::number(chunk);
        let logits = self.temporary(
            Module::LmHead,
            What::Output,
            Dims::new(&[tokens, self.pass.vocabulary()]),
            compute,
        );
        let rows = Dims::new(&[tokens, self.pass.hidden()]);
        let rows = |writer: &Self, what| writer.temporary(Module::LmHead, what, rows, compute);
        let workspace = self.workspace(false);
        if is_pure {
            let logits = self.tape.constant(logits);
            self.tape.scratch(workspace);
            if trained && compute == Dtype::Fp32 {
                let product = Storage { category: Category::Temporaries, ..self.gradient_of_head() };
                let product = self.tape.constant(product);
                self.tape.scratch(workspace);
                self.tape.drop(product);
            }
            self.tape.drop(logits);
            return;
        }
        let chunks = self.tokens_of_pass().div_ceil(chunk.max(1)).min(2);
        for index in 0..chunks {
            let input = self.tape.constant(rows(self, What::InputCast));
            let cast = self.tape.constant(self.head_cast());
            let logits = self.tape.constant(logits);
            self.tape.scratch(workspace);
            self.tape.drop(cast);
            self.tape.drop(input);
            let again = (index == 0 || !trained).then(|| self.tape.constant(self.head_cast()));
            let gradient = self.tape.constant(rows(self, What::Output));
            self.tape.scratch(workspace);
            self.tape.drop(gradient);
            if let Some(again) = again {
                if trained {
                    self.tape.cache(again);
                }
                self.tape.drop(again);
            }
            if trained {
                let input = self.tape.constant(rows(self, What::InputCast));
                self.tape.scratch(workspace);
                self.tape.drop(input);
            }
            self.tape.drop(logits);
        }
    }

    /// `LigerCrossEntropyFunction` in place of `torch.nn.functional.cross_entropy` (`liger_kernel/ops/cross_entropy.py`): the gradient is
    /// written over the fp32 logits, which backward hands on.
    pub(crate) fn liger_cross_entropy(&mut self, logits: Var) -> Var {
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        let (aligned, labels, others) = self.aligned(wide);
        let losses = self.tape.constant(self.per_token(What::LogProbs, Dtype::Fp32));
        let mask = self.tape.constant(self.per_token(What::Mask, Dtype::Bool));
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let loss = self.tape.operator(number, &[aligned], &[Step::Overwrite(aligned, aligned)]);
        for var in [mask, losses, aligned, wide, labels].into_iter().chain(others) {
            self.tape.drop(var);
        }
        loss
    }

    /// `ChunkedLogProbFunction` (`trl/kernels/chunked_logprob.py`): tiles of logits fold into statistics of each token; backward makes them
    /// again and sums the gradients in fp32.
    pub(crate) fn trl_tiles(&mut self, normed: Var) -> Var {
        let compute = self.pass.compute();
        let tokens = self.tokens_of_pass();
        let (rows, columns) = (tokens.min(TRL_TILE.0), TRL_TILE.1);
        let dims = Dims::new(&[Dim::number(rows), Dim::number(columns)]);
        let tile = self.temporary(Module::LmHead, What::Output, dims, compute);
        let labels = self.tape.constant(self.per_token(What::ShiftedLabels, Dtype::Int64));
        let statistics: Vec<Var> =
            (0..7).map(|_| self.tape.constant(self.per_token(What::LogSumExp, Dtype::Fp32))).collect();
        let buffer = self.tape.constant(tile);
        let copies = self.operands_of_tile(normed, rows, columns);
        let converted: Vec<Var> = copies.iter().map(|&copy| self.tape.constant(copy)).collect();
        self.tape.scratch(self.workspace(false));
        for copy in converted {
            self.tape.drop(copy);
        }
        let sum = self.tape.constant(self.per_token(What::LogSumExp, Dtype::Fp32));
        let log_probs = self.per_token(What::LogProbs, Dtype::Fp32);
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let wide =
            |storage: Storage| Storage { category: Category::Temporaries, dtype: Dtype::Fp32, ..storage };
        let (hidden, weight) = (self.tape.gradient_of(normed), self.gradient_of_head());
        let mut steps = Vec::with_capacity(8);
        // What is fp32 already is not converted: the sum itself is handed on.
        if hidden.dtype != Dtype::Fp32 {
            steps.push(Step::Temporary(wide(hidden)));
        }
        if weight.dtype != Dtype::Fp32 && self.trains_head() {
            steps.push(Step::Temporary(wide(weight)));
        }
        steps.extend(copies.into_iter().map(Step::Temporary));
        let made = [Step::Gradient(normed, hidden), self.head_gradient(Step::Parameter(weight))];
        let of_tiles = [Step::Temporary(tile), Step::Scratch(self.workspace(false))];
        let is_summed_in_place = weight.dtype == Dtype::Fp32;
        steps.extend(if is_summed_in_place { [made, of_tiles] } else { [of_tiles, made] }.concat());
        let of_tokens = self.tape.operator(log_probs, &[normed, labels, sum], &steps);
        for var in statistics.into_iter().chain([buffer, sum]) {
            self.tape.drop(var);
        }
        let gradient = self.gradient(of_tokens);
        let loss = self.tape.operator(number, &[], &[gradient]);
        for var in [of_tokens, labels] {
            self.tape.drop(var);
        }
        loss
    }

    /// What a tile is the product of, where it has to be converted: rows of the hidden states and of the weight.
    fn operands_of_tile(&self, normed: Var, rows: u64, columns: u64) -> Vec<Storage> {
        let compute = self.pass.compute();
        let copy = |what, count| {
            let dims = Dims::new(&[Dim::number(count), self.pass.hidden()]);
            self.temporary(Module::LmHead, what, dims, compute)
        };
        if self.tape.dtype(normed) == compute {
            return Vec::new();
        }
        vec![copy(What::InputCast, rows), copy(What::WeightCast, columns.min(self.pass.vocabulary().value))]
    }

    /// Derived, not measured: `cut_cross_entropy` 25.1.1, `cce.py`, `cce_lse_forward.py`, `cce_backward.py`. Logits are in registers alone;
    /// kept are the hidden states, the log-sum-exp of each token, the labels with the positions that have one, and, for the order of the
    /// vocabulary in backward, the mean of each column.
    pub(crate) fn cut_cross_entropy(&mut self, normed: Var) -> Var {
        let labels = self.shifted_labels();
        let compute = self.pass.compute();
        let input = self.cast(normed, Module::LmHead, What::InputCast, compute);
        let valid = self.tape.constant(self.per_token(What::Mask, Dtype::Int32));
        let sum = self.tape.constant(self.per_token(What::LogSumExp, Dtype::Fp32));
        let vocabulary = Dims::new(&[self.pass.vocabulary()]);
        let mean = self.tape.constant(self.made(Module::Loss, What::Mean, vocabulary, Dtype::Fp32));
        self.tape.scratch(self.per_token(What::LogProbs, Dtype::Fp32));
        let (hidden, head) = (self.pass.hidden().value, self.pass.vocabulary().value);
        let lock = |count: u64| {
            let locks = count.div_ceil(CUT_BLOCK.0).saturating_mul(hidden.div_ceil(CUT_BLOCK.1));
            self.temporary(Module::Loss, What::Workspace, Dims::new(&[Dim::number(locks)]), Dtype::Int32)
        };
        let order = |dtype| self.temporary(Module::Loss, What::SortBuffers, vocabulary, dtype);
        let mut steps = vec![
            Step::Scratch(order(Dtype::Int64)),
            Step::Temporary(order(Dtype::Int32)),
            self.gradient(input),
        ];
        let weight = self.gradient_of_head();
        if weight.dtype != compute {
            steps.push(Step::Raw(Storage { dtype: compute, category: Category::Temporaries, ..weight }));
        }
        steps.push(self.head_gradient(Step::Parameter(weight)));
        steps.extend([lock(self.tokens_of_pass()), lock(head)].map(Step::Temporary));
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let loss = self.tape.operator(number, &[input, sum, valid, mean, labels[1]], &steps);
        for var in [mean, sum, valid, input].into_iter().chain(labels) {
            self.tape.drop(var);
        }
        loss
    }
}

impl Storage {
    /// The gradient of a tensor that is like this one.
    pub(crate) const fn of_gradient(self) -> Self {
        Self { name: Name { gradient: true, ..self.name }, category: Category::Temporaries, ..self }
    }
}
