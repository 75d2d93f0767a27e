//! What stands before and after the layers: `LanguageModelEmbedding`, and the final norm with logits and loss (`GPTModel._postprocess`).

use super::{Writer, made, named};
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::parallel::megatron::RankPart;
use crate::scenario::LossKernel;
use crate::tape::{Block, Mode, Step, Storage, Var};
use crate::units::Dtype;

/// The embedding of the first stage (`VocabParallelEmbedding`): keeps the ids, those of positions, and dropout's mask. Its backward makes
/// the whole gradient of the rank's rows, which is then added into the main gradient (`embedding_dense_backward`;
/// `distributed_data_parallel.py`, `_make_backward_post_hook`).
pub(crate) fn embedding(rank: &RankPart) -> Block {
    let mut writer = Writer::new(rank, Mode::Grad);
    let hidden = [rank.hidden()];
    let ids = made(Module::Embedding, What::TokenIds, &[rank.batch(), rank.sequence()], Dtype::Int64);
    let ids = writer.tape.constant(ids);
    let weight = Storage {
        name: Name { gradient: true, ..named(Module::Embedding, What::Weight) },
        category: Category::Temporaries,
        dims: Dims::new(&[rank.vocabulary(), rank.hidden()]),
        dtype: Dtype::Bf16,
    };
    let a = &rank.architecture;
    let positions = a.positions.map(|_| {
        writer.tape.constant(made(
            Module::PositionEmbedding,
            What::TokenIds,
            &[rank.batch(), rank.sequence()],
            Dtype::Int64,
        ))
    });
    let mask =
        Storage { dtype: Dtype::Bool, ..writer.short(Module::EmbeddingDropout, What::DropoutMask, &hidden) };
    let mask = a.embedding_dropout.then(|| writer.tape.constant(mask));
    let kept: Vec<Var> = [Some(ids), positions, mask].into_iter().flatten().collect();
    let whole = writer.whole(Module::Embedding, What::Product, &hidden);
    let output = writer.short(Module::Embedding, What::Output, &hidden);
    let mut steps = vec![Step::Temporary(weight), Step::Leaf];
    let product = rank.is_sequence_parallel.then(|| writer.tape.constant(whole));
    if product.is_some() {
        steps.insert(0, Writer::temporary(whole));
    }
    let output = writer.tape.operator(output, &kept, &steps);
    for var in product.into_iter().chain(kept) {
        writer.tape.drop(var);
    }
    writer.tape.finish(None, output, false)
}

/// Final norm, logits and loss of the last stage.
pub(crate) fn head(rank: &RankPart) -> Block {
    let mut writer = Writer::new(rank, Mode::Grad);
    let input = writer.residual(Module::Layer, What::Output);
    let input = writer.tape.input(input, true);
    let normed = writer.norm(input, Module::FinalNorm);
    writer.tape.drop(input);
    let logits = writer.logits(normed);
    writer.tape.drop(normed);
    let loss = if rank.loss == LossKernel::TransformerEngine {
        writer.cross_entropy_in_place(logits)
    } else {
        writer.vocabulary_parallel_cross_entropy(logits)
    };
    writer.tape.drop(logits);
    writer.tape.finish(Some(input), loss, true)
}

impl Writer<'_> {
    /// `LinearWithGradAccumulationAndAsyncCommunication`: keeps its input. What it gathers of the sequence stands in a buffer that stays
    /// (`get_global_memory_buffer`).
    fn logits(&mut self, normed: Var) -> Var {
        let logits = self.whole(Module::LmHead, What::Logits, &[self.rank.vocabulary()]);
        let gradient = self.gradient(normed);
        let whole = self.whole(Module::LmHead, What::ReduceInput, &[self.rank.hidden()]);
        let mut steps = vec![gradient];
        if self.rank.is_sequence_parallel {
            steps.insert(0, Self::temporary(whole));
        }
        self.tape.operator(logits, &[normed], &steps)
    }

    /// Transformer Engine's (`triton/cross_entropy.py`): writes the gradient over the logits, in forward.
    fn cross_entropy_in_place(&mut self, logits: Var) -> Var {
        let rows = [self.rank.batch(), self.rank.sequence()];
        let sums = |ways| {
            made(Module::Loss, What::Accumulator, &[Dim::number(3 * ways), rows[0], rows[1]], Dtype::Fp32)
        };
        let [own, all] = [sums(1), sums(self.rank.tensor)];
        let loss = made(Module::Loss, What::Output, &rows, Dtype::Fp32);
        let own = self.tape.constant(own);
        let all = (self.rank.tensor > 1).then(|| self.tape.constant(all));
        let loss = self.tape.operator(loss, &[logits], &[Step::Overwrite(logits, logits)]);
        for var in all.into_iter().chain([own]) {
            self.tape.drop(var);
        }
        loss
    }

    /// `VocabParallelCrossEntropy` (`tensor_parallel/cross_entropy.py`): exponentials in place of an fp32 copy of the logits, which become
    /// the gradient. Derived, not measured.
    fn vocabulary_parallel_cross_entropy(&mut self, logits: Var) -> Var {
        let rows = [self.rank.batch(), self.rank.sequence()];
        let copy = Storage {
            dtype: Dtype::Fp32,
            ..self.whole(Module::Loss, What::LogitsFp32, &[self.rank.vocabulary()])
        };
        let copy = self.copied(logits, copy);
        let mask = made(Module::Loss, What::Mask, &rows, Dtype::Bool);
        let target = made(Module::Loss, What::Labels, &rows, Dtype::Int64);
        let kept = [mask, target].map(|storage| self.tape.constant(storage));
        let loss = made(Module::Loss, What::Output, &rows, Dtype::Fp32);
        let loss = self.tape.operator(loss, &[copy, kept[0], kept[1]], &[Step::Overwrite(copy, copy)]);
        for var in [kept[0], kept[1], copy] {
            self.tape.drop(var);
        }
        loss
    }
}
