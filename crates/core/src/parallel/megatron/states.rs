//! What a rank holds all the time: weights, main gradients, the distributed optimizer's shards, buffers that are made once.
//!
//! * Weights (bf16) and main gradients (fp32) are views of contiguous buffers (`distributed/param_and_grad_buffer.py`; bf16 runs always
//!   accumulate in fp32, `arguments.py`, `accumulate_allreduce_grads_in_fp32`); without `--overlap-grad-reduce` of one each.
//! * The optimizer's fp32 copy and its two moments are of the rank's shard of the buffer (`distrib_optimizer.py`); experts' are sharded
//!   among the ranks that have the same experts.
//! * A linear layer whose kernel adds into the main gradient hands autograd a tensor of the weight's shape that nothing reads, one for
//!   each shape (`transformer_engine/pytorch/module/base.py`, `get_dummy_wgrad`; `tensor_parallel/layers.py`).
//! * Transformer Engine's cuBLAS workspace (`cpp_extensions/gemm.py`: 32 MiB from Hopper on, one for each of four streams beside it for
//!   grouped products), and PyTorch's where the head or a router multiplies matrices by it: one for the thread of forward, one for
//!   backward's.

use super::{Local, RankPart};
use crate::ledger::{Category, Dim, Dims, Module, Name, Part, Symbol, What};
use crate::rules::CUBLAS_WORKSPACE;
use crate::rules::megatron::named;
use crate::scenario::Attention;
use crate::tape::Storage;
use crate::units::{Count, Dtype};

/// `get_cublas_workspace_size_bytes`
const ENGINE_WORKSPACE: u64 = 32 * 1024 * 1024 + 1024;
/// `tex.get_num_cublas_streams`
const GROUPED_STREAMS: u64 = 4;

/// Weights, main gradients and optimizer states.
pub(crate) fn states(rank: &RankPart, local: &[Local]) -> Vec<Storage> {
    let mut storages = Vec::with_capacity(2 * local.len() + 3);
    for Local { parameter, copies, .. } in local {
        let dims = if *copies > 1 {
            parameter.dims.times(Dim::new(Symbol::SomeLayers, *copies))
        } else {
            parameter.dims
        };
        let of = |gradient, category, dtype| Storage {
            name: Name { gradient, part: Part::Megatron, ..parameter.name },
            category,
            dims,
            dtype,
        };
        storages.push(of(false, Category::Parameters, Dtype::Bf16));
        storages.push(of(true, Category::Gradients, Dtype::Fp32));
    }
    let sum = |is_expert| {
        let of_kind = local.iter().filter(|local| local.is_expert == is_expert);
        of_kind.map(Local::elements).fold(0, u64::saturating_add)
    };
    let (dense, experts) = (rank.optimizer_ways(), rank.expert_optimizer_ways());
    let shard = sum(false).div_ceil(dense).saturating_add(sum(true).div_ceil(experts));
    let kinds = [
        (Category::MasterWeights, What::Master),
        (Category::OptimizerStates, What::ExpAvg),
        (Category::OptimizerStates, What::ExpAvgSq),
    ];
    storages.extend(kinds.map(|(category, what)| Storage {
        name: named(Module::Optimizer, what),
        category,
        dims: Dims::new(&[Dim::new(Symbol::Parameters, shard)]),
        dtype: Dtype::Fp32,
    }));
    storages
}

