//! `mamba_selective_scan` without its kernel: for all tokens at once what each adds to the state of each channel and what is left of the
//! state before it, then the state from token to token. Each of the first has a state for every token, in fp32.

use super::tensors::OfChunk;
use crate::ledger::{Dim, Dims, Module, What};
use crate::model::Recurrent;
use crate::rules::Writer;
use crate::tape::{Step, Var};
use crate::units::Dtype;

/// What the scan reads: with a row for each channel, but for B and C.
#[derive(Clone, Copy)]
pub(super) struct SelectiveInputs {
    pub(super) hidden: Var,
    /// The length of a step, before its bias and softplus.
    pub(super) step: Var,
    /// An fp32 copy of the bias of that, where it is one.
    pub(super) bias: Option<Var>,
    /// `-exp(A_log)`.
    pub(super) decay: Var,
    /// B, with which a token is read.
    pub(super) keys: Var,
    /// C, with which the state is read.
    pub(super) queries: Var,
    pub(super) gate: Var,
}

/// The tensors of a scan.
#[derive(Clone, Copy)]
struct Sizes {
    /// A number for each channel and token.
    per_token: Dims,
    /// A state for each token.
    states: Dims,
    /// One state.
    state: Dims,
    /// What is read of it.
    read: Dims,
    /// B or C of one token.
    selected: Dims,
}

impl Sizes {
    fn of(writer: &Writer<'_>, layer: &Recurrent) -> Self {
        let (inner, state) = (Dim::number(layer.values()), Dim::number(layer.key_dim.get()));
        let batch = writer.pass.batch();
        Self {
            per_token: writer.rows(&[inner]),
            states: writer.rows(&[inner, state]),
            state: Dims::new(&[batch, inner, state]),
            read: Dims::new(&[batch, inner]),
            selected: Dims::new(&[batch, state]),
        }
    }
}

