//! What gathering weights and reducing gradients holds on a rank, around layers and around the rest of the model (the root group).
//!
//! FSDP2 (`torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py`, `_fsdp_collectives.py`; PARALLEL section 3): a group's shards are
//! copied into a buffer, which the all-gather fills and from which the whole weights are copied out. In forward the buffer stays
//! until the next group has been copied out (`wait_for_unshard`); in backward the next group is gathered while one runs
//! (`_backward_prefetch`), and a group's reduce-scatter input stays until the next group's post-backward. The root group is gathered first
//! and reduced last, in one piece.
//!
//! FSDP1 (`torch/distributed/fsdp/_flat_param.py`; PARALLEL section 4): weights are views of what is gathered, so there is no second
//! buffer.

use super::flat::flat;
use super::group::{Group, wraps_adapters};
use super::{Shards, TensorParallel};
use crate::ledger::{Category, Module, What};
use crate::model::{Parameter, Place};
use crate::rules::LayerKind;
use crate::scenario::{GradientSync, ReduceDtype, Reshard, Scenario};
use crate::tape::Storage;
use crate::units::{Bytes, Count, Dtype};

/// Layers of each kind.
pub(crate) type Kinds = Vec<(LayerKind, u64)>;

/// A storage, so many times.
pub(crate) type Held = (Storage, u64);

/// What earlier micro-batches of a step have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// There are none.
    Nothing,
    /// Gradients of whole weights, which the last micro-batch reduces.
    Whole,
    /// Gradients that every micro-batch has reduced.
    Reduced,
}

/// The collectives of a run whose weights are sharded.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of FSDP, independent of the others")]
pub(crate) struct Collectives {
    /// What earlier micro-batches have left.
    pub(crate) earlier: Earlier,
    /// Weights stay gathered from one micro-batch to the next (`set_reshard_after_backward(False)`).
    stays_gathered: bool,
    is_offloaded: bool,
    /// FSDP1 wraps each matrix of an adapter by itself (PEFT's `fsdp_auto_wrap_policy`): the next layer's weights are gathered when backward
    /// comes to the adapter that forward has run first, and the layer has nothing to reduce.
    pub(crate) wraps_adapters: bool,
    /// The training loop computes the loss itself, outside of what FSDP wraps: the last layer's buffer is gone by then, and nothing is
    /// gathered before the gradient of the logits is there.
    loss_is_outside: bool,
    /// Elements by which the root's gradients are more than its weights before they are reduced.
    beside_root: u64,
    ways: u64,
    is_flat: bool,
    reshards: bool,
    compute: Dtype,
    stored: Dtype,
    reduce: Dtype,
    root: Group,
    dense: Group,
    sparse: Group,
}

impl Collectives {
    /// None where weights aren't sharded, nor cast by FSDP. What is frozen is gathered, but has no gradients.
    pub(crate) fn of(scenario: &Scenario, frozen: &[Parameter], trained: &[Parameter]) -> Option<Self> {
        let parallel = &scenario.parallel;
        let (stored, compute) = (scenario.trained(), scenario.gathered());
        let is_plain = parallel.shards() == 1 && stored == compute;
        let shards = Shards::among(scenario).filter(|_| !is_plain)?;
        let has_experts = scenario.model.architecture.experts.is_some();
        let group =
            |is_in: &dyn Fn(&Parameter) -> bool| Group::of(scenario, shards, [frozen, trained], is_in);
        let is_last = scenario.gradient_accumulation == Count::ONE;
        let tensor = TensorParallel::of(scenario);
        Some(Self {
            earlier: match parallel.sync {
                _ if is_last => Earlier::Nothing,
                GradientSync::LastMicroBatch => Earlier::Whole,
                GradientSync::EveryMicroBatch => Earlier::Reduced,
            },
            stays_gathered: parallel.stays_gathered
                && !is_last
                && parallel.sync == GradientSync::LastMicroBatch,
            is_offloaded: parallel.is_offloaded(),
            wraps_adapters: wraps_adapters(scenario),
            loss_is_outside: tensor.is_some(),
            beside_root: tensor.map_or(0, |split| split.beside_gradients(trained)),
            ways: shards.ways(),
            is_flat: shards.is_flat(),
            reshards: parallel.reshard == Reshard::AfterForward,
            compute,
            stored,
            reduce: match parallel.reduce {
                ReduceDtype::Fp32 if stored != compute => Dtype::Fp32,
                _ => compute,
            },
            root: group(&|p| !p.is_in_layer()),
            dense: group(&|p| matches!(p.place, Place::Layer | Place::DenseLayer)),
            sparse: group(&|p| has_experts && matches!(p.place, Place::Layer | Place::SparseLayer)),
        })
    }

