//! Quantised weights: the tensors that one of them is held in.
//!
//! bitsandbytes 0.50, `functional.py` (`quantize_4bit`, `QuantState`), `nn/modules.py` (`Int8Params`); PARALLEL section 9. GPTQ and AWQ are
//! derived, not measured: `gptqmodel/nn_modules/qlinear/__init__.py` and `awq/modules/linear/gemm.py`, the buffers of their modules.

mod kernel;

use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::model::Parameter;
use crate::scenario::{QuantisedBase, Scenario, Stack};
use crate::tape::Storage;
use crate::units::Dtype;

/// Weights that share a scale in 4 bits (`bnb_4bit_quant_storage`'s default block).
const BLOCK: u64 = 64;
/// Scales that share a scale of their own, with double quantisation.
const NESTED_BLOCK: u64 = 256;
/// Entries of the table of 4-bit values, and of the scales' 8-bit values.
const TABLE: u64 = 16;
const NESTED_TABLE: u64 = 256;

/// How the frozen linear layers of a pass are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantised {
    pub(crate) base: QuantisedBase,
    /// Whether the scales of 4-bit blocks are quantised too.
    pub(crate) is_double: bool,
    /// Rows of a group.
    group_size: u64,
    /// Dtype in which 4-bit weights are multiplied (`bnb_4bit_compute_dtype`): that of the recipe's products.
    pub(crate) compute: Dtype,
    /// Dtype that the weights had when they were quantised (`QuantState.dtype`).
    pub(crate) original: Dtype,
    /// Dtype of what is not quantised.
    rest: Dtype,
    /// Whether few tokens go through a kernel that needs no dequantised weight.
    has_fused_kernel: bool,
}