/// Buffers that stay once they have been made, with how many there are of each.
pub(crate) fn buffers(rank: &RankPart, local: &[Local]) -> Vec<(Storage, u64)> {
    let a = &rank.architecture;
    let storage = |module, what, dims: &[Dim], dtype| Storage {
        name: named(module, what),
        category: Category::Temporaries,
        dims: Dims::new(dims),
        dtype,
    };
    let mut buffers = Vec::with_capacity(12);
    for (rows, columns) in weight_shapes(rank) {
        let dims = [Dim::number(rows), Dim::number(columns)];
        buffers.push((storage(Module::TransformerEngine, What::DummyGradient, &dims, Dtype::Bf16), 1));
    }
    let has_experts = local.iter().any(|local| local.is_expert);
    let workspaces = 1 + if has_experts { GROUPED_STREAMS } else { 0 };
    let bytes = [Dim::number(ENGINE_WORKSPACE)];
    buffers.push((storage(Module::TransformerEngine, What::Workspace, &bytes, Dtype::Uint8), workspaces));
    if rank.is_last() || has_experts {
        let bytes = [Dim::number(CUBLAS_WORKSPACE.get())];
        buffers.push((storage(Module::Cublas, What::Workspace, &bytes, Dtype::Uint8), 2));
    }
    if let Some(buffer) = memory_buffer(rank) {
        buffers.push((buffer, 1));
    }
    if let Some(experts) = a.experts.filter(|_| has_experts) {
        // `MoEAlltoAllTokenDispatcher.probs`, of each layer until its next forward.
        let dims = [rank.short(), rank.batch(), Dim::new(Symbol::Experts, experts.count.get())];
        let layers = rank.layers().filter(|&index| a.is_sparse(index)).count() as u64;
        buffers.push((storage(Module::Router, What::RoutingWeights, &dims, Dtype::Bf16), layers));
    }
    if !a.has_rope() {
        return buffers;
    }
    let layers = if a.latent.is_some() { rank.layers().count() as u64 } else { 1 };
    let dims = [rank.sequence(), rank.rotary_dim()];
    let angles = storage(Module::Rope, What::Angles, &dims, Dtype::Fp32);
    buffers.push((angles, layers));
    if a.latent.is_some() {
        // Each layer has its own, with cosines and sines of them (`YarnRotaryEmbedding.get_cached_cos_sin`).
        buffers.push((storage(Module::Rope, What::CosSin, &dims, Dtype::Bf16), 2 * layers));
    }
    buffers
}

/// `GlobalMemoryBuffer`, "mpu", as large as it has had to be: what the head gathers of the sequence, or what unfused attention hands to
/// `baddbmm` in place of a sum.
fn memory_buffer(rank: &RankPart) -> Option<Storage> {
    let gathered = [rank.batch(), rank.sequence(), rank.hidden()];
    let scores = [rank.batch(), rank.heads(), rank.sequence(), rank.sequence()];
    let of = |module, dims: &[Dim]| Storage {
        name: named(module, What::GatherBuffer),
        category: Category::Temporaries,
        dims: Dims::new(dims),
        dtype: Dtype::Bf16,
    };
    let gathers = rank.is_last() && rank.is_sequence_parallel;
    let head = gathers.then(|| of(Module::LmHead, &gathered));
    let attention = (rank.attention == Attention::Eager).then(|| of(Module::Attention, &scores));
    head.into_iter().chain(attention).max_by_key(Storage::bytes)
}

/// The shapes of the weights whose gradients kernels add into the main gradient: each once. Megatron's own layers are fused: q, k and v
/// are one weight, gate and up are one. The embedding and the router aren't such layers.
fn weight_shapes(rank: &RankPart) -> Vec<(u64, u64)> {
    let a = &rank.architecture;
    let hidden = a.hidden.get();
    let has = |is_sparse| rank.layers().any(|index| a.is_sparse(index) == is_sparse);
    let part = |width: u64| width / rank.tensor;
    let query = a.query_width();
    let mut shapes = Vec::with_capacity(12);
    if let Some(latent) = a.latent {
        let (narrow, value) = (latent.rank.get(), latent.value.get());
        let plain = a.plain_dim();
        match latent.query_rank.map(Count::get) {
            Some(query_rank) => shapes.extend([(query_rank, hidden), (part(query), query_rank)]),
            None => shapes.push((part(query), hidden)),
        }
        let both = a.heads.get().saturating_mul(plain + value);
        shapes.extend([(narrow + a.rotary_dim().get(), hidden), (part(both), narrow)]);
        shapes.push((hidden, part(a.heads.get().saturating_mul(value))));
    } else {
        shapes.extend([(part(query + 2 * a.kv_width()), hidden), (hidden, part(query))]);
    }
    let halves = if a.is_gated() { 2 } else { 1 };
    let mut mlp = |width: u64| shapes.extend([(halves * width, hidden), (hidden, width)]);
    if has(false) {
        mlp(part(a.ffn.get()));
    }
    if let Some(experts) = a.experts.filter(|_| has(true)) {
        mlp(experts.ffn.get() / rank.expert_tensor);
        if let Some(shared) = experts.shared_ffn {
            mlp(part(shared.get()));
        }
    }
    if rank.is_last() {
        shapes.push((rank.vocabulary().value, hidden));
    }
    shapes.sort_unstable();
    shapes.dedup();
    shapes
}
