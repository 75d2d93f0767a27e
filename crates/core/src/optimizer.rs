//! What an optimizer keeps between steps, and what `step()` allocates besides. FINDINGS section 6.
//!
//! Each rule names the code that it was read from; `n` stands for all trainable parameters.

use crate::allocator;
use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Architecture, Parameter};
use crate::rules::{CUBLAS_WORKSPACE, partial_sums};
use crate::scenario::Optimizer;
use crate::tape::Storage;
use crate::units::{Bytes, Dtype};

/// One thing that the optimizer keeps or makes, with what the allocator's rounding adds.
pub(crate) struct Held {
    pub(crate) storage: Storage,
    pub(crate) rounding: Bytes,
    /// The tensor beside each of the parameters, in their order; none where it is not one for each.
    pub(crate) each: Vec<Bytes>,
}

/// The tensors that an optimizer updates.
pub(crate) struct Updated<'a> {
    pub(crate) architecture: &'a Architecture,
    pub(crate) parameters: &'a [Parameter],
    /// Their dtype, which is that of the states too, where nothing else is said.
    pub(crate) dtype: Dtype,
}

/// bitsandbytes keeps smaller tensors in fp32 (`Optimizer2State`, `min_8bit_size`).
const SMALLEST_8BIT: u64 = 4096;
/// Elements that share a scale (`bitsandbytes.functional.optimizer_update_8bit_blockwise`).
const BLOCK_8BIT: u64 = 256;
/// Entries of a table of quantised values (`create_dynamic_map`).
const MAP_8BIT: u64 = 256;