impl Writer<'_> {
    /// What is read of all states, times the gate. The caller still holds the inputs.
    pub(super) fn selective_scan(&mut self, inputs: &SelectiveInputs, layer: &Recurrent) -> Var {
        let sizes = Sizes::of(self, layer);
        let skip = self.skip_weight(layer);
        let step = self.positive_step(inputs, layer);
        let exponent = self.broadcast_product(inputs.decay, step, What::Decay, sizes.states);
        let decay = self.then(exponent, |w, x| w.keeping_output(x, What::Decay));
        let keys = self.scan_cast(inputs.keys, What::Key, Dtype::Fp32);
        let weights = self.broadcast_product(step, keys, What::Weighted, sizes.states);
        self.tape.drop(keys);
        let hidden = self.scan_cast(inputs.hidden, What::Value, Dtype::Fp32);
        let added = self.broadcast_product(weights, hidden, What::Input, sizes.states);
        self.tape.drop(hidden);
        let given = self.tape.dtype(inputs.hidden);
        let (read, names) = self.token_by_token([decay, added, inputs.queries], given, &sizes, layer);
        let read = self.with_skip(read, inputs.hidden, skip, layer, &sizes);
        let gate = self.map(inputs.gate, Module::Scan, What::Step, &[inputs.gate]);
        let gated = self.broadcast_product(read, gate, What::Output, sizes.per_token);
        let names = names.into_iter().chain([gate, read, added, weights, decay, step]).chain(skip);
        for var in names {
            self.tape.drop(var);
        }
        gated
    }

    /// `softplus(step + bias)`. Autocast's softplus is fp32.
    fn positive_step(&mut self, inputs: &SelectiveInputs, layer: &Recurrent) -> Var {
        let of = self.tape.storage(inputs.step);
        let inner = [Dim::number(layer.values())];
        let width = Dims::new(&inner);
        let gradient = match inputs.bias {
            Some(bias) => self.gradient(bias),
            None => self.parameter_gradient(Module::StepProj, What::Bias, &inner),
        };
        let narrow = (of.dtype != Dtype::Fp32)
            .then(|| self.tape.operator(self.scanned(What::Step, width, of.dtype), &[], &[gradient]));
        let of_bias = narrow.map_or(gradient, |narrow| self.gradient(narrow));
        let sum = self.scanned(What::Step, of.dims, of.dtype);
        let sum = self.tape.operator(sum, &[], &[Step::Pass(inputs.step), of_bias]);
        if let Some(narrow) = narrow {
            self.tape.drop(narrow);
        }
        let dtype = if self.pass.autocast.is_some() { Dtype::Fp32 } else { of.dtype };
        let wide = self.then(sum, |w, x| w.scan_cast(x, What::Step, dtype));
        let positive = self.map(wide, Module::Scan, What::Step, &[wide]);
        self.tape.drop(wide);
        positive
    }

    /// `D.float()`, where that is a copy.
    fn skip_weight(&mut self, layer: &Recurrent) -> Option<Var> {
        let inner = [Dim::number(layer.values())];
        (self.pass.weight != Dtype::Fp32).then(|| {
            let gradient = self.parameter_gradient(Module::Skip, What::Weight, &inner);
            self.tape.operator(self.scanned(What::Weighted, Dims::new(&inner), Dtype::Fp32), &[], &[gradient])
        })
    }

    /// `read + hidden * D[None, :, None]`, in fp32. Takes over `read`.
    fn with_skip(
        &mut self,
        read: Var,
        hidden: Var,
        skip: Option<Var>,
        layer: &Recurrent,
        sizes: &Sizes,
    ) -> Var {
        let whole = self.temporary(Module::Skip, What::Weighted, sizes.per_token, Dtype::Fp32);
        let of_skip = match skip {
            Some(skip) => self.gradient(skip),
            None => self.parameter_gradient(Module::Skip, What::Weight, &[Dim::number(layer.values())]),
        };
        let mut steps = self.promoted_gradient(hidden, Dtype::Fp32);
        steps.extend([Step::Raw(whole), of_skip]);
        let product = self.made(Module::Skip, What::Weighted, sizes.per_token, Dtype::Fp32);
        let is_trained = self.trains(Module::Skip, What::Weight);
        let saved: Vec<Var> = is_trained.then_some(hidden).into_iter().chain(skip).collect();
        let product = self.tape.operator(product, &saved, &steps);
        let sum = self.broadcast_sum(read, product, What::Output, sizes.per_token);
        self.tape.drop(product);
        self.tape.drop(read);
        sum
    }

    /// The loop. Of many tokens those between the ends keep as much as one of them, so many times over. Returns what is read of all tokens and
    /// what has a name until the scan returns.
    fn token_by_token(
        &mut self,
        [decay, added, queries]: [Var; 3],
        given: Dtype,
        sizes: &Sizes,
        layer: &Recurrent,
    ) -> (Var, Vec<Var>) {
        let first = self.tape.constant(self.scanned(What::ChunkState, sizes.state, given));
        let mut state = first;
        let (mut read, mut names) = (Vec::new(), Vec::new());
        for count in super::Shape::of(self, layer).passes() {
            let others = self.others(state, count);
            let before = OfChunk { one: state, others };
            let left = self.slice_of(decay, What::Decay, sizes.state);
            let decayed = self.product_of_chunk(OfChunk::of(left), before, What::ChunkState, sizes.state);
            self.tape.drop(left);
            let new = self.slice_of(added, What::Input, sizes.state);
            state = self.broadcast_sum(decayed, new, What::ChunkState, sizes.state);
            for var in [new, decayed] {
                self.tape.drop(var);
            }
            let narrow = self.state_to_read(state, before, given, count);
            self.drop_chunk(before);
            let query = self.slice_of(queries, What::Query, sizes.selected);
            let output = self.vectors_of_chunk(narrow, OfChunk::of(query), What::Output, sizes.read, count);
            self.tape.drop(query);
            self.drop_chunk(narrow);
            let of = self.tape.storage(output);
            read.push(self.then(output, |w, x| w.slice_of(x, What::Output, sizes.read)));
            if let Some(more) = count.checked_sub(1).filter(|&more| more > 0) {
                // A list has them until all are there.
                let others = crate::tape::Storage { dims: of.dims.times(Dim::number(more)), ..of };
                names.push(self.tape.constant(others));
            }
        }
        let steps: Vec<Step> = read.iter().map(|&var| Step::Pass(var)).collect();
        let dtype = self.pass.compute();
        let stacked = self.tape.operator(self.scanned(What::Output, sizes.per_token, dtype), &[], &steps);
        names.extend(read);
        names.push(state);
        (stacked, names)
    }

    /// The state in the dtype in which it is read; where that is its own, the next token keeps it too.
    fn state_to_read(&mut self, state: Var, before: OfChunk, given: Dtype, count: u64) -> OfChunk {
        let one = self.scan_cast(state, What::ChunkState, given);
        let others = if self.tape.dtype(state) == given {
            before.others.map(|others| self.tape.view(others, &[], &[]))
        } else {
            self.others(one, count)
        };
        OfChunk { one, others }
    }
}
