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
    /// Without: the reference model, the first pass of a checkpointed layer.
    NoGrad,
}
