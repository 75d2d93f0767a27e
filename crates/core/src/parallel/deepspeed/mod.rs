//! What one rank holds of a run with DeepSpeed's ZeRO: its part of every flat buffer, and what it gathers and reduces.
//!
//! Sources: deepspeed 0.19.8, `runtime/zero/stage_1_and_2.py`, `stage3.py`, `partition_parameters.py`,
//! `partitioned_param_coordinator.py`; PARALLEL section 5. Checked against goldens_parallel.jsonl, group `ds`, and tests/goldens/deepspeed.jsonl.
//!
//! * ZeRO-1 and -2: the weights are views of one flat tensor; master weights and states are of this rank's part of it. Backward copies each
//!   gradient into a bucket of `reduce_bucket_size` elements; what is this rank's is copied out of it into `grads_in_partition`, whole
//!   gradients of all parameters that its part touches. ZeRO-1 does so when backward is done, ZeRO-2 as gradients come.
//! * ZeRO-3: each parameter is cut among the ranks by itself, padded; so are the gradients, for which there is a buffer from the beginning.
//!   The bucket is there from the beginning too. Whole weights are gathered around their use ([`live`]).

mod live;
mod reduction;

pub(crate) use live::Live;
pub(crate) use reduction::{Flush, Reduction};

use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Architecture, LayerRange, Parameter, Place, parameters};
use crate::parallel::flat::flat;
use crate::scenario::{DeepSpeed, Scenario};
use crate::tape::Storage;
use crate::units::{Bytes, Count, Dtype};

/// A parameter's place in the flat buffer, in the order in which the model registers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) elements: u64,
    /// Elements before it.
    pub(crate) start: u64,
    /// The layer that it stands in.
    pub(crate) layer: Option<u64>,
    /// Whether it stands behind the layers.
    pub(crate) is_head: bool,
    /// It is a norm or a bias.
    pub(crate) is_vector: bool,
}

/// ZeRO on one rank.
pub(crate) struct Zero {
    pub(crate) stage: u8,
    pub(crate) settings: DeepSpeed,
    /// Ranks among which everything is divided.
    pub(crate) ways: u64,
    rank: u64,
    /// Micro-batches before the last one have left gradients.
    pub(crate) accumulates: bool,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) layers: u64,
    pub(crate) is_tied: bool,
    pub(crate) is_checkpointed: bool,
    elements: u64,
    partition: u64,
}

