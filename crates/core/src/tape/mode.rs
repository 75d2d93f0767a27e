//! How a block is run.

/// How the block is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// With a graph for backward.
    Grad,
    /// With the graph of a checkpointed layer: what it keeps is kept by hooks, which let go of it when it is first unpacked
    /// (`torch/utils/checkpoint.py`).
    Recompute,
    /// With the graph of a layer that is checkpointed by the older way: backward's caller holds the gradient of its output, into which
    /// nothing can then be summed in place (`CheckpointFunction.backward`, `args`).
    Reentrant,
    /// The first pass of a layer that is checkpointed with hooks: there is a graph, but all that goes through saved tensors is given to the
    /// hooks, which let go of it. What a node keeps as an attribute of its own stays.
    FirstPass,
    /// Without: the reference model, the first pass of a layer that is checkpointed by the older way.
    NoGrad,
}

impl Mode {
    /// Whether backward has something to go through.
    pub(super) const fn records(self) -> bool {
        !matches!(self, Self::FirstPass | Self::NoGrad)
    }
}
