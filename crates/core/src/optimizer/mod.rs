//! What an optimizer keeps between steps, and what `step()` allocates besides. FINDINGS section 6.
//!
//! [`rule`] has one line for each optimizer; the files beside it have what libraries do, a file a kind. `n` stands for all trainable
//! parameters. A loop in Python over the parameters holds what it made for the one before until it makes that for the next one.

mod bitsandbytes;
mod custom;
mod factored;
mod fused;
mod low_rank;
mod orthogonal;
mod others;
mod torch;
mod torchao;

use crate::allocator;
use crate::ledger::{Category, Dim, Dims, Module, Name, Symbol, What};
use crate::model::{Architecture, Parameter};
use crate::rules::partial_sums;
use crate::scenario::{Optimizer, OptimizerSettings};
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
    pub(crate) settings: &'a OptimizerSettings,
}

/// What one optimizer does.
struct Rule {
    /// What is kept from one step to the next.
    states: fn(&Updated<'_>) -> Vec<Held>,
    /// What `step()` has allocated at its largest moment, beside weights, gradients and states.
    step: fn(&Updated<'_>) -> Vec<Held>,
    /// States in unified memory, which PyTorch's allocator knows nothing of.
    paged: fn(&Updated<'_>) -> Bytes,
}

impl Rule {
    const fn new(states: fn(&Updated<'_>) -> Vec<Held>, step: fn(&Updated<'_>) -> Vec<Held>) -> Self {
        Self { states, step, paged: |_| Bytes::ZERO }
    }

    const fn paged(self, paged: fn(&Updated<'_>) -> Bytes) -> Self {
        Self { paged, ..self }
    }
}

const fn nothing(_: &Updated<'_>) -> Vec<Held> {
    Vec::new()
}

fn rule(optimizer: Optimizer) -> Rule {
    use Optimizer as O;
    use bitsandbytes as bnb;
    match optimizer {
        O::AdamWForeach | O::NAdam | O::RAdam => Rule::new(torch::adam, torch::denominator),
        O::AdamWFused => Rule::new(torch::adam_counted, nothing),
        O::AdamWForLoop => Rule::new(torch::adam, torch::denominator_in_a_loop),
        O::AdamWCapturable => Rule::new(torch::adam_counted, torch::denominator_and_corrections),
        O::AdamAmsgrad => Rule::new(torch::amsgrad, torch::denominator),
        O::AmsgradFused => Rule::new(torch::amsgrad_counted, nothing),
        O::AmsgradForLoop => Rule::new(torch::amsgrad, torch::denominator_in_a_loop),
        O::Sgd => Rule::new(nothing, nothing),
        O::SgdMomentum => Rule::new(torch::momentum, nothing),
        O::SgdNesterov => Rule::new(torch::momentum, torch::copy),
        O::Muon => Rule::new(orthogonal::muon_states, orthogonal::muon_step),
        O::AdafactorTorch => Rule::new(factored::adafactor_torch, factored::adafactor_torch_step),
        O::Adamax => Rule::new(torch::adamax, torch::copy),
        O::RmsProp => Rule::new(torch::rmsprop, torch::denominator),
        O::RmsPropCentered => Rule::new(torch::rmsprop_centered, torch::denominator),
        O::Adagrad => Rule::new(torch::adagrad, torch::denominator_and_copy),
        O::Adadelta => Rule::new(torch::adadelta, torch::denominator_and_copy),
        O::Asgd => Rule::new(torch::asgd, torch::copy),
        O::Rprop => Rule::new(torch::rprop, torch::rprop_step),
        O::Lbfgs => Rule::new(torch::lbfgs, nothing),
        O::AdamW8bit => Rule::new(|u| bnb::ADAM_8BIT.states(u), nothing),
        O::PagedAdamW8bit => {
            Rule::new(|u| bnb::ADAM_8BIT.paged().states(u), nothing).paged(|u| bnb::ADAM_8BIT.in_pages(u))
        }
        O::AdamW32bit => Rule::new(|u| bnb::ADAM_32BIT.states(u), nothing),
        O::PagedAdamW32bit => {
            Rule::new(|u| bnb::ADAM_32BIT.paged().states(u), nothing).paged(|u| bnb::ADAM_32BIT.in_pages(u))
        }
        O::Lion8bit | O::Sgd8bit => Rule::new(|u| bnb::LION_8BIT.states(u), nothing),
        O::PagedLion8bit => {
            Rule::new(|u| bnb::LION_8BIT.paged().states(u), nothing).paged(|u| bnb::LION_8BIT.in_pages(u))
        }
        O::Lion32bit | O::Sgd32bit => Rule::new(|u| bnb::LION_32BIT.states(u), nothing),
        O::PagedLion32bit => {
            Rule::new(|u| bnb::LION_32BIT.paged().states(u), nothing).paged(|u| bnb::LION_32BIT.in_pages(u))
        }
        O::AdEmaMix8bit => Rule::new(|u| bnb::ADEMAMIX_8BIT.states(u), nothing),
        O::PagedAdEmaMix8bit => Rule::new(|u| bnb::ADEMAMIX_8BIT.paged().states(u), nothing)
            .paged(|u| bnb::ADEMAMIX_8BIT.in_pages(u)),
        O::AdEmaMix32bit => Rule::new(|u| bnb::ADEMAMIX_32BIT.states(u), nothing),
        O::PagedAdEmaMix32bit => Rule::new(|u| bnb::ADEMAMIX_32BIT.paged().states(u), nothing)
            .paged(|u| bnb::ADEMAMIX_32BIT.in_pages(u)),
        O::RmsProp8bit | O::Adagrad8bit => Rule::new(|u| bnb::SQUARES_8BIT.states(u), nothing),
        O::RmsProp32bit | O::Adagrad32bit => Rule::new(|u| bnb::SQUARES_32BIT.states(u), nothing),
        O::Lamb32bit => Rule::new(|u| bnb::ADAM_32BIT.clipped().states(u), bnb::norm_step),
        O::Lars32bit => Rule::new(|u| bnb::LION_32BIT.clipped().states(u), bnb::norm_step),
        O::AdafactorHf => Rule::new(factored::adafactor_hf, factored::adafactor_hf_step),
        O::AoAdamW8bit => Rule::new(|u| torchao::EIGHT_BIT.states(u), torchao::eight_bit_step),
        O::AoAdamW4bit => Rule::new(|u| torchao::FOUR_BIT.states(u), torchao::four_bit_step),
        O::AoAdamWFp8 => Rule::new(|u| torchao::FP8.states(u), torchao::fp8_step),
        O::ScheduleFreeAdamW => Rule::new(others::schedule_free_adamw, torch::denominator),
        O::ScheduleFreeSgd => Rule::new(others::schedule_free_sgd, nothing),
        O::LionForeach => Rule::new(others::lion, torch::copy),
        O::Lamb => Rule::new(others::lamb, torch::denominator),
        O::Adan => Rule::new(others::adan, torch::denominator),
        O::AdEmaMix => Rule::new(others::ademamix, torch::denominator_and_copy),
        O::Shampoo => Rule::new(orthogonal::shampoo_states, orthogonal::shampoo_step),
        O::Soap => Rule::new(orthogonal::soap_states, orthogonal::soap_step),
        O::Lion => Rule::new(others::lion, others::lion_step),
        O::Sophia => Rule::new(others::sophia, others::sophia_step),
        O::AdamMini => Rule::new(factored::adam_mini, factored::adam_mini_step),
        O::Came => Rule::new(factored::came, factored::came_step),
        O::Lomo => Rule::new(nothing, fused::lomo_update),
        O::AdaLomo => Rule::new(fused::adalomo, fused::adalomo_update),
        O::BAdam => Rule::new(others::badam, others::badam_step),
        O::MeZo => Rule::new(nothing, others::mezo_step),
        O::GaLore => Rule::new(low_rank::galore, low_rank::galore_step),
        O::GaLore8bit => Rule::new(low_rank::galore_8bit, low_rank::galore_8bit_step),
        O::QGaLore => Rule::new(low_rank::q_galore, low_rank::q_galore_step),
        O::Apollo => Rule::new(low_rank::apollo, low_rank::apollo_step),
        O::ApolloMini => Rule::new(low_rank::apollo_mini, low_rank::apollo_mini_step),
        O::Custom => Rule::new(custom::states, custom::step),
    }
}

impl Updated<'_> {
    /// What is kept from one step to the next.
    pub(crate) fn states(&self, optimizer: Optimizer) -> Vec<Held> {
        (rule(optimizer).states)(self)
    }

    /// What `step()` has allocated at its largest moment, beside weights, gradients and states.
    pub(crate) fn step_temporaries(&self, optimizer: Optimizer) -> Vec<Held> {
        (rule(optimizer).step)(self)
    }

    /// States in unified memory (`cudaMallocManaged`), which the allocator's figures don't have: they stay on the host until a step
    /// asks for them.
    pub(crate) fn paged(&self, optimizer: Optimizer) -> Bytes {
        (rule(optimizer).paged)(self)
    }

    /// A copy of every parameter.
    pub(crate) fn copy(&self, category: Category, what: What) -> Held {
        self.all(category, what)
    }

    /// A state in the parameter's shape and dtype.
    fn state(&self, what: What) -> Held {
        self.all(Category::OptimizerStates, what)
    }

    /// One tensor for each parameter.
    fn all(&self, category: Category, what: What) -> Held {
        self.held(category, what, Symbol::Parameters, self.dtype, |_| true, Parameter::elements)
    }

    /// One tensor for some of the parameters.
    fn some(&self, category: Category, what: What, which: impl Fn(&Parameter) -> bool) -> Held {
        self.held(category, what, Symbol::Number, self.dtype, which, Parameter::elements)
    }

    /// A state with a number of elements of its own for each parameter; none where it is zero.
    fn state_of(&self, what: What, dtype: Dtype, elements: impl Fn(&Parameter) -> u64) -> Held {
        self.held(Category::OptimizerStates, what, Symbol::Number, dtype, |_| true, elements)
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

    /// The parameter in whose update most is made, with what its update makes.
    fn largest_update<const N: usize>(&self, parts: impl Fn(&Parameter) -> [(u64, Dtype); N]) -> Vec<Held> {
        let size = |parts: &[(u64, Dtype); N]| {
            parts.iter().map(|&(elements, dtype)| Bytes::new(elements).times(dtype.size())).sum::<Bytes>()
        };
        let largest = self.parameters.iter().map(parts).max_by_key(size);
        largest.into_iter().flatten().map(|(elements, dtype)| copies(1, elements, dtype)).collect()
    }

    /// Copies of a parameter in a loop that still holds `carried` copies of the one before.
    fn in_a_loop(&self, own: u64, carried: u64, dtype: Dtype) -> Vec<Held> {
        self.in_a_loop_with(own, carried, dtype, |_| true, |_| Bytes::ZERO)
    }

    /// The same, where only some parameters leave copies behind, and with a kernel's workspace.
    fn in_a_loop_with(
        &self,
        own: u64,
        carried: u64,
        dtype: Dtype,
        leaves: impl Fn(&Parameter) -> bool,
        kernel: impl Fn(&Parameter) -> Bytes,
    ) -> Vec<Held> {
        let bytes = |copies: u64, elements: u64| Bytes::new(elements).times(dtype.size()).times(copies);
        let mut before = 0;
        let mut most = (Bytes::ZERO, 0, 0, Bytes::ZERO);
        for parameter in self.parameters {
            let (elements, kernel) = (parameter.elements(), kernel(parameter));
            let now = bytes(own, elements) + bytes(carried, before) + kernel;
            if now > most.0 {
                most = (now, elements, before, kernel);
            }
            if leaves(parameter) {
                before = elements;
            }
        }
        let (_, elements, before, kernel) = most;
        vec![copies(own, elements, dtype), copies(carried, before, dtype), workspace(kernel)]
    }
}

/// Some tensors of as many elements each, inside `step()`.
fn copies(copies: u64, elements: u64, dtype: Dtype) -> Held {
    let dims = Dims::new(&[Dim::number(copies), Dim::number(elements)]);
    let name = Name::of(Module::Optimizer, What::StepLargest);
    let storage = Storage { name, category: Category::Temporaries, dims, dtype };
    let rounding = allocator::rounding(Bytes::new(elements).times(dtype.size())).times(copies);
    Held { storage, rounding, each: Vec::new() }
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
pub(crate) fn larger(one: Vec<Held>, other: Vec<Held>) -> Vec<Held> {
    let bytes = |held: &[Held]| held.iter().map(|held| held.storage.bytes()).sum::<Bytes>();
    if bytes(&one) >= bytes(&other) { one } else { other }
}

/// Partial sums of a reduction over the rows of a parameter, or of each of its matrices.
fn column_sums(parameter: &Parameter) -> Bytes {
    let Some((rows, columns)) = parameter.matrix else {
        return Bytes::ZERO;
    };
    let matrices = matrices(parameter);
    partial_sums(rows / matrices, columns / matrices, matrices)
}

/// How many matrices a parameter has: one for each expert where they are stacked.
fn matrices(parameter: &Parameter) -> u64 {
    if parameter.is_stacked() {
        parameter.dims.as_slice().first().map_or(1, |count| count.value.max(1))
    } else {
        1
    }
}

fn is_matrix(parameter: &Parameter) -> bool {
    parameter.matrix.is_some()
}

/// Rows of all matrices of a parameter together.
fn rows(parameter: &Parameter) -> u64 {
    parameter.matrix.map_or(0, |(rows, _)| rows)
}

/// Columns of all matrices of a parameter together.
fn columns(parameter: &Parameter) -> u64 {
    parameter.matrix.map_or(0, |(_, columns)| columns)
}

/// Elements of a norm's weight or a bias; none of a matrix.
fn of_vector(parameter: &Parameter) -> u64 {
    if is_matrix(parameter) { 0 } else { parameter.elements() }
}
