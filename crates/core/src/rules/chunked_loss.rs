//! Head and loss a chunk of tokens at a time: torchtune's `CEWithChunkedOutputLoss`, checkpointed chunks, logits of the last tokens.
//! PARALLEL section 11.
//!
//! Chunks are alike: the first, the last two, and all between as one whose tensors are that many times as large.

use super::Writer;
use super::head_weight::HeadWeight;
use crate::ledger::{Dim, Dims, Module, What};
use crate::scenario::LossKernel;
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// Equal chunks of tokens, or one.
#[derive(Clone, Copy)]
struct Chunks {
    copies: u64,
    /// Tokens of each.
    tokens: u64,
}

impl Chunks {
    /// `total` tokens in chunks of `size`: `torch.split`, and `torch.chunk` once the size is known.
    fn of(total: u64, size: u64) -> Vec<Self> {
        let count = total.div_ceil(size.max(1));
        let last = total.saturating_sub(count.saturating_sub(1).saturating_mul(size));
        let all = [(1, size), (count.saturating_sub(3), size), (1, size), (1, last)];
        let skipped = match count {
            0 | 1 => 3,
            2 => 2,
            _ => 0,
        };
        let kept = all.into_iter().skip(skipped).filter(|&(copies, _)| copies > 0);
        kept.map(|(copies, tokens)| Self { copies, tokens }).collect()
    }

    fn one(self) -> Dims {
        Dims::new(&[Dim::number(self.tokens)])
    }

    fn all(self) -> Dims {
        if self.copies == 1 { self.one() } else { self.one().times(Dim::number(self.copies)) }
    }
}

