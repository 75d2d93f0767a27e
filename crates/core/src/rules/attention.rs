//! Attention: projections, positions, and the kernels of `scaled_dot_product_attention`.
//!
//! FINDINGS sections 3 and 11; `aten/src/ATen/native/transformers/cuda/sdp_utils.cpp` says which kernel is chosen: flash for
//! 16-bit without a mask, memory-efficient for fp32 and for any mask.

use super::Writer;
use super::linear::Linear;
use super::norm::Norm;
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Mixer, QkNorm, has_one_qkv};
use crate::scenario::{Attention, Held, Stack};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

/// Heads wider than this are none of flash attention's (`check_head_dim_size_flash`).
pub(super) const FLASH_WIDEST_HEAD: u64 = 256;

/// Queries, keys and values.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) query: Var,
    pub(crate) key: Var,
    pub(crate) value: Var,
}

impl Writer<'_> {
    /// The attention module on `x`, which the caller still holds: its output before dropout.
    pub(crate) fn attention(&mut self, x: Var, mixer: Mixer) -> Var {
        let prefix = self.pass.prefix().map(|prefix| self.prefix_of_layer(&prefix));
        let mut gate = None;
        let heads = match self.pass.architecture.latent {
            Some(latent) => self.latent_heads(x, &latent),
            None if self.pass.architecture.family.gates_attention() => {
                let (heads, of_output) = self.gated_projections(x);
                gate = Some(of_output);
                self.with_positions(heads, mixer)
            }
            None => self.projected_heads(x, mixer),
        };
        let caches_heads = self.pass.fills_cache && self.pass.architecture.latent.is_none();
        let heads = if caches_heads { self.through_cache(heads) } else { heads };
        let heads = match prefix {
            Some(prefix) => self.behind_prefix(heads, prefix),
            None => heads,
        };
        let is_eager = self.pass.attention == Attention::Eager;
        let output =
            if is_eager { self.eager_attention(heads) } else { self.sdpa(heads, mixer == Mixer::Window) };
        let output = gate.map_or(output, |gate| self.gated_output(output, gate));
        let hidden = [self.pass.hidden()];
        let values = [self.pass.heads(), self.pass.value_dim()];
        let projected = self.linear(
            output,
            &Linear {
                module: Module::OProj,
                weight_of: Module::OProj,
                input: &values,
                output: &hidden,
                has_bias: self.pass.architecture.output_bias,
            },
        );
        self.tape.drop(output);
        projected
    }

    fn projected_heads(&mut self, x: Var, mixer: Mixer) -> Heads {
        let heads = if has_one_qkv(&self.pass.architecture) {
            self.one_projection(x)
        } else {
            self.three_projections(x)
        };
        self.with_positions(heads, mixer)
    }

    /// Takes over the caller's heads.
    fn with_positions(&mut self, heads: Heads, mixer: Mixer) -> Heads {
        let has_positions = mixer != Mixer::FullNoPositions && self.pass.architecture.has_rope();
        let heads = if has_positions { self.rotated_heads(heads) } else { heads };
        self.behind_rope(heads, mixer)
    }

    fn one_projection(&mut self, x: Var) -> Heads {
        let (all, hidden) = ([self.pass.qkv_heads(), self.pass.head_dim()], [self.pass.hidden()]);
        let has_bias = self.pass.architecture.qkv_bias;
        let qkv = self.linear(
            x,
            &Linear {
                module: Module::QkvProj,
                weight_of: Module::QkvProj,
                input: &hidden,
                output: &all,
                has_bias,
            },
        );
        // Each of the three slices fills a whole tensor in backward (`slice_backward`); GPT-2's split concatenates once.
        let steps = [self.gradient(qkv)];
        let (query, key, value);
        if self.pass.architecture.family.has_fused_qkv() {
            query = self.slice(qkv, Module::QProj, self.pass.heads(), &steps);
            key = self.slice(qkv, Module::KProj, self.pass.kv_heads(), &steps);
            value = self.slice(qkv, Module::VProj, self.pass.kv_heads(), &steps);
        } else {
            let split = self.tape.view(qkv, &[], &steps);
            query = self.slice(split, Module::QProj, self.pass.heads(), &[Step::Pass(split)]);
            key = self.slice(split, Module::KProj, self.pass.kv_heads(), &[Step::Join(split)]);
            value = self.slice(split, Module::VProj, self.pass.kv_heads(), &[Step::Join(split)]);
            self.tape.drop(split);
        }
        self.tape.drop(qkv);
        Heads { query, key, value }
    }

    /// A slice of the fused projection. It is a view; only the shape of what is made of it is its own.
    fn slice(&mut self, qkv: Var, module: Module, heads: Dim, steps: &[Step]) -> Var {
        let view = self.tape.view(qkv, &[], steps);
        let dims = self.rows(&[heads, self.pass.head_dim()]);
        self.tape.reshape(view, Name::of(module, What::Output), dims);
        view
    }

    fn three_projections(&mut self, x: Var) -> Heads {
        let query = self.projection(x, Module::QProj, Module::QNorm, self.pass.heads());
        let (key, value) = self.keys_and_values(x);
        Heads { query, key, value }
    }

    pub(super) fn keys_and_values(&mut self, x: Var) -> (Var, Var) {
        let key = self.projection(x, Module::KProj, Module::KNorm, self.pass.kv_heads());
        let (hidden, kv) = ([self.pass.hidden()], [self.pass.kv_heads(), self.pass.head_dim()]);
        let has_bias = self.pass.architecture.qkv_bias;
        let value = self.linear(
            x,
            &Linear {
                module: Module::VProj,
                weight_of: Module::VProj,
                input: &hidden,
                output: &kv,
                has_bias,
            },
        );
        (key, value)
    }

    /// The q or k projection, with the norm over each head where the family has one.
    fn projection(&mut self, x: Var, module: Module, norm: Module, heads: Dim) -> Var {
        let (hidden, output) = ([self.pass.hidden()], [heads, self.pass.head_dim()]);
        let has_bias = self.pass.architecture.qkv_bias;
        let projected =
            self.linear(x, &Linear { module, weight_of: module, input: &hidden, output: &output, has_bias });
        let by_head = [self.pass.batch(), self.pass.sequence(), heads];
        let (rows, width) = match self.pass.architecture.qk_norm() {
            QkNorm::Heads => (&by_head[..], self.pass.head_dim()),
            QkNorm::Wide => {
                (&by_head[..2], Dim::number(heads.value.saturating_mul(self.pass.head_dim().value)))
            }
            QkNorm::None | QkNorm::HeadsAfterRope | QkNorm::WithoutWeights => {
                let is_scaled =
                    module == Module::QProj && self.pass.architecture.family.scales_projected_queries();
                return if is_scaled { self.multiplied(projected, module) } else { projected };
            }
        };
        let normed = self.norm(projected, &Norm { module: norm, rows, width });
        self.tape.drop(projected);
        normed
    }

    /// `DynamicCache.update` concatenates what the cache holds, which is nothing yet, with the new keys and values: copies, whose
    /// gradients are views.
    fn through_cache(&mut self, heads: Heads) -> Heads {
        let key = self.contiguous(heads.key, Module::Attention, What::Key);
        let value = self.contiguous(heads.value, Module::Attention, What::Value);
        self.tape.drop(heads.key);
        self.tape.drop(heads.value);
        for of_cache in [key, value] {
            self.hold_in_cache(of_cache);
        }
        Heads { key, value, ..heads }
    }

    /// The cache belongs to the model's outputs.
    pub(crate) fn hold_in_cache(&mut self, of_cache: Var) {
        if self.pass.held == Held::Outputs {
            self.tape.hold_on(of_cache);
        } else {
            self.tape.cache(of_cache);
        }
    }

    /// `scaled_dot_product_attention` and the reshape of its output (`sdpa_attention_forward`).
    pub(super) fn sdpa(&mut self, heads: Heads, is_windowed: bool) -> Var {
        // With more keys than queries, `is_causal` would mean another mask.
        let has_mask = is_windowed || self.pass.is_padded() || self.pass.prefix().is_some();
        let compute = self.pass.compute();
        let is_older = self.pass.stack == Stack::Torch26;
        let has_groups = self.pass.architecture.kv_heads < self.pass.architecture.heads;
        // Today's kernels take fewer key heads than query heads where nothing is masked.
        let repeats_for_ring = self.pass.ring.is_some_and(|ring| ring.repeats_keys);
        let repeats = has_groups && (has_mask || is_older || repeats_for_ring);
        let mut heads = heads;
        if repeats {
            heads.key = self.repeat(heads.key, What::KeyExpanded);
            heads.value = self.repeat(heads.value, What::ValueExpanded);
        }
        if is_older {
            heads = self.contiguous_heads(heads, repeats);
        }
        // An fp32 query (RoPE's product under autocast) is cast; v is 16-bit already.
        let query = self.cast(heads.query, Module::Attention, What::Query, compute);
        let key = self.cast(heads.key, Module::Attention, What::Key, compute);
        let value = self.cast(heads.value, Module::Attention, What::Value, compute);
        let a = &self.pass.architecture;
        let is_flash = compute != Dtype::Fp32
            && !has_mask
            && a.head_dim.get() <= FLASH_WIDEST_HEAD
            && a.head_dim == a.value_dim();
        let kernel_heads = Heads { query, key, value };
        let output = if let Some(ring) = self.pass.ring {
            self.ring_attention(kernel_heads, &ring, has_groups && !repeats)
        } else if is_flash {
            self.flash(kernel_heads, has_groups && !repeats)
        } else {
            self.memory_efficient(kernel_heads, has_mask, has_groups && !repeats)
        };
        for var in [query, key, value, heads.query, heads.key, heads.value] {
            self.tape.drop(var);
        }
        // Flash's output follows q's layout: one that is contiguous by heads has to be copied.
        // So has what the ring has joined (`torch.cat`).
        let a = &self.pass.architecture;
        let is_by_heads = self.pass.ring.is_some() || a.concatenates_rope() || a.family.copies_heads();
        if is_flash && (is_older || is_by_heads) {
            let copy = self.contiguous(output, Module::OProj, What::Contiguous);
            self.tape.drop(output);
            return copy;
        }
        output
    }

    /// transformers 4.51 makes q, k and v contiguous by heads (`sdpa_attention_forward`). What `repeat_kv` or `torch.cat` has made is
    /// so already. Takes over the caller's heads.
    fn contiguous_heads(&mut self, heads: Heads, is_repeated: bool) -> Heads {
        let is_rotated_by_cat = self.pass.architecture.concatenates_rope();
        let query = if is_rotated_by_cat { heads.query } else { self.by_heads(heads.query, What::Query) };
        let key =
            if is_repeated || is_rotated_by_cat { heads.key } else { self.by_heads(heads.key, What::Key) };
        let value = if is_repeated { heads.value } else { self.by_heads(heads.value, What::Value) };
        Heads { query, key, value }
    }

    fn by_heads(&mut self, x: Var, what: What) -> Var {
        let copy = self.contiguous(x, Module::Attention, what);
        self.tape.drop(x);
        copy
    }

    /// Flash attention: keeps q, k, v, its output and the log-sum-exp. Backward accumulates dq in fp32 and, with fewer key heads than
    /// query heads, makes dk and dv for every query head first (`_flash_attention_backward`, `mha_bwd`).
    fn flash(&mut self, heads: Heads, repeats: bool) -> Var {
        let statistics = Dims::new(&[self.pass.batch(), self.pass.heads(), self.pass.sequence()]);
        let padded = Dim::new(Symbol::PaddedSequence, self.pass.sequence.next_multiple_of(128));
        let wide =
            Dim::new(Symbol::PaddedHeadDim, self.pass.architecture.head_dim.get().next_multiple_of(32));
        let rows = Dims::new(&[self.pass.batch(), self.pass.heads(), padded]);
        let accumulator = self.temporary(Module::Attention, What::Accumulator, rows.and(wide), Dtype::Fp32);
        let sums = self.temporary(Module::Attention, What::Workspace, rows, Dtype::Fp32);
        let mut steps = vec![Step::Temporary(accumulator), Step::Temporary(sums)];
        if repeats {
            let expanded = |what| Storage {
                name: Name::gradient_of(Module::Attention, what),
                ..self.temporary(Module::Attention, what, self.expanded_dims(), self.pass.compute())
            };
            steps.push(Step::Temporary(expanded(What::KeyExpanded)));
            steps.push(Step::Temporary(expanded(What::ValueExpanded)));
        }
        self.attention_kernel(heads, statistics, None, steps)
    }

    /// The memory-efficient kernel: as flash, with the log-sum-exp padded to 32 rows (`_efficient_attention_forward`). A mask, as a
    /// window needs it, is converted to the dtype of the scores for each layer and kept.
    pub(super) fn memory_efficient(&mut self, heads: Heads, has_mask: bool, repeats: bool) -> Var {
        let padded = Dim::new(Symbol::PaddedSequence, self.pass.sequence.next_multiple_of(32));
        let statistics = Dims::new(&[self.pass.batch(), self.pass.heads(), padded]);
        let accumulator =
            self.temporary(Module::Attention, What::Accumulator, self.query_dims(), Dtype::Fp32);
        let mut steps = vec![Step::Temporary(accumulator)];
        if self.pass.compute() == Dtype::Fp32 && repeats {
            let expanded = Storage { dims: self.expanded_dims(), ..accumulator };
            steps.push(Step::Temporary(expanded));
            steps.push(Step::Temporary(expanded));
        }
        let bias = has_mask.then(|| self.mask_bias());
        let output = self.attention_kernel(heads, statistics, bias, steps);
        if let Some(bias) = bias {
            self.tape.drop(bias);
        }
        output
    }

    /// The mask in the dtype of the scores, each row padded to a multiple of 8 (`sdp_utils`, `preprocess_mask`, `pad_bias`).
    fn mask_bias(&mut self) -> Var {
        let keys = self.pass.keys();
        let padded = keys.value.next_multiple_of(8);
        let of = |keys| Dims::new(&[self.pass.batch(), self.pass.sequence(), keys]);
        let made = |dims| self.made(Module::Attention, What::MaskBias, dims, self.pass.compute());
        let (plain, wide) = (made(of(keys)), made(of(Dim::new(Symbol::PaddedSequence, padded))));
        let bias = self.tape.constant(plain);
        if padded == keys.value {
            return bias;
        }
        let wide = self.tape.constant(wide);
        self.tape.drop(bias);
        wide
    }

    /// The memory-efficient kernel with a bias of all sequences, which is expanded to each of them: so is its gradient, before it is
    /// summed.
    pub(crate) fn biased_attention(&mut self, heads: Heads, bias: Var) -> Var {
        let padded = Dim::new(Symbol::PaddedSequence, self.pass.sequence.next_multiple_of(32));
        let statistics = Dims::new(&[self.pass.batch(), self.pass.heads(), padded]);
        let accumulator =
            self.temporary(Module::Attention, What::Accumulator, self.query_dims(), Dtype::Fp32);
        let gradient = if self.pass.rows > 1 { self.gradient(bias) } else { Step::Pass(bias) };
        let expanded = self.tape.view(bias, &[], &[gradient]);
        let sequence = self.pass.sequence();
        let dims = Dims::new(&[self.pass.batch(), self.pass.heads(), sequence, sequence]);
        self.tape.reshape(expanded, self.name(Module::Attention, What::MaskBias), dims);
        let mut steps = vec![Step::Temporary(accumulator)];
        if self.tape.requires_grad(expanded) {
            steps.push(self.gradient(expanded));
        }
        let output = self.attention_kernel(heads, statistics, Some(expanded), steps);
        self.tape.drop(expanded);
        output
    }

    pub(crate) fn attention_kernel(
        &mut self,
        heads: Heads,
        statistics: Dims,
        bias: Option<Var>,
        mut steps: Vec<Step>,
    ) -> Var {
        let Heads { query, key, value } = heads;
        let output = self.made(Module::Attention, What::Output, self.value_dims(), self.pass.compute());
        let lse = self.tape.constant(self.made(Module::Attention, What::LogSumExp, statistics, Dtype::Fp32));
        // The kernel makes all three gradients, whichever are needed.
        steps.extend([query, key, value].map(|var| match self.gradient(var) {
            Step::Gradient(_, unneeded) if !self.tape.requires_grad(var) => Step::Temporary(unneeded),
            needed => needed,
        }));
        let mut saved = vec![query, key, value, lse];
        saved.extend(bias);
        let output = self.tape.operator_keeping_output(output, &saved, &steps);
        self.select_attention([output, lse]);
        self.tape.drop(lse);
        output
    }

    /// `repeat_kv`: keys or values once for each query head. Of a single key head it is a view, whose gradient still has every head.
    /// Takes over the caller's `x`.
    pub(crate) fn repeat(&mut self, x: Var, what: What) -> Var {
        let storage = self.made(Module::Attention, what, self.expanded_dims(), self.tape.dtype(x));
        let gradient = self.gradient(x);
        let repeated = if self.pass.architecture.kv_heads.get() == 1 {
            let view = self.tape.view(x, &[], &[gradient]);
            self.tape.reshape(view, storage.name, storage.dims);
            view
        } else {
            self.tape.operator(storage, &[], &[gradient])
        };
        self.tape.drop(x);
        repeated
    }

    pub(crate) fn value_dims(&self) -> Dims {
        self.rows(&[self.pass.heads(), self.pass.value_dim()])
    }

    /// Keys or values, once for each query head.
    fn expanded_dims(&self) -> Dims {
        Dims::new(&[self.pass.batch(), self.pass.keys(), self.pass.heads(), self.pass.head_dim()])
    }

    pub(crate) fn query_dims(&self) -> Dims {
        self.rows(&[self.pass.heads(), self.pass.head_dim()])
    }
}