impl Updated<'_> {
    /// What is kept from one step to the next.
    pub(crate) fn states(&self, optimizer: Optimizer) -> Vec<Held> {
        let all = |what| self.all(Category::OptimizerStates, what);
        let adam = || vec![all(What::ExpAvg), all(What::ExpAvgSq)];
        match optimizer {
            Optimizer::AdamWForeach | Optimizer::AdamWForLoop | Optimizer::NAdam | Optimizer::RAdam => adam(),
            Optimizer::AdamWFused => [adam(), vec![self.step_counters()]].concat_held(),
            Optimizer::AdamAmsgrad => [adam(), vec![all(What::MaxExpAvgSq)]].concat_held(),
            Optimizer::Adamax => vec![all(What::ExpAvg), all(What::ExpInf)],
            Optimizer::Sgd => Vec::new(),
            Optimizer::SgdMomentum | Optimizer::SgdNesterov => vec![all(What::Momentum)],
            Optimizer::RmsProp => vec![all(What::SquareAvg)],
            Optimizer::Adagrad => vec![all(What::StateSum)],
            Optimizer::Adadelta => vec![all(What::SquareAvg), all(What::AccDelta)],
            Optimizer::Lion => vec![all(What::ExpAvg)],
            Optimizer::AdafactorTorch => self.factored(self.dtype, false),
            Optimizer::AdafactorHf => self.factored(Dtype::Fp32, true),
            Optimizer::AdamW8bit => self.eight_bit(),
            Optimizer::Muon => self.muon_states(),
        }
    }

    /// What `step()` has allocated at its largest moment, beside weights, gradients and states.
    pub(crate) fn step_temporaries(&self, optimizer: Optimizer) -> Vec<Held> {
        let all = |what| self.all(Category::Temporaries, what);
        match optimizer {
            // torch._foreach_sqrt(exp_avg_sq), of all parameters at once (`_multi_tensor_adamw`, `_multi_tensor_nadam`, …).
            Optimizer::AdamWForeach
            | Optimizer::AdamAmsgrad
            | Optimizer::NAdam
            | Optimizer::RAdam
            | Optimizer::RmsProp => vec![all(What::StepDenominator)],
            // torch._foreach_abs(grads) (`_multi_tensor_adamax`); torch._foreach_add(grads, params) for weight decay
            // (`_multi_tensor_sgd`).
            Optimizer::Adamax | Optimizer::SgdNesterov => vec![all(What::StepCopy)],
            // Square root and quotient (`_multi_tensor_adagrad`), standard deviation and delta (`_multi_tensor_adadelta`).
            Optimizer::Adagrad | Optimizer::Adadelta => {
                vec![all(What::StepDenominator), all(What::StepCopy)]
            }
            // Updates in place in one kernel.
            Optimizer::AdamWFused | Optimizer::AdamW8bit | Optimizer::Sgd | Optimizer::SgdMomentum => {
                Vec::new()
            }
            // exp_avg_sq.sqrt() / correction (`_single_tensor_adamw`); exp_avg.clone() and its sum with the gradient.
            Optimizer::AdamWForLoop | Optimizer::Lion => self.largest(2, self.dtype),
            Optimizer::AdafactorTorch => self.adafactor_torch_step(),
            Optimizer::AdafactorHf => self.adafactor_hf_step(),
            Optimizer::Muon => self.muon_step(),
        }
    }

    /// A copy of every parameter.
    pub(crate) fn copy(&self, category: Category, what: What) -> Held {
        self.all(category, what)
    }

    /// One tensor for each parameter.
    fn all(&self, category: Category, what: What) -> Held {
        self.held(category, what, Symbol::Parameters, self.dtype, |_| true, Parameter::elements)
    }

    /// One tensor for some of the parameters.
    fn some(&self, category: Category, what: What, which: impl Fn(&Parameter) -> bool) -> Held {
        self.held(category, what, Symbol::Number, self.dtype, which, Parameter::elements)
    }

    fn held(
        &self,
        category: Category,
        what: What,
        symbol: Symbol,
        dtype: Dtype,
        which: impl Fn(&Parameter) -> bool,
        elements: impl Fn(&Parameter) -> u64,
    ) -> Held {
        let (mut sum, mut rounding) = (0_u64, Bytes::ZERO);
        let mut each = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters {
            let one = if which(parameter) { elements(parameter) } else { 0 };
            let copies = parameter.copies(self.architecture);
            let bytes = Bytes::new(one).times(dtype.size());
            sum = sum.saturating_add(one.saturating_mul(copies));
            rounding += allocator::rounding(bytes).times(copies);
            each.push(bytes);
        }
        let name = Name::of(Module::Optimizer, what);
        let dims = Dims::new(&[Dim::new(symbol, sum)]);
        Held { storage: Storage { name, category, dims, dtype }, rounding, each }
    }

    /// Fused AdamW counts its steps on the GPU, one fp32 number a tensor (`torch/optim/adamw.py`, `_init_group`).
    fn step_counters(&self) -> Held {
        self.held(Category::OptimizerStates, What::Steps, Symbol::Number, Dtype::Fp32, |_| true, |_| 1)
    }

    /// Row and column means of squared gradients for matrices, all of them for vectors (`torch/optim/_adafactor.py`;
    /// `transformers.optimization.Adafactor`, which also keeps one number a tensor, `RMS`).
    fn factored(&self, dtype: Dtype, keeps_rms: bool) -> Vec<Held> {
        let state = |what, which: fn(&Parameter) -> bool, elements: fn(&Parameter) -> u64| {
            self.held(Category::OptimizerStates, what, Symbol::Number, dtype, which, elements)
        };
        let mut states = vec![
            state(What::RowVariance, is_matrix, rows),
            state(What::ColumnVariance, is_matrix, columns),
            state(What::ExpAvgSq, |p| !is_matrix(p), Parameter::elements),
        ];
        if keeps_rms {
            states.push(state(What::Steps, |_| true, |_| 1));
        }
        states
    }

    fn eight_bit(&self) -> Vec<Held> {
        let is_large = |p: &Parameter| p.elements() >= SMALLEST_8BIT;
        let is_small = |p: &Parameter| p.elements() < SMALLEST_8BIT;
        let state = |what, dtype, which: &dyn Fn(&Parameter) -> bool, elements: fn(&Parameter) -> u64| {
            self.held(Category::OptimizerStates, what, Symbol::Number, dtype, which, elements)
        };
        let scales = |p: &Parameter| p.elements().div_ceil(BLOCK_8BIT);
        let maps = Storage {
            name: Name::of(Module::Optimizer, What::QuantileMap),
            category: Category::OptimizerStates,
            dims: Dims::new(&[Dim::number(2), Dim::number(MAP_8BIT)]),
            dtype: Dtype::Fp32,
        };
        vec![
            state(What::ExpAvg8bit, Dtype::Uint8, &is_large, Parameter::elements),
            state(What::ExpAvgSq8bit, Dtype::Uint8, &is_large, Parameter::elements),
            state(What::BlockScales, Dtype::Fp32, &is_large, scales),
            state(What::BlockScales, Dtype::Fp32, &is_large, scales),
            state(What::ExpAvg, Dtype::Fp32, &is_small, Parameter::elements),
            state(What::ExpAvgSq, Dtype::Fp32, &is_small, Parameter::elements),
            Held { storage: maps, rounding: Bytes::ZERO, each: Vec::new() },
        ]
    }

    /// Momentum for the layers' matrices (`torch/optim/_muon.py`), AdamW's moments for the rest.
    fn muon_states(&self) -> Vec<Held> {
        let state = |what, which: fn(&Parameter) -> bool| self.some(Category::OptimizerStates, what, which);
        vec![
            state(What::Momentum, is_muon),
            state(What::ExpAvg, |p| !is_muon(p)),
            state(What::ExpAvgSq, |p| !is_muon(p)),
        ]
    }

    /// Copies of the largest parameter, in a loop that goes over one parameter after another.
    fn largest(&self, copies: u64, dtype: Dtype) -> Vec<Held> {
        let elements = self.parameters.iter().map(Parameter::elements).max().unwrap_or_default();
        let dims = Dims::new(&[Dim::number(copies), Dim::number(elements)]);
        let name = Name::of(Module::Optimizer, What::StepLargest);
        let storage = Storage { name, category: Category::Temporaries, dims, dtype };
        let rounding = allocator::rounding(Bytes::new(elements).times(dtype.size())).times(copies);
        vec![Held { storage, rounding, each: Vec::new() }]
    }

    /// `row_var @ col_var` with cuBLAS's workspace, or before it the partial sums of a column's norm (`_single_tensor_adafactor`).
    fn adafactor_torch_step(&self) -> Vec<Held> {
        let mut product = self.largest(1, self.dtype);
        product.push(workspace(CUBLAS_WORKSPACE));
        let sums = self.parameters.iter().map(column_sums).max().unwrap_or_default();
        larger(product, vec![workspace(sums)])
    }

    /// The update and its square, in fp32; with 16-bit parameters also fp32 copies of gradient and parameter
    /// (`transformers.optimization.Adafactor.step`). While columns are averaged, one of them isn't there yet, but partial sums are.
    fn adafactor_hf_step(&self) -> Vec<Held> {
        let copies = if self.dtype == Dtype::Fp32 { 2 } else { 4 };
        let mut averaging = self.largest(copies - 1, Dtype::Fp32);
        let largest = self.parameters.iter().max_by_key(|parameter| parameter.elements());
        averaging.push(workspace(largest.map(column_sums).unwrap_or_default()));
        larger(self.largest(copies, Dtype::Fp32), averaging)
    }

    /// AdamW's copies, or the orthogonalisation of one matrix: the update, the matrix before and after a product, both in bf16, two
    /// square ones and cuBLAS's workspace (`torch/optim/_muon.py`, `_zeropower_via_newtonschulz`).
    fn muon_step(&self) -> Vec<Held> {
        let of_adamw = self.some(Category::Temporaries, What::StepDenominator, |p| !is_muon(p));
        let largest = self.parameters.iter().filter(|p| is_muon(p)).max_by_key(|p| p.elements());
        let Some((rows, columns)) = largest.and_then(|parameter| parameter.matrix) else {
            return vec![of_adamw];
        };
        let side = rows.min(columns);
        let copy = |copies: u64, elements: u64, dtype: Dtype| {
            let dims = Dims::new(&[Dim::number(copies), Dim::number(elements)]);
            let name = Name::of(Module::Optimizer, What::StepLargest);
            let storage = Storage { name, category: Category::Temporaries, dims, dtype };
            let rounding = allocator::rounding(Bytes::new(elements).times(dtype.size())).times(copies);
            Held { storage, rounding, each: Vec::new() }
        };
        let elements = rows.saturating_mul(columns);
        let orthogonalising = vec![
            copy(1, elements, self.dtype),
            copy(2, elements, Dtype::Bf16),
            copy(2, side.saturating_mul(side), Dtype::Bf16),
            workspace(CUBLAS_WORKSPACE),
        ];
        larger(vec![of_adamw], orthogonalising)
    }
}