    const fn group(&self, kind: LayerKind) -> Group {
        if kind.is_sparse { self.sparse } else { self.dense }
    }

    fn storage(module: Module, what: What, elements: u64, dtype: Dtype) -> Storage {
        flat(Category::Communication, module, what, elements, dtype)
    }

    fn gathered(module: Module, group: Group) -> Storage {
        Self::storage(module, What::Gathered, group.weights, group.gathered_as)
    }

    fn gather_buffer(&self, module: Module, group: Group) -> Storage {
        let elements = if self.is_flat { 0 } else { group.weights };
        Self::storage(module, What::GatherBuffer, elements, group.gathered_as)
    }

    /// What a reduce-scatter takes. FSDP1 gives it the flat gradient itself where that has its dtype.
    fn reduce_input(&self, module: Module, group: Group) -> Storage {
        Self::storage(module, What::ReduceInput, group.padded, self.reduce)
    }

    /// Weights of the root group, which are there from the first gather to the last reduce.
    fn root_gathered(&self) -> Held {
        (Self::gathered(Module::Root, self.root), 1)
    }

    fn of_layers(&self, layers: &[(LayerKind, u64)], one: impl Fn(&Self, Group) -> Storage) -> Vec<Held> {
        layers.iter().map(|&(kind, count)| (one(self, self.group(kind)), count)).collect()
    }

    /// Whether weights of a layer are gathered only while it or a neighbour runs.
    pub(crate) const fn holds_neighbours_alone(&self) -> bool {
        self.reshards && !self.stays_gathered
    }

    /// Layers whose weights are gathered beside the one that runs.
    fn kept(&self, layers: &Layers<'_>) -> Vec<Held> {
        let before = if self.reshards { &[] } else { layers.before };
        let after = if self.stays_gathered { layers.after } else { &[] };
        let layers = [before, after].concat();
        let mut kept = self.of_layers(&layers, |_, group| Self::gathered(Module::Layer, group));
        if self.wraps_adapters {
            kept.extend(self.of_layers(&layers, Self::gathered_adapters));
        }
        kept
    }

    fn gathered_adapters(&self, group: Group) -> Storage {
        Self::storage(Module::Layer, What::Gathered, group.padded, self.compute)
    }

    /// The weights of the layer that runs. Of adapters that are wrapped by themselves one at a time is gathered, which is left out, or all
    /// stay.
    fn own(&self, kind: LayerKind) -> Vec<Held> {
        let group = self.group(kind);
        let adapters = (self.wraps_adapters && !self.reshards).then(|| self.gathered_adapters(group));
        [Self::gathered(Module::Layer, group)]
            .into_iter()
            .chain(adapters)
            .map(|storage| (storage, 1))
            .collect()
    }

    /// Gradients of whole weights that earlier micro-batches have left: FSDP2 keeps them in the dtype in which they will be reduced.
    pub(crate) fn left_by_earlier(&self, all: &[(LayerKind, u64)]) -> Vec<Held> {
        if self.earlier != Earlier::Whole {
            return Vec::new();
        }
        let dtype = if self.is_flat { self.compute } else { self.reduce };
        let mut held = self.of_layers(all, |_, group| {
            Self::storage(Module::Layer, What::UnshardedGradients, group.trained, dtype)
        });
        let of_root = self.root.trained.saturating_add(self.beside_root);
        held.push((Self::storage(Module::Root, What::UnshardedGradients, of_root, dtype), 1));
        held
    }

