//! Multi-head latent attention: `DeepseekV2Attention`, `DeepseekV3Attention` (transformers).

use super::Writer;
use super::attention::Heads;
use super::elementwise::promoted;
use super::linear::Linear;
use super::norm::Norm;
use crate::ledger::{Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Latent, RopeKind};
use crate::tape::{Step, Storage, Var};
use crate::units::Dtype;

impl Writer<'_> {
    /// Queries, keys and values of `x`, which the caller still holds.
    pub(crate) fn latent_heads(&mut self, x: Var, latent: &Latent) -> Heads {
        let whole = self.latent_query(x, latent);
        let steps = [self.gradient(whole)];
        let split = self.tape.view(whole, &[], &steps);
        let plain = self.part(
            split,
            Module::QProj,
            self.of_heads(self.pass.architecture.plain_dim()),
            &[Step::Pass(split)],
        );
        let rotated = self.part(
            split,
            Module::QProj,
            self.of_heads(self.pass.rotary_dim().value),
            &[Step::Join(split)],
        );
        self.tape.drop(split);
        let (compressed, shared_key) = self.compressed(x, latent);
        let rows = self.pass.tokens();
        let width = Dim::new(Symbol::LatentRank, latent.rank.get());
        let normed = self.norm(compressed, &Norm { module: Module::KvANorm, rows: &rows, width });
        let (rotated_query, rotated_key) = self.latent_rope(rotated, shared_key);
        // `cat` takes the wider dtype of the two.
        let dtype = promoted(self.tape.dtype(plain), self.tape.dtype(rotated_query));
        let output = self.made(Module::Attention, What::Query, self.query_dims(), dtype);
        let steps = [self.hand_on(plain, dtype), self.hand_on(rotated_query, dtype)];
        let query = self.tape.operator(output, &[], &steps);
        let (mut normed, mut rotated_key) = (normed, rotated_key);
        if self.pass.fills_cache {
            // The cache takes the latent and the shared part of the keys, before they are expanded.
            [normed, rotated_key] = [normed, rotated_key].map(|narrow| {
                let copy = self.contiguous(narrow, Module::KvAProj, What::Contiguous);
                self.tape.drop(narrow);
                self.hold_in_cache(copy);
                copy
            });
        }
        let (key, value) = self.expanded(normed, rotated_key, latent);
        for var in [whole, plain, rotated, compressed, shared_key, normed, rotated_query, rotated_key] {
            self.tape.drop(var);
        }
        Heads { query, key, value }
    }

    fn of_heads(&self, width: u64) -> Dims {
        self.rows(&[self.pass.heads(), Dim::number(width)])
    }

    /// A slice of a tensor: a view with a shape of its own.
    fn part(&mut self, of: Var, module: Module, dims: Dims, steps: &[Step]) -> Var {
        let view = self.tape.view(of, &[], steps);
        self.tape.reshape(view, Name::of(module, What::Output), dims);
        view
    }

    fn latent_query(&mut self, x: Var, latent: &Latent) -> Var {
        let output = [self.pass.heads(), self.pass.head_dim()];
        let linear =
            |module, input| Linear { module, weight_of: module, input, output: &output, has_bias: false };
        let hidden = [self.pass.hidden()];
        let Some(rank) = latent.query_rank else {
            return self.linear(x, &linear(Module::QProj, &hidden));
        };
        let rank = [Dim::new(Symbol::QueryRank, rank.get())];
        let narrow = self.linear(
            x,
            &Linear {
                module: Module::QAProj,
                weight_of: Module::QAProj,
                input: &hidden,
                output: &rank,
                has_bias: self.pass.architecture.qkv_bias,
            },
        );
        let rows = self.pass.tokens();
        let normed = self.norm(narrow, &Norm { module: Module::QANorm, rows: &rows, width: rank[0] });
        self.tape.drop(narrow);
        let query = self.linear(normed, &linear(Module::QBProj, &rank));
        self.tape.drop(normed);
        query
    }

    /// What keys and values are made of, and the rotated part of the keys, which all heads share: two views of one tensor.
    fn compressed(&mut self, x: Var, latent: &Latent) -> (Var, Var) {
        let both = [Dim::number(latent.rank.get().saturating_add(self.pass.rotary_dim().value))];
        let hidden = [self.pass.hidden()];
        let linear = Linear {
            module: Module::KvAProj,
            weight_of: Module::KvAProj,
            input: &hidden,
            output: &both,
            has_bias: self.pass.architecture.qkv_bias,
        };
        let both = self.linear(x, &linear);
        let steps = [self.gradient(both)];
        let split = self.tape.view(both, &[], &steps);
        let rank = self.rows(&[Dim::new(Symbol::LatentRank, latent.rank.get())]);
        let rotary = self.rows(&[self.pass.rotary_dim()]);
        let compressed = self.part(split, Module::KvAProj, rank, &[Step::Pass(split)]);
        let shared_key = self.part(split, Module::KvAProj, rotary, &[Step::Join(split)]);
        self.tape.drop(split);
        self.tape.drop(both);
        (compressed, shared_key)
    }

    /// The rotated parts, with positions. The caller still holds what is given.
    fn latent_rope(&mut self, query: Var, key: Var) -> (Var, Var) {
        if self.pass.architecture.family.rope() == RopeKind::Complex {
            return self.complex_rope(query, key);
        }
        let [query, key] = [query, key].map(|x| self.tape.view(x, &[], &[Step::Pass(x)]));
        (self.rope_by_halves(query, What::Query), self.rope_by_halves(key, What::Key))
    }

    /// `apply_rotary_emb`: fp32 copies, seen as complex numbers, times the frequencies, back to the dtype that was given.
    fn complex_rope(&mut self, query: Var, key: Var) -> (Var, Var) {
        let wide = [query, key].map(|x| self.cast(x, Module::Rope, What::Fp32Copy, Dtype::Fp32));
        let mut turn = |wide: Var, given: Var, what: What| {
            let storage = self.tape.storage(wide);
            let product = self.made(Module::Rope, What::Rotated, storage.dims, Dtype::Fp32);
            let gradient = self.gradient(wide);
            let product = self.tape.operator(product, &[], &[gradient]);
            let dtype = self.tape.dtype(given);
            let back = self.cast(product, Module::Rope, what, dtype);
            self.tape.drop(product);
            back
        };
        let turned = (turn(wide[0], query, What::Query), turn(wide[1], key, What::Key));
        for var in wide {
            self.tape.drop(var);
        }
        turned
    }

    /// `expand_kv`: one projection makes the plain part of all keys and the values; a tensor for the keys is filled slice by slice,
    /// which autograd undoes with a copy of the whole gradient each (`CopySlices`).
    fn expanded(&mut self, latent_state: Var, shared_key: Var, latent: &Latent) -> (Var, Var) {
        let rank = [Dim::new(Symbol::LatentRank, latent.rank.get())];
        let both = [
            self.pass.heads(),
            Dim::number(self.pass.architecture.plain_dim().saturating_add(latent.value.get())),
        ];
        let linear = Linear {
            module: Module::KvBProj,
            weight_of: Module::KvBProj,
            input: &rank,
            output: &both,
            has_bias: false,
        };
        let both = self.linear(latent_state, &linear);
        let steps = [self.gradient(both)];
        let split = self.tape.view(both, &[], &steps);
        let plain = self.part(
            split,
            Module::KvBProj,
            self.of_heads(self.pass.architecture.plain_dim()),
            &[Step::Pass(split)],
        );
        let value = self.part(split, Module::VProj, self.value_dims(), &[Step::Join(split)]);
        self.tape.drop(split);
        let storage = self.made(Module::Attention, What::Key, self.query_dims(), self.tape.dtype(both));
        let empty = self.tape.constant(storage);
        let key = self.filled(empty, plain, storage);
        // The shared part is expanded to all heads; its gradient is summed.
        let gradient = self.gradient(shared_key);
        let expanded = self.tape.view(shared_key, &[], &[gradient]);
        let dims = self.of_heads(self.pass.rotary_dim().value);
        self.tape.reshape(expanded, Name::of(Module::Rope, What::Key), dims);
        let filled = self.filled(key, expanded, storage);
        for var in [expanded, key, empty, plain, both] {
            self.tape.drop(var);
        }
        (filled, value)
    }

    /// `whole[…] = part`, in place (`torch/csrc/autograd/functions/tensor.cpp`, `CopySlices::apply_impl`, `CopyBackwards`).
    fn filled(&mut self, whole: Var, part: Var, storage: Storage) -> Var {
        let copy = Storage { name: Name::gradient_of(Module::Attention, What::Key), ..storage };
        let mut steps = Vec::new();
        if self.tape.requires_grad(whole) {
            steps.push(Step::Gradient(whole, copy));
        } else {
            steps.push(Step::Temporary(copy));
        }
        steps.push(self.gradient(part));
        self.tape.view(whole, &[], &steps)
    }
}