impl Zero {
    /// None where DeepSpeed doesn't train on several GPUs.
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let stage = scenario.zero_stage()?;
        let architecture = scenario.architecture();
        let pieces = pieces(&architecture);
        let elements = pieces.iter().map(|piece| piece.elements).fold(0, u64::saturating_add);
        let ways = scenario.parallel.data_ways();
        let partition = match stage {
            3 => pieces.iter().map(|piece| piece.elements.div_ceil(ways)).fold(0, u64::saturating_add),
            // As many for each rank, aligned to 4 B.
            _ => elements.div_ceil(ways.saturating_mul(2)).saturating_mul(2),
        };
        Some(Self {
            stage,
            settings: scenario.parallel.deepspeed,
            ways,
            rank: if scenario.parallel.is_last_rank { ways - 1 } else { 0 },
            accumulates: scenario.gradient_accumulation > Count::ONE,
            pieces,
            layers: architecture.blocks(),
            is_tied: architecture.tied,
            is_checkpointed: scenario.checkpointing.is_on(),
            elements,
            partition,
        })
    }

    /// Elements of the parameters, all together.
    pub(crate) const fn elements(&self) -> u64 {
        self.elements
    }

    /// Elements of this rank's part. ZeRO-1 and -2 cut the flat buffer, aligned to 4 B for each rank; ZeRO-3 each parameter.
    pub(crate) const fn partition(&self) -> u64 {
        self.partition
    }

    fn shard(&self, piece: &Piece) -> u64 {
        piece.elements.div_ceil(self.ways)
    }

    /// Elements of a gathered parameter, with its padding.
    pub(crate) fn gathered(&self, piece: &Piece) -> u64 {
        self.shard(piece).saturating_mul(self.ways)
    }

    /// Whether a parameter is never cut.
    pub(crate) fn persists(&self, piece: &Piece) -> bool {
        piece.elements <= self.settings.persistence.get()
    }

    /// Whether gradients leave their own tensors while backward runs.
    pub(crate) const fn reduces_in_backward(&self) -> bool {
        self.stage > 1 || self.settings.overlap
    }

    /// The bounds of this rank's part of the flat buffer.
    fn bounds(&self) -> (u64, u64) {
        let part = self.partition;
        (self.rank.saturating_mul(part), (self.rank + 1).saturating_mul(part))
    }

    /// Whether this rank updates some of a parameter (ZeRO-1 and -2).
    pub(crate) fn owns(&self, piece: &Piece) -> bool {
        let (from, to) = self.bounds();
        piece.start < to && piece.start.saturating_add(piece.elements) > from
    }

    /// Elements of the gradients that this rank keeps: whole ones, of all parameters that its part touches (`copy_grads_in_partition`).
    /// With the optimizer on the CPU they go there, one by one.
    pub(crate) fn kept_gradients(&self) -> u64 {
        if self.stage == 3 || self.settings.offload_optimizer {
            return 0;
        }
        let owned = self.pieces.iter().filter(|piece| self.owns(piece));
        owned.map(|piece| piece.elements).fold(0, u64::saturating_add)
    }

    /// The largest part of one parameter that this rank updates, whose norm is taken in fp64, and how many parameters it updates.
    pub(crate) fn largest_owned(&self) -> (u64, usize) {
        let (from, to) = self.bounds();
        let part = |piece: &Piece| {
            if self.stage == 3 {
                return self.shard(piece);
            }
            let end = piece.start.saturating_add(piece.elements).min(to);
            end.saturating_sub(piece.start.max(from))
        };
        let owned = self.pieces.iter().map(part).filter(|&elements| elements > 0);
        owned.fold((0, 0), |(most, count), elements| (elements.max(most), count + 1))
    }

    /// Elements of the largest group that ZeRO-3 updates at a time (`_create_fp16_sub_groups`).
    pub(crate) fn sub_group(&self) -> u64 {
        let all = self.partition;
        let size = self.settings.sub_group.get();
        if self.stage < 3 || size >= all {
            return all;
        }
        let (mut most, mut group) = (0, 0_u64);
        for piece in &self.pieces {
            group = group.saturating_add(self.shard(piece));
            most = group.max(most);
            if group >= size {
                group = 0;
            }
        }
        most
    }

    /// Buckets in which gradients are reduced.
    pub(crate) fn buckets(&self) -> Storage {
        let count = if self.settings.overlap && self.stage < 3 { 2 } else { 1 };
        let elements = self.settings.reduce_bucket.get().saturating_mul(count);
        flat(Category::Communication, Module::ZeroBuckets, What::Bucket, elements, Dtype::Bf16)
    }

    /// `grads_in_partition`.
    pub(crate) fn gradients(&self) -> Storage {
        flat(Category::Gradients, Module::ZeroPartition, What::Partition, self.kept_gradients(), Dtype::Bf16)
    }

    /// What ZeRO-3 holds from the beginning: its part of weights and gradients, and what is never cut.
    pub(crate) fn parts(&self) -> Vec<Storage> {
        let part = self.partition;
        let whole = self.pieces.iter().filter(|piece| self.persists(piece));
        let whole = whole.map(|piece| piece.elements).fold(0, u64::saturating_add);
        let of =
            |category, what, elements| flat(category, Module::ZeroPartition, what, elements, Dtype::Bf16);
        let is_here = |offloaded: bool| if offloaded { 0 } else { part };
        vec![
            of(Category::Parameters, What::Partition, is_here(self.settings.offload_weights)),
            of(Category::Gradients, What::Partition, is_here(self.settings.offload_optimizer)),
            of(Category::Parameters, What::Weight, whole),
        ]
    }

    /// Gathered weights.
    pub(crate) fn live(elements: u64) -> Storage {
        flat(Category::Communication, Module::ZeroPartition, What::Gathered, elements, Dtype::Bf16)
    }

    /// What a reduction of several ranks' or several parameters' gradients copies them to.
    pub(crate) fn flattened(elements: u64) -> Storage {
        flat(Category::Communication, Module::ZeroBuckets, What::FlatGradient, elements, Dtype::Bf16)
    }

    /// Whole gradients in tensors of their own.
    pub(crate) fn whole_gradients(elements: u64) -> Storage {
        flat(Category::Gradients, Module::ZeroBuckets, What::UnshardedGradients, elements, Dtype::Bf16)
    }

    /// A buffer of the GPU through which gradients go to the CPU (`temp_grad_buffer_for_gpu_offload`).
    pub(crate) fn staging(&self) -> Option<Storage> {
        let largest = self.pieces.iter().map(|piece| piece.elements).max().unwrap_or_default();
        let is_staged = self.settings.offload_optimizer && self.stage < 3;
        is_staged
            .then(|| flat(Category::Communication, Module::ZeroPartition, What::Bucket, largest, Dtype::Bf16))
    }

    /// What is there when ZeRO-1 reduces what backward has left.
    pub(crate) fn after_backward(&self) -> Vec<Storage> {
        let (own, copied, is_kept) = Reduction::new(self).after_backward();
        let kept = is_kept.then(|| self.gradients());
        [Self::whole_gradients(own), Self::flattened(copied)].into_iter().chain(kept).collect()
    }

    /// What the update makes beside the optimizer's own: the moments of which the largest counts. Each is (gradients that are kept are
    /// there, the optimizer's own is there, storages).
    pub(crate) fn update(&self) -> Vec<Update> {
        let group = self.sub_group();
        let (largest, count) = self.largest_owned();
        let step =
            |what, elements, dtype| flat(Category::Temporaries, Module::Optimizer, what, elements, dtype);
        let fp32 = step(What::GradientFp32, group, Dtype::Fp32);
        let flat = step(What::FlatGradient, if count > 1 { group } else { 0 }, Dtype::Bf16);
        // `get_norm_dtype`: fp64.
        let norm = step(What::StepLargest, largest.saturating_mul(2), Dtype::Fp32);
        if self.settings.offload_optimizer {
            return vec![Update { has_gradients: false, runs: false, made: Vec::new() }];
        }
        vec![
            Update { has_gradients: true, runs: false, made: vec![norm] },
            Update { has_gradients: true, runs: false, made: vec![flat, fp32] },
            Update { has_gradients: false, runs: true, made: vec![fp32] },
        ]
    }

    /// The part that the optimizer updates, as one flat parameter.
    pub(crate) fn updated(elements: u64) -> Parameter {
        Parameter {
            name: Name::of(Module::ZeroPartition, What::Partition),
            place: Place::Head,
            layers: LayerRange::ALL,
            dims: Dims::new(&[Dim::new(Symbol::ShardRows, elements)]),
            matrix: None,
        }
    }
}