    /// While the embedding has run and the first layer is being gathered: the root's buffer is still there.
    pub(crate) fn gathering_first(&self, kind: LayerKind) -> Vec<Held> {
        if self.stays_gathered {
            return Vec::new();
        }
        let group = self.group(kind);
        let mut held = vec![
            self.root_gathered(),
            (self.gather_buffer(Module::Root, self.root), 1),
            (self.gather_buffer(Module::Layer, group), 1),
        ];
        held.extend(self.cast(kind));
        held
    }

    /// What a rank casts or copies of its shards to gather a layer's weights.
    fn cast(&self, kind: LayerKind) -> Option<Held> {
        let group = self.group(kind);
        let cast = Self::storage(Module::Layer, What::ShardCast, group.cast, group.gathered_as);
        (group.cast > 0 && !self.is_flat).then_some((cast, 1))
    }

    /// While a layer's weights are gathered for its forward: the buffer of the one before is still there.
    pub(crate) fn gathering(&self, kind: LayerKind, before: LayerKind, layers: &Layers<'_>) -> Vec<Held> {
        let mut held = self.kept(layers);
        held.push(self.root_gathered());
        if !self.stays_gathered && !self.is_flat {
            held.extend([before, kind].map(|kind| (self.gather_buffer(Module::Layer, self.group(kind)), 1)));
            held.extend(self.cast(kind));
        }
        held
    }

    /// While the weights of the layer that backward visits next are gathered.
    pub(crate) fn gathering_next(
        &self,
        kind: LayerKind,
        next: Option<LayerKind>,
        previous: Option<LayerKind>,
        layers: &Layers<'_>,
    ) -> Vec<Held> {
        let mut held = self.in_backward(kind, next, previous, layers);
        held.extend(next.filter(|_| self.reshards).and_then(|next| self.cast(next)));
        held
    }

    /// While a layer runs forward.
    pub(crate) fn in_forward(&self, kind: LayerKind, layers: &Layers<'_>) -> Vec<Held> {
        let group = self.group(kind);
        let mut held = self.kept(layers);
        held.push(self.root_gathered());
        held.extend(self.own(kind));
        if !self.stays_gathered {
            held.push((self.gather_buffer(Module::Layer, group), 1));
        }
        held
    }

    /// The last layer's buffer while the root's forward makes logits, where the loss is computed after it.
    pub(crate) fn within_root(&self, last: LayerKind) -> Option<Bytes> {
        let buffer = self.gather_buffer(Module::Layer, self.group(last)).bytes();
        (self.loss_is_outside && !self.stays_gathered).then_some(buffer)
    }

    /// At the loss, or before it within the root's forward: the last layer's buffer is still there.
    pub(crate) fn at_loss(&self, last: LayerKind, all: &Layers<'_>, is_within_root: bool) -> Vec<Held> {
        let mut held = self.kept(all);
        held.push(self.root_gathered());
        if !self.stays_gathered && (is_within_root || !self.loss_is_outside) {
            held.push((self.gather_buffer(Module::Layer, self.group(last)), 1));
        }
        held
    }

    /// At the head's backward: the last layer is being gathered.
    pub(crate) fn at_head(&self, last: LayerKind, all: &Layers<'_>) -> Vec<Held> {
        let mut held = self.kept(all);
        held.push(self.root_gathered());
        held.extend(self.prefetched(last).filter(|_| !self.loss_is_outside));
        held
    }

    fn prefetched(&self, kind: LayerKind) -> Option<Held> {
        let group = self.group(kind);
        let buffer = if self.is_flat {
            Self::gathered(Module::Layer, group)
        } else {
            self.gather_buffer(Module::Layer, group)
        };
        self.reshards.then_some((buffer, 1))
    }

