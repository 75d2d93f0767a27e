//! Rotary position embedding that is not written with `rotate_half`: halves that are concatenated, and complex numbers.

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use super::norm::Norm;
use crate::ledger::{Dim, Dims, Module, Name, What};
use crate::model::{Mixer, QkNorm, RopeKind};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// `cat(first * cos - second * sin, second * cos + first * sin)` (`modeling_gpt_oss.py`, whose halves `chunk` makes;
    /// `apply_rotary_pos_emb_interleave` of `modeling_deepseek_v3.py`, which slices even and odd dimensions). Takes over the caller's `x`.
    pub(super) fn rope_by_halves(&mut self, x: Var, what: What) -> Var {
        let input = self.tape.storage(x);
        let dtype = promoted(input.dtype, self.pass.weight);
        let half = self.half_of(x, dtype);
        let (first, second) = self.halves(x);
        let (cosine, sine) = (self.times_table(first, half), self.times_table(second, half));
        let negative = self.gradient(sine);
        let difference = self.tape.operator(
            Storage { name: Name::of(Module::Rope, What::Rotated), ..half },
            &[],
            &[Step::Pass(cosine), negative],
        );
        for var in [cosine, sine] {
            self.tape.drop(var);
        }
        let (cosine, sine) = (self.times_table(second, half), self.times_table(first, half));
        let sum = self.sum(cosine, sine, Module::Rope, What::Rotated);
        for var in [cosine, sine] {
            self.tape.drop(var);
        }
        let output = self.made(Module::Rope, what, input.dims, dtype);
        let output = self.tape.operator(output, &[], &[Step::Pass(difference), Step::Pass(sum)]);
        for var in [difference, sum, first, second, x] {
            self.tape.drop(var);
        }
        output
    }

    /// A tensor of half a head's dimensions.
    fn half_of(&self, x: Var, dtype: Dtype) -> Storage {
        let dims = self.tape.storage(x).dims.product() / 2;
        self.made(Module::Rope, What::TimesCos, Dims::new(&[Dim::number(dims)]), dtype)
    }

    /// Two halves, which are views: each slice's backward fills a whole tensor with zeros; `chunk`'s concatenates once.
    fn halves(&mut self, x: Var) -> (Var, Var) {
        let dims = self.half_of(x, self.tape.dtype(x)).dims;
        let name = Name::of(Module::Rope, What::Rotated);
        let gradient = self.gradient(x);
        let is_chunk = self.pass.architecture.family.rope() == RopeKind::Concatenated;
        let (first, second) = if is_chunk {
            let split = self.tape.view(x, &[], &[gradient]);
            let first = self.tape.view(split, &[], &[Step::Pass(split)]);
            let second = self.tape.view(split, &[], &[Step::Join(split)]);
            self.tape.drop(split);
            (first, second)
        } else {
            (self.tape.view(x, &[], &[gradient]), self.tape.view(x, &[], &[gradient]))
        };
        for half in [first, second] {
            self.tape.reshape(half, name, dims);
        }
        (first, second)
    }

    /// A half times cosines or sines.
    fn times_table(&mut self, half: Var, output: Storage) -> Var {
        let steps = self.promoted_gradient(half, output.dtype);
        self.tape.operator(output, &[], &steps)
    }

    /// `apply_rotary_emb` of `modeling_llama4.py`: fp32 copies of both, seen as complex numbers, times the frequencies, back to the dtype
    /// that was given. Takes over the caller's heads.
    pub(super) fn complex_heads(&mut self, heads: Heads) -> Heads {
        let given = [heads.query, heads.key];
        let wide = given.map(|x| self.cast(x, Module::Rope, What::Fp32Copy, Dtype::Fp32));
        let products = wide.map(|x| {
            let storage = self.made(Module::Rope, What::Rotated, self.tape.storage(x).dims, Dtype::Fp32);
            let gradient = self.gradient(x);
            self.tape.operator(storage, &[], &[gradient])
        });
        let mut whats = [What::Query, What::Key].into_iter();
        let turned = products.map(|product| {
            let what = whats.next().unwrap_or(What::Key);
            let dtype = self.tape.dtype(given[usize::from(what == What::Key)]);
            self.cast(product, Module::Rope, what, dtype)
        });
        for var in products.into_iter().chain(wide).chain(given) {
            self.tape.drop(var);
        }
        let [query, key] = turned;
        Heads { query, key, ..heads }
    }

    /// What is done to queries and keys behind RoPE: norms, and numbers by which queries are multiplied. Takes over the caller's heads.
    pub(super) fn behind_rope(&mut self, heads: Heads, mixer: Mixer) -> Heads {
        let a = &self.pass.architecture;
        let has_positions = mixer != Mixer::FullNoPositions;
        let mut heads = heads;
        if a.qk_norm() == QkNorm::HeadsAfterRope || a.qk_norm() == QkNorm::WithoutWeights && has_positions {
            heads.query = self.norm_of_heads(heads.query, Module::QNorm, self.pass.heads());
            heads.key = self.norm_of_heads(heads.key, Module::KNorm, self.pass.kv_heads());
        }
        if self.pass.architecture.family.scales_queries() {
            heads.query = self.multiplied(heads.query, Module::Attention);
        } else if self.pass.architecture.family.rope() == RopeKind::Complex && !has_positions {
            heads.query = self.tempered(heads.query);
        }
        heads
    }

    /// A norm over each head. Takes over the caller's `x`.
    fn norm_of_heads(&mut self, x: Var, module: Module, heads: Dim) -> Var {
        let rows = [self.pass.batch(), self.pass.sequence(), heads];
        let norm = Norm { module, rows: &rows, width: self.pass.head_dim() };
        let has_weights = self.pass.architecture.qk_norm() != QkNorm::WithoutWeights;
        let normed = if has_weights { self.norm(x, &norm) } else { self.norm_without_weight(x, &norm) };
        self.tape.drop(x);
        normed
    }

    /// `(query * scales).to(query.dtype)` with fp32 scales, of layers without positions (`attn_temperature_tuning`). Takes over the
    /// caller's `query`.
    fn tempered(&mut self, query: Var) -> Var {
        let dtype = self.tape.dtype(query);
        let storage = self.made(Module::Attention, What::Scaled, self.tape.storage(query).dims, Dtype::Fp32);
        let steps = self.promoted_gradient(query, Dtype::Fp32);
        let scaled = self.tape.operator(storage, &[], &steps);
        let back = self.cast(scaled, Module::Attention, What::Query, dtype);
        self.tape.drop(scaled);
        self.tape.drop(query);
        back
    }
}