/// A moment of the update.
pub(crate) struct Update {
    /// The gradients that this rank has kept are there.
    pub(crate) has_gradients: bool,
    /// The optimizer runs.
    pub(crate) runs: bool,
    pub(crate) made: Vec<Storage>,
}

impl Update {
    /// What is made, in bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        self.made.iter().map(Storage::bytes).sum()
    }
}

/// Every parameter of a model in the order of its registration, layer by layer.
fn pieces(architecture: &Architecture) -> Vec<Piece> {
    let all = parameters(architecture);
    let mut pieces: Vec<Piece> = Vec::with_capacity(all.len() * 32);
    let mut start = 0_u64;
    let mut put = |parameter: &Parameter, layer: Option<u64>, is_head: bool| {
        let (elements, is_vector) = (parameter.elements(), parameter.matrix.is_none());
        pieces.push(Piece { elements, start, layer, is_head, is_vector });
        start = start.saturating_add(elements);
    };
    let is_head = |parameter: &Parameter| parameter.place == Place::Head;
    for parameter in all.iter().filter(|parameter| !parameter.is_in_layer() && !is_head(parameter)) {
        put(parameter, None, false);
    }
    for index in 0..architecture.blocks() {
        for parameter in all.iter().filter(|parameter| parameter.is_at(architecture, index)) {
            put(parameter, Some(index), false);
        }
    }
    for parameter in all.iter().filter(|parameter| is_head(parameter)) {
        put(parameter, None, true);
    }
    pieces
}