    /// While a layer runs backward. `next` is the one that backward visits next, `previous` the one it has visited.
    pub(crate) fn in_backward(
        &self,
        kind: LayerKind,
        next: Option<LayerKind>,
        previous: Option<LayerKind>,
        layers: &Layers<'_>,
    ) -> Vec<Held> {
        let mut held = self.kept(layers);
        held.push(self.root_gathered());
        held.extend(self.own(kind));
        held.extend(next.and_then(|kind| self.prefetched(kind)));
        // FSDP1's is handed to another stream and freed. The micro-batches before the last reduce nothing.
        let keeps_input = !self.is_flat && self.earlier != Earlier::Whole;
        held.extend(
            previous
                .filter(|_| keeps_input)
                .map(|kind| (self.reduce_input(Module::Layer, self.group(kind)), 1)),
        );
        held
    }

    /// After a layer's backward, whose gradients are copied to be reduced.
    pub(crate) fn reducing(
        &self,
        kind: LayerKind,
        next: Option<LayerKind>,
        layers: &Layers<'_>,
    ) -> Vec<Held> {
        let group = self.group(kind);
        let mut held = self.kept(layers);
        held.push(self.root_gathered());
        if self.is_flat {
            // The flat gradient is made of its views' while the weights are still there.
            held.push((Self::gathered(Module::Layer, group), 1));
            held.push((Self::storage(Module::Layer, What::FlatGradient, group.padded, self.compute), 1));
        } else {
            held.push((self.reduce_input(Module::Layer, group), 1));
        }
        held.extend(next.and_then(|kind| self.prefetched(kind)));
        held
    }

    /// What a layer's gradients are once they have been reduced; those of earlier micro-batches take them up.
    pub(crate) fn gradient_shard(&self, kind: LayerKind) -> Bytes {
        if self.earlier != Earlier::Nothing || self.is_offloaded {
            return Bytes::ZERO;
        }
        Bytes::new(self.group(kind).shard).times(self.stored.size())
    }

    /// At the embedding's backward: the first layer's reduction is still there.
    pub(crate) fn at_embedding(&self, first: LayerKind, all: &[(LayerKind, u64)]) -> Vec<Held> {
        let mut held = self.kept(&Layers { before: &[], after: all });
        held.push(self.root_gathered());
        if !self.is_flat && self.earlier != Earlier::Whole {
            held.push((self.reduce_input(Module::Layer, self.group(first)), 1));
        }
        held
    }

    /// When the root's gradients are copied to be reduced, or have been.
    pub(crate) fn reducing_root(&self) -> Vec<Held> {
        let root = |what, elements, dtype| (Self::storage(Module::Root, what, elements, dtype), 1);
        let each = self.root.padded / self.ways.max(1);
        let mut moments = Vec::with_capacity(2);
        let flat = root(What::FlatGradient, self.root.padded, self.compute);
        let gradients = root(What::UnshardedGradients, self.root.trained, self.compute);
        let input = (self.reduce_input(Module::Root, self.root), 1);
        let output = root(What::ReduceOutput, each, self.reduce);
        if self.is_flat {
            moments.push(vec![self.root_gathered(), gradients, flat]);
            let mut reduced = vec![flat];
            if self.reduce != self.compute {
                reduced.push(input);
            }
            // Without shards the reduced gradient is the input itself.
            if self.ways > 1 {
                reduced.push(output);
            }
            moments.push(reduced);
        } else {
            moments.push(vec![input, gradients]);
            let mut reduced = vec![input, output];
            if self.reduce != self.stored {
                reduced.push(root(What::GradientCast, each, self.stored));
            }
            moments.push(reduced);
        }
        moments.into_iter().max_by_key(|held| bytes(held)).unwrap_or_default()
    }
}

/// The layers beside the one that runs, by kind: those that forward runs before it, and those after it.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    pub(crate) before: &'a [(LayerKind, u64)],
    pub(crate) after: &'a [(LayerKind, u64)],
}

/// Bytes of some storages.
pub(crate) fn bytes(held: &[Held]) -> Bytes {
    held.iter().map(|(storage, copies)| storage.bytes().times(*copies)).sum()
}
