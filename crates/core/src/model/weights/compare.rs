//! The tensors of a file beside the parameters that the estimator counts.

use super::Tensor;
use crate::model::{Architecture, parameters};

/// Tensors that differ only in the number of their layer or expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their name, each number replaced by `*`.
    pub name: String,
    /// How many they are.
    pub copies: u64,
    /// Elements of all together.
    pub elements: u64,
}

/// How the weights in a file and the estimator's parameters differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Elements of the file's parameters.
    pub in_file: u64,
    /// Elements that the estimator counts.
    pub counted: u64,
    /// Elements of the file's tensors that are buffers: rotary frequencies, causal masks, position ids.
    pub buffers: u64,
    /// Elements by the dtype that the file has them in, the most first.
    pub dtypes: Vec<(String, u64)>,
    /// What only the file has; empty where the counts agree.
    pub only_in_file: Vec<Group>,
    /// What only the estimator counts; empty where the counts agree.
    pub only_counted: Vec<Group>,
}

impl Comparison {
    /// Compares the tensors of all files of a model with its dimensions.
    pub fn of(tensors: &[Tensor], architecture: &Architecture) -> Self {
        let (buffers, weights): (Vec<_>, Vec<_>) = tensors.iter().partition(|tensor| is_buffer(&tensor.name));
        let mut comparison = Self {
            in_file: elements(&weights),
            counted: parameters::parameter_count(architecture),
            buffers: elements(&buffers),
            dtypes: dtypes(&weights),
            ..Self::default()
        };
        if !comparison.agrees() {
            let mut in_file = grouped(&weights);
            let mut counted = counted(architecture);
            cancel(&mut in_file, &mut counted);
            comparison.only_in_file = in_file;
            comparison.only_counted = counted;
        }
        comparison
    }

    /// Whether both have as many elements.
    pub const fn agrees(&self) -> bool {
        self.in_file == self.counted
    }
}

/// What files of weights tell of a model's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Every tensor with its shape and dtype, from the headers.
    Tensors(Comparison),
    /// Only the bytes of all together, from the index.
    Bytes {
        /// `total_size` of the index.
        total: u64,
        /// Elements that the estimator counts.
        counted: u64,
    },
}

impl Evidence {
    /// Whether the counts are the same: in bytes, whether there is a whole number of them for each parameter.
    pub fn agrees(&self) -> bool {
        match self {
            Self::Tensors(comparison) => comparison.agrees(),
            Self::Bytes { total, counted } => {
                [4, 2, 1].iter().any(|size| counted.saturating_mul(*size) == *total)
            }
        }
    }
}

/// Tensors that are saved but are no parameters: `inv_freq` of rotary embeddings, the causal mask of GPT-2 (`attn.bias`, four
/// dimensions there, so that a projection's bias is not meant) and `masked_bias`, and BERT's `position_ids`.
fn is_buffer(name: &str) -> bool {
    ["inv_freq", "masked_bias", "position_ids", "attn.bias", "attention.bias"]
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

fn elements(tensors: &[&Tensor]) -> u64 {
    tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.elements()))
}

fn dtypes(tensors: &[&Tensor]) -> Vec<(String, u64)> {
    let groups = group(tensors.iter().map(|tensor| (tensor.dtype.clone(), tensor.elements())).collect());
    let mut dtypes: Vec<_> = groups.into_iter().map(|group| (group.name, group.elements)).collect();
    dtypes.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    dtypes
}

fn grouped(tensors: &[&Tensor]) -> Vec<Group> {
    let is_number = |piece: &str| !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit());
    let pattern = |name: &str| {
        let pieces = name.split('.').map(|piece| if is_number(piece) { "*" } else { piece });
        pieces.collect::<Vec<_>>().join(".")
    };
    group(tensors.iter().map(|tensor| (pattern(&tensor.name), tensor.elements())).collect())
}

/// Sums what has the same name.
fn group(mut named: Vec<(String, u64)>) -> Vec<Group> {
    named.sort_unstable();
    let mut groups: Vec<Group> = Vec::new();
    for (name, elements) in named {
        match groups.last_mut().filter(|group| group.name == name) {
            Some(group) => {
                group.copies += 1;
                group.elements = group.elements.saturating_add(elements);
            }
            None => groups.push(Group { name, copies: 1, elements }),
        }
    }
    groups
}

fn counted(architecture: &Architecture) -> Vec<Group> {
    let group = |parameter: &parameters::Parameter| {
        let copies = parameter.copies(architecture);
        let elements = parameter.elements().saturating_mul(copies);
        Group { name: parameter.name.key(), copies, elements }
    };
    parameters::parameters(architecture).iter().map(group).filter(|group| group.copies > 0).collect()
}

/// Takes away what has a partner: first of the same name and size, then of the same number and size, then of the same size; last,
/// the experts' matrices, which files have one by one and the model in one tensor.
fn cancel(in_file: &mut Vec<Group>, counted: &mut Vec<Group>) {
    let same_name = |a: &Group, b: &Group| a.name.ends_with(&b.name) && a.elements == b.elements;
    cancel_by(in_file, counted, same_name);
    cancel_by(in_file, counted, |a, b| a.copies == b.copies && a.elements == b.elements);
    cancel_by(in_file, counted, |a, b| a.elements == b.elements);
    let of_experts = |groups: &[Group]| {
        groups.iter().filter(|group| is_of_experts(group)).map(|group| group.elements).sum::<u64>()
    };
    if of_experts(in_file) == of_experts(counted) {
        in_file.retain(|group| !is_of_experts(group));
        counted.retain(|group| !is_of_experts(group));
    }
}

fn is_of_experts(group: &Group) -> bool {
    group.name.contains("expert")
}

fn cancel_by(in_file: &mut Vec<Group>, counted: &mut Vec<Group>, are_same: impl Fn(&Group, &Group) -> bool) {
    counted.retain(|ours| {
        let partner = in_file.iter().position(|theirs| are_same(theirs, ours));
        if let Some(at) = partner {
            in_file.remove(at);
        }
        partner.is_none()
    });
}