impl Writer<'_> {
    /// The loss from the hidden states, where it is not computed from all logits at once. Needs the caller's `normed`.
    pub(crate) fn other_loss(&mut self, normed: Var) -> Option<Var> {
        Some(match self.pass.kernels.loss {
            LossKernel::Chunked | LossKernel::ChunkedCompiled => self.torchtune_loss(normed),
            LossKernel::RecomputedChunks => self.recomputed_chunks(normed),
            LossKernel::LastTokens => self.loss_of_last_tokens(normed),
            LossKernel::CompiledLinear => self.compiled_linear_cross_entropy(normed),
            LossKernel::TrlTiles => self.trl_tiles(normed),
            LossKernel::LigerFusedLinear => self.liger_fused_linear(normed),
            LossKernel::CutCrossEntropy => self.cut_cross_entropy(normed),
            LossKernel::Eager
            | LossKernel::NoUpcast
            | LossKernel::Compiled
            | LossKernel::Liger
            | LossKernel::TransformerEngine => {
                return None;
            }
        })
    }

    /// The labels moved by one; the longer copy of them is gone.
    fn labels_of_loss(&mut self) -> Var {
        let [padded, shifted] = self.shifted_labels();
        self.tape.drop(padded);
        shifted
    }

    /// The views of `normed` that a split or `chunk` gives, with rows of their own: their gradients are put together at once
    /// (`SplitBackward`).
    fn split(&mut self, normed: Var, chunks: &[Chunks]) -> Vec<Var> {
        let gradient = self.gradient(normed);
        let split = self.tape.view(normed, &[], &[gradient]);
        let mut views = Vec::with_capacity(chunks.len());
        for (index, chunk) in chunks.iter().enumerate() {
            let step = if index == 0 { Step::Pass(split) } else { Step::Join(split) };
            let view = self.tape.view(split, &[], &[step]);
            let storage = self.tape.storage(view);
            self.tape.describe(view, Storage { dims: chunk.all().and(self.pass.hidden()), ..storage });
            views.push(view);
        }
        self.tape.drop(split);
        views
    }

    /// torchtune: the logits of all chunks, then the loss of one after another. A chunk of several sequences is no whole part of the
    /// hidden states, so that the product makes a copy of it (`torch/…/LinearAlgebra.cpp`, `_matmul_impl`: `reshape`).
    fn torchtune_loss(&mut self, normed: Var) -> Var {
        let labels = self.labels_of_loss();
        let size = self.pass.sequence.div_ceil(self.pass.kernels.loss_chunks.get());
        let chunks: Vec<Chunks> = Chunks::of(self.pass.sequence, size)
            .into_iter()
            .map(|chunk| Chunks { tokens: chunk.tokens.saturating_mul(self.pass.rows), ..chunk })
            .collect();
        let views = self.split(normed, &chunks);
        let weight = self.head_weight();
        let mut logits = Vec::with_capacity(chunks.len());
        for (&view, chunk) in views.iter().zip(&chunks) {
            let whole = self.as_whole(view);
            logits.push(self.logits_of(whole, weight, chunk.all()));
            self.tape.drop(whole);
        }
        self.leave_head_weight(weight);
        for view in views {
            self.tape.drop(view);
        }
        let is_compiled = self.pass.kernels.loss == LossKernel::ChunkedCompiled;
        let mut sum = None;
        for (&logits, &chunk) in logits.iter().zip(&chunks) {
            let loss = if is_compiled {
                self.compiled_loss_of(logits, chunk.all(), labels)
            } else {
                self.loss_of_chunk(logits, chunk, labels)
            };
            sum = Some(self.added(sum, loss));
        }
        self.tape.drop(labels);
        for var in logits {
            self.tape.drop(var);
        }
        sum.unwrap_or(labels)
    }

    /// Sums of losses: numbers.
    fn added(&mut self, sum: Option<Var>, loss: Var) -> Var {
        let Some(sum) = sum else { return loss };
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let both = self.tape.operator(number, &[], &[Step::Pass(sum), Step::Pass(loss)]);
        self.tape.drop(sum);
        self.tape.drop(loss);
        both
    }

    /// A view that is not contiguous as the product of a pure recipe needs it; autocast's conversion makes it so anyway.
    fn as_whole(&mut self, view: Var) -> Var {
        if self.pass.rows > 1 && self.tape.dtype(view) == self.pass.compute() {
            self.contiguous(view, Module::LmHead, What::Contiguous)
        } else {
            self.tape.view(view, &[], &[Step::Pass(view)])
        }
    }

    /// `cross_entropy(logits.float())` of one chunk after another.
    fn loss_of_chunk(&mut self, logits: Var, chunk: Chunks, labels: Var) -> Var {
        let vocabulary = self.pass.vocabulary();
        let wide = |writer: &Self, what, dims: Dims| {
            writer.made(Module::Loss, what, dims.and(vocabulary), Dtype::Fp32)
        };
        let one = wide(self, What::LogitsFp32, chunk.one());
        let input = if self.tape.dtype(logits) == Dtype::Fp32 {
            self.tape.view(logits, &[], &[Step::Pass(logits)])
        } else {
            let gradient = self.gradient(logits);
            self.tape.operator(one, &[], &[gradient])
        };
        let is_converted = self.tape.dtype(logits) != Dtype::Fp32;
        let all = self.tape.constant(wide(self, What::LogSoftmax, chunk.all()));
        // Without a conversion the gradient stays until the product's node: of each chunk in turn one is made and the log-softmax let go.
        let steps = if is_converted {
            vec![Step::Gradient(input, one.of_gradient())]
        } else {
            vec![Step::Temporary(one.of_gradient()), Step::Overwrite(input, all)]
        };
        let log_softmax = self.tape.view(all, &[all], &steps);
        self.tape.drop(all);
        let of_one = wide(self, What::LogSoftmax, chunk.one()).of_gradient();
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let loss = self.tape.operator(number, &[log_softmax, labels], &[Step::Gradient(log_softmax, of_one)]);
        self.tape.drop(log_softmax);
        self.tape.drop(input);
        loss
    }

    /// Each chunk under `torch.utils.checkpoint` (`use_reentrant=False`): forward keeps none of it, and backward makes the logits and the
    /// log-softmax again before it needs them.
    fn recomputed_chunks(&mut self, normed: Var) -> Var {
        let labels = self.labels_of_loss();
        let tokens = self.pass.sequence.saturating_mul(self.pass.rows);
        let chunks = Chunks::of(tokens, self.pass.kernels.loss_chunk_tokens.get());
        let views = self.split(normed, &chunks);
        let weight = self.head_weight();
        let mut sum = None;
        for (&view, &chunk) in views.iter().zip(&chunks) {
            let loss = self.recomputed_chunk(view, weight, chunk, labels);
            sum = Some(self.added(sum, loss));
        }
        self.leave_head_weight(weight);
        for view in views {
            self.tape.drop(view);
        }
        self.tape.drop(labels);
        sum.unwrap_or(labels)
    }

    fn recomputed_chunk(&mut self, view: Var, weight: HeadWeight, chunk: Chunks, labels: Var) -> Var {
        let (compute, vocabulary) = (self.pass.compute(), self.pass.vocabulary());
        let dims = chunk.one().and(vocabulary);
        let logits = self.temporary(Module::LmHead, What::Output, dims, compute);
        let wide = self.temporary(Module::Loss, What::LogitsFp32, dims, Dtype::Fp32);
        let log_softmax = Storage { name: self.name(Module::Loss, What::LogSoftmax), ..wide };
        let has_copy = compute != Dtype::Fp32;
        let input = self.cast(view, Module::LmHead, What::InputCast, compute);
        // Forward, of which nothing stays.
        let narrow = self.tape.constant(logits);
        self.tape.scratch(self.workspace(false));
        let copy = has_copy.then(|| self.tape.constant(wide));
        if has_copy {
            self.tape.drop(narrow);
        }
        let made = self.tape.constant(log_softmax);
        self.tape.drop(made);
        self.tape.drop(copy.unwrap_or(narrow));
        // Backward of the product, of the conversion and of the log-softmax, which are not there.
        let nothing = |what: Storage| Storage { dims: Dims::new(&[Dim::number(0)]), ..what };
        let of_weight = self.transposed(weight);
        let mut steps = vec![self.gradient_of_rows(input), self.view_gradient(of_weight)];
        steps.push(Step::Scratch(self.workspace(false)));
        let product = self.tape.operator(nothing(logits), &[view, labels], &steps);
        self.tape.describe(product, logits);
        let step = if has_copy { self.gradient(product) } else { Step::Pass(product) };
        let converted = self.tape.operator(nothing(wide), &[], &[step]);
        self.tape.describe(converted, wide);
        let gradient = self.gradient(converted);
        let softmax = self.tape.operator(nothing(log_softmax), &[], &[gradient]);
        self.tape.describe(softmax, log_softmax);
        // Recomputed when the loss first needs it.
        let mut steps = Vec::new();
        if self.pass.weight != compute {
            steps.push(Step::Until(product, self.head_cast()));
        }
        steps.extend([Step::Until(softmax, log_softmax), self.gradient(softmax)]);
        let number = self.made(Module::Loss, What::Output, Dims::new(&[]), Dtype::Fp32);
        let loss = self.tape.operator(number, &[], &steps);
        for var in [softmax, converted, product, of_weight, input] {
            self.tape.drop(var);
        }
        loss
    }

    /// `lm_head(hidden[:, -k:])`, and the loss of these.
    fn loss_of_last_tokens(&mut self, normed: Var) -> Var {
        let all = self.labels_of_loss();
        let kept = self.pass.sequence.min(self.pass.kernels.loss_last_tokens.get());
        let rows = self.pass.rows.saturating_mul(kept);
        let gradient = self.gradient(normed);
        let last = self.tape.view(normed, &[], &[gradient]);
        let dims = Dims::new(&[self.pass.batch(), Dim::number(kept)]);
        let storage = self.tape.storage(last);
        self.tape.describe(last, Storage { dims: dims.and(self.pass.hidden()), ..storage });
        let weight = self.head_weight();
        let whole = if kept < self.pass.sequence {
            self.as_whole(last)
        } else {
            self.tape.view(last, &[], &[Step::Pass(last)])
        };
        let logits = self.logits_of(whole, weight, dims);
        self.leave_head_weight(weight);
        self.tape.drop(whole);
        self.tape.drop(last);
        let wide = self.cast(logits, Module::Loss, What::LogitsFp32, Dtype::Fp32);
        self.tape.drop(logits);
        let labels = Dims::new(&[Dim::number(rows)]);
        let labels = self.tape.constant(self.made(Module::Loss, What::ShiftedLabels, labels, Dtype::Int64));
        let loss = self.negative_log_likelihood(wide, labels);
        for var in [labels, wide, all] {
            self.tape.drop(var);
        }
        loss
    }
}