/// Memory that a kernel needs while it runs.
fn workspace(size: Bytes) -> Held {
    let storage = Storage {
        name: Name::of(Module::Cublas, What::Workspace),
        category: Category::Temporaries,
        dims: Dims::new(&[Dim::number(size.get())]),
        dtype: Dtype::Uint8,
    };
    Held { storage, rounding: Bytes::ZERO, each: Vec::new() }
}

/// What is there at the larger one of two moments.
fn larger(one: Vec<Held>, other: Vec<Held>) -> Vec<Held> {
    let bytes = |held: &[Held]| held.iter().map(|held| held.storage.bytes()).sum::<Bytes>();
    if bytes(&one) >= bytes(&other) { one } else { other }
}

/// Partial sums of a reduction over the rows of a parameter, or of each of its matrices.
fn column_sums(parameter: &Parameter) -> Bytes {
    let Some((rows, columns)) = parameter.matrix else {
        return Bytes::ZERO;
    };
    let matrices = if parameter.is_stacked() {
        parameter.dims.as_slice().first().map_or(1, |count| count.value.max(1))
    } else {
        1
    };
    partial_sums(rows / matrices, columns / matrices, matrices)
}

fn is_matrix(parameter: &Parameter) -> bool {
    parameter.matrix.is_some()
}

fn rows(parameter: &Parameter) -> u64 {
    parameter.matrix.map_or(0, |(rows, _)| rows)
}

fn columns(parameter: &Parameter) -> u64 {
    parameter.matrix.map_or(0, |(_, columns)| columns)
}

/// Muon takes matrices of two dimensions; embeddings, head, norms, biases and experts stay with AdamW (`torch.optim.Muon`, notes).
fn is_muon(parameter: &Parameter) -> bool {
    is_matrix(parameter) && !parameter.is_stacked() && !parameter.is_of_vocabulary()
}

trait Concat {
    fn concat_held(self) -> Vec<Held>;
}

impl<const N: usize> Concat for [Vec<Held>; N] {
    fn concat_held(self) -> Vec<Held> {
        self.into_iter().flatten().collect()
    }
}
