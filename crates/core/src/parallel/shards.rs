//! Shards of parameters: rows of the first dimension, padded so that every rank's are equally many
//! (`torch/distributed/fsdp/_fully_shard/_fsdp_param.py`, `_init_sharded_param`: `chunk` along dimension 0). PARALLEL section 3.

use crate::ledger::{Dim, Dims, Symbol};
use crate::model::{Family, Parameter};
use crate::scenario::{DataParallel, Scenario};

/// How one rank shards parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shards {
    ways: u64,
    /// FSDP1 flattens the parameters of a group, so that a shard is any run of elements.
    is_flat: bool,
    is_last_rank: bool,
    family: Family,
}

impl Shards {
    /// None where weights aren't sharded.
    pub(crate) fn of(scenario: &Scenario) -> Option<Self> {
        Self::among(scenario).filter(|shards| shards.ways > 1)
    }

    /// The same where FSDP has one rank to shard among; none without FSDP.
    pub(crate) fn among(scenario: &Scenario) -> Option<Self> {
        let is_fsdp = scenario.parallel.scheme().is_some_and(DataParallel::shards_weights);
        is_fsdp.then_some(Self {
            ways: scenario.parallel.shards(),
            is_flat: scenario.parallel.data == DataParallel::Fsdp1,
            is_last_rank: scenario.parallel.is_last_rank,
            family: scenario.model.architecture.family,
        })
    }

    /// Ranks that share a parameter.
    pub(crate) const fn ways(&self) -> u64 {
        self.ways
    }

    /// Whether parameters are flattened before they are cut.
    pub(crate) const fn is_flat(&self) -> bool {
        self.is_flat
    }

    /// Length of the first dimension, along which a parameter is cut.
    fn rows(&self, parameter: &Parameter) -> u64 {
        let stacked = parameter.is_stacked().then(|| parameter.dims.as_slice().first().map(|dim| dim.value));
        if let Some(Some(experts)) = stacked {
            return experts;
        }
        match parameter.matrix {
            // `Conv1D` holds its matrix transposed.
            Some((_, input)) if self.family == Family::Gpt2 && parameter.is_in_layer() => input,
            Some((rows, _)) => rows,
            None => parameter.elements(),
        }
    }

    /// Rows of one shard with its padding.
    fn chunk(&self, parameter: &Parameter) -> u64 {
        self.rows(parameter).div_ceil(self.ways)
    }

    fn of_rows(&self, parameter: &Parameter, rows: u64) -> Parameter {
        let whole = self.rows(parameter).max(1);
        let width = parameter.elements() / whole;
        let row = Dim::new(Symbol::ShardRows, rows);
        let dims = if width == 1 { Dims::new(&[row]) } else { Dims::new(&[row, Dim::number(width)]) };
        let matrix = parameter.matrix.map(|_| (rows, width));
        Parameter { dims, matrix, ..*parameter }
    }

    /// The part of a parameter that this rank updates, without padding.
    pub(crate) fn local(&self, parameter: &Parameter) -> Parameter {
        if self.is_flat {
            return self.flat(parameter);
        }
        let chunk = self.chunk(parameter);
        let before = if self.is_last_rank { chunk.saturating_mul(self.ways - 1) } else { 0 };
        self.of_rows(parameter, self.rows(parameter).saturating_sub(before).min(chunk))
    }

    /// The part of a parameter that this rank allocates.
    pub(crate) fn padded(&self, parameter: &Parameter) -> Parameter {
        if self.is_flat {
            return self.flat(parameter);
        }
        self.of_rows(parameter, self.chunk(parameter))
    }

    /// A share of a flat parameter.
    fn flat(&self, parameter: &Parameter) -> Parameter {
        let elements = parameter.elements().div_ceil(self.ways);
        let dims = Dims::new(&[Dim::new(Symbol::ShardRows, elements)]);
        Parameter { dims, matrix: None, ..*parameter }
    }

    /// Elements of all shards together, padding included.
    pub(crate) fn padded_elements(&self, parameter: &Parameter) -> u64 {
        self.padded(parameter).elements().saturating_mul(self.ways)
    }
}