impl Quantised {
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        let quantisation = scenario.quantisation;
        let base = scenario.quantised_base();
        (base != QuantisedBase::None).then(|| Self {
            base,
            is_double: quantisation.double,
            group_size: quantisation.group_size.get(),
            compute: scenario.recipe.compute(),
            original: scenario.loaded(),
            rest: scenario.weight(),
            has_fused_kernel: scenario.stack == Stack::Current,
        })
    }

    /// Whether a module's weight is quantised: every linear layer but the projection to the vocabulary. Routers and experts are no
    /// `torch.nn.Linear`.
    pub(crate) const fn holds(module: Module) -> bool {
        matches!(
            module,
            Module::QProj
                | Module::KProj
                | Module::VProj
                | Module::QkvProj
                | Module::QAProj
                | Module::QBProj
                | Module::KvAProj
                | Module::KvBProj
                | Module::OProj
                | Module::GateProj
                | Module::UpProj
                | Module::GateUpProj
                | Module::DownProj
                | Module::SharedGateProj
                | Module::SharedUpProj
                | Module::SharedDownProj
        )
    }

    /// Whether a product of so many tokens with a weight of `output` × `input` goes through the kernel that dequantises as it multiplies.
    pub(crate) fn is_fused(&self, tokens: u64, output: u64, input: u64) -> bool {
        self.has_fused_kernel
            && input.is_multiple_of(BLOCK)
            && kernel::is_fused(self.compute, tokens, output, input)
    }

    /// Scales of a 4-bit weight of so many elements.
    pub(crate) const fn blocks(elements: u64) -> u64 {
        elements.div_ceil(BLOCK)
    }

    /// The tensors in which a parameter of the frozen model is held.
    pub(crate) fn storages(&self, parameter: &Parameter) -> Vec<Storage> {
        let module = parameter.name.module;
        match (parameter.name.what, parameter.matrix) {
            (What::Weight, Some((rows, columns))) if Self::holds(module) => self
                .pieces(rows, columns)
                .into_iter()
                .map(|(what, dims, dtype)| Storage {
                    name: Name { what, ..parameter.name },
                    category: Category::Parameters,
                    dims: Dims::new(&dims.map(Dim::number)),
                    dtype,
                })
                .collect(),
            (What::Bias, _) if Self::holds(module) => vec![whole(parameter, self.bias())],
            _ => vec![whole(parameter, self.rest)],
        }
    }

    /// Whether a parameter is held in 4 bits or 8.
    fn is_held(parameter: &Parameter) -> bool {
        parameter.name.what == What::Weight
            && parameter.matrix.is_some()
            && Self::holds(parameter.name.module)
    }

    /// What FSDP shards of a parameter: of a weight in 4 bits the bf16 elements that it is stored in (`bnb_4bit_quant_storage`), four
    /// weights in each.
    pub(crate) fn packed(parameter: &Parameter) -> Parameter {
        if !Self::is_held(parameter) {
            return *parameter;
        }
        let dims = Dims::new(&[Dim::number(parameter.elements().div_ceil(4))]);
        Parameter { dims, matrix: None, ..*parameter }
    }

    /// What a parameter has beside the weight, which every rank has whole: scales and tables are no parameters.
    pub(crate) fn scales(&self, parameter: &Parameter) -> Vec<Storage> {
        let mut storages = if Self::is_held(parameter) { self.storages(parameter) } else { Vec::new() };
        storages.retain(|storage| storage.name.what != What::Weight);
        storages
    }

    /// A bias takes the dtype of the input at the first step (`Linear4bit.forward`, `Linear8bitLt.forward`); GPTQ and AWQ have it in fp16.
    fn bias(&self) -> Dtype {
        match self.base {
            QuantisedBase::Nf4 | QuantisedBase::Fp4 => self.compute,
            QuantisedBase::Gptq | QuantisedBase::Awq => Dtype::Fp16,
            QuantisedBase::Int8 | QuantisedBase::None => self.rest,
        }
    }

    /// The tensors of a weight: what of it, two dimensions, dtype.
    fn pieces(&self, rows: u64, columns: u64) -> Vec<(What, [u64; 2], Dtype)> {
        let elements = rows.saturating_mul(columns);
        match self.base {
            QuantisedBase::None => vec![(What::Weight, [rows, columns], self.rest)],
            QuantisedBase::Nf4 | QuantisedBase::Fp4 => self.four_bit(elements),
            QuantisedBase::Int8 => vec![
                (What::Weight, [rows, columns], Dtype::Int8),
                (What::QuantScales, [rows, 1], Dtype::Fp32),
            ],
            QuantisedBase::Gptq | QuantisedBase::Awq => self.grouped(rows, columns),
        }
    }

    fn four_bit(&self, elements: u64) -> Vec<(What, [u64; 2], Dtype)> {
        let blocks = Self::blocks(elements);
        let mut pieces = vec![
            (What::Weight, [elements.div_ceil(2), 1], Dtype::Uint8),
            (What::QuantTable, [TABLE, 1], Dtype::Fp32),
        ];
        if self.is_double {
            pieces.extend([
                (What::QuantScales, [blocks, 1], Dtype::Uint8),
                (What::NestedScales, [blocks.div_ceil(NESTED_BLOCK), 1], Dtype::Fp32),
                (What::QuantTable, [NESTED_TABLE, 1], Dtype::Fp32),
                (What::QuantOffset, [1, 1], Dtype::Fp32),
            ]);
        } else {
            pieces.push((What::QuantScales, [blocks, 1], Dtype::Fp32));
        }
        pieces
    }

    /// Eight weights in an int32, and zero points and scales of groups of rows; GPTQ also notes the group of each row.
    fn grouped(&self, rows: u64, columns: u64) -> Vec<(What, [u64; 2], Dtype)> {
        let (input, output) = (columns, rows);
        let groups = input.div_ceil(self.group_size.max(1));
        let (packed, mut pieces) = (8, Vec::with_capacity(4));
        pieces.push((What::Weight, [input.saturating_mul(output).div_ceil(packed), 1], Dtype::Int32));
        pieces.push((What::ZeroPoints, [groups, output.div_ceil(packed)], Dtype::Int32));
        pieces.push((What::QuantScales, [groups, output], Dtype::Fp16));
        if self.base == QuantisedBase::Gptq {
            pieces.push((What::GroupIndex, [input, 1], Dtype::Int32));
        }
        pieces
    }
}

/// A parameter that is one tensor of its own shape.
pub(crate) fn whole(parameter: &Parameter, dtype: Dtype) -> Storage {
    Storage { name: parameter.name, category: Category::Parameters, dims: parameter.dims, dtype }
}
