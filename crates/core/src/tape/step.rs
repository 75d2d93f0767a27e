//! What an operator makes, and what its node's backward does.

use super::Var;
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::units::{Bytes, Dtype};

/// What a storage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) name: Name,
    pub(crate) category: Category,
    pub(crate) dims: Dims,
    pub(crate) dtype: Dtype,
}

impl Storage {
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::new(self.dims.product()).times(self.dtype.size())
    }

    /// What the update of a parameter allocates.
    pub(crate) fn of_update(size: Bytes) -> Self {
        let name = Name::of(Module::Optimizer, What::StepLargest);
        let dims = Dims::new(&[Dim::number(size.get())]);
        Self { name, category: Category::Temporaries, dims, dtype: Dtype::Uint8 }
    }

    /// What it is for: of what forward makes, only what is kept for backward is an activation.
    pub(crate) fn category_of(&self, is_kept: bool) -> Category {
        if self.category == Category::Activations && !is_kept { Category::Temporaries } else { self.category }
    }
}

/// Whether a later block makes another gradient of the same parameter.
pub(crate) type IsTied = bool;

/// One thing that a node's backward does, in order.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Allocates what it frees again when the node is done.
    Temporary(Storage),
    /// Allocates and frees at once.
    Scratch(Storage),
    /// Allocates the gradient of a variable.
    Gradient(Var, Storage),
    /// The same, handed on as a view of what was allocated. A view keeps its base, so that nothing is summed into it in place
    /// (`torch/csrc/autograd/input_buffer.cpp`, `can_accumulate_inplace`).
    GradientView(Var, Storage),
    /// Allocates a gradient in another shape or dtype than its variable has. What the next step allocates replaces it when the node has
    /// run (`torch/csrc/autograd/engine.cpp`, `validate_outputs`: sums a broadcast operand's, then casts); a workspace may stand between.
    Raw(Storage),
    /// Hands on what its node has kept, into which it has written the gradient of the first variable.
    Overwrite(Var, Var),
    /// The same of a parameter, whose gradient forward has made; it may wait as [`Step::Waiting`] does.
    MadeByForward(Var, IsTied),
    /// Its incoming gradient is a parameter's; it may wait too.
    Become(Name, IsTied),
    /// Allocates what stays until the node of a variable has run: what is computed again.
    Until(Var, Storage),
    /// Hands its own incoming gradient on: views, sums, identity.
    Pass(Var),
    /// Holds its own incoming gradient to the end of backward, where a node that forward made before the block takes it.
    Wait,
    /// Hands its own incoming gradient on to a node that takes several at once (`cat`, `stack`).
    Join(Var),
    /// Allocates the gradient of a parameter, unless it is frozen.
    Parameter(Storage),
    /// Allocates the gradient of an adapter's parameter.
    Adapter(Storage),
    /// Ends at a leaf: a hook has made the output of a frozen module require a gradient (`requires_grad_`).
    Leaf,
    /// Adds a parameter's gradient into the one that has waited for it.
    IntoWaiting,
    /// Allocates a gradient that waits for another one of the same parameter in a later block (tied embeddings).
    Waiting(Storage),
}
