"""One GPU with other kernels or losses.

case["variant"] = {"liger": "all" or a list of rope, rms_norm, swiglu, cross_entropy, fused_linear_cross_entropy}
                  {"loss": "bf16_ce"}                            cross entropy without the upcast to fp32
                  {"loss": "ckpt_chunked", "chunk": 256}         head and loss a chunk of tokens at a time, recomputed
                  {"loss": "cut_last", "k": 128}                 logits of the last k tokens only
                  {"opt_in_bwd": "foreach" | "fused"}            AdamW inside backward (with train["optimizer"] "none")
Liger needs the extras and covers Llama, Qwen2 and Qwen3.
"""
import contextlib
import importlib

import torch
import torch.nn.functional as F

from . import models, optimizers, parallel
from .losses import AUTOCAST
from .training import Workload

LIGER_ALL = dict(rope=True, rms_norm=True, swiglu=True, cross_entropy=False, fused_linear_cross_entropy=True)
LIGER_MODELS = dict(llama="apply_liger_kernel_to_llama", qwen2="apply_liger_kernel_to_qwen2", qwen3="apply_liger_kernel_to_qwen3")


def build(case):
    """The workload with the kernels, loss or optimizer hooks the case asks for."""
    options = case["variant"]
    unknown = set(options) - {"liger", "loss", "chunk", "k", "opt_in_bwd"}
    if unknown:
        raise ValueError(f"unknown option: {', '.join(sorted(unknown))}")
    parallel.init_process_group()
    model = models.materialise(parallel.build_unsharded(case))
    work = Workload(case, model, parallel.autocast_forward(case["train"]["precision"], model))
    if options.get("liger"):
        work.undo = apply_liger(model, options["liger"])
    if options.get("loss"):
        work.forward = _forward_with_loss(case, model, options)
    if options.get("opt_in_bwd"):
        work.optimizer = OptimizerInBackward(model, options["opt_in_bwd"])
    else:
        work.optimizer = optimizers.build_optimizer(case["train"]["optimizer"], model)
    return work


def silence_triton():
    """Triton kernels are neither compiled nor launched: their host code has allocated the outputs by then."""
    from triton.runtime import autotuner, jit

    def run(self, *args, **kwargs):
        return None
    for launcher in (jit.JITFunction, autotuner.Autotuner, autotuner.Heuristics):
        launcher.run = run


def apply_liger(model, wanted):
    """Patch the model with Liger kernels. Returns the function that takes the patches back."""
    import liger_kernel.transformers.monkey_patch as liger
    silence_triton()
    patch = getattr(liger, LIGER_MODELS[model.config.model_type])
    flags = LIGER_ALL if wanted == "all" else {name: name in wanted for name in LIGER_ALL}
    module = importlib.import_module(type(model).__module__)
    before, forward, cross_entropy = dict(vars(module)), type(model).forward, F.cross_entropy
    patch(model=model, **flags)

    def undo():
        for name, value in before.items():
            if vars(module).get(name) is not value:
                setattr(module, name, value)
        type(model).forward = forward
        F.cross_entropy = cross_entropy
    return undo


class OptimizerInBackward:
    """AdamW for each parameter, stepped and freed of its gradient as soon as that gradient is there."""

    def __init__(self, model, implementation):
        self._each = {p: torch.optim.AdamW([p], lr=optimizers.LEARNING_RATE, **{implementation: True}) for p in model.parameters()}
        for parameter in self._each:
            parameter.register_post_accumulate_grad_hook(self._step_one)

    def _step_one(self, parameter):
        self._each[parameter].step()
        self._each[parameter].zero_grad()

    @property
    def state(self):
        """State of all parameters."""
        return {(i, k): v for i, optimizer in enumerate(self._each.values()) for k, v in optimizer.state.items()}

    def step(self):
        """Nothing is left to do."""

    def zero_grad(self):
        """Nothing is left to free."""


def _forward_with_loss(case, model, options):
    from torch.utils.checkpoint import checkpoint
    kind, dtype = options["loss"], AUTOCAST.get(case["train"]["precision"])

    def chunk_loss(hidden, labels):
        return F.cross_entropy(model.lm_head(hidden).float(), labels, reduction="sum")

    def ckpt_chunked(hidden, labels):               # the head and the loss of each chunk are computed again in backward
        hidden, labels, size, total = hidden.flatten(0, 1), labels.flatten(), options.get("chunk", 256), 0.0
        for h, l in zip(hidden.split(size), labels.split(size)):
            total = total + checkpoint(chunk_loss, h, l, use_reentrant=False)
        return total / labels.numel()

    def bf16_ce(hidden, labels):                    # cross entropy without the upcast to fp32
        return F.cross_entropy(model.lm_head(hidden).flatten(0, 1), labels.flatten())

    def cut_last(hidden, labels):
        k = options["k"]
        return F.cross_entropy(model.lm_head(hidden[:, -k:]).float().flatten(0, 1), labels[:, -k:].flatten())
    losses = dict(ckpt_chunked=ckpt_chunked, bf16_ce=bf16_ce, cut_last=cut_last)
    if kind not in losses:
        raise ValueError(f"no loss {kind!r}: one of {', '.join(losses)}")

    def forward(batch, meter):
        arguments = dict(batch)
        labels = arguments.pop("labels")
        with torch.autocast("cuda", dtype=dtype) if dtype else contextlib.nullcontext():
            hidden = model.model(**arguments, use_cache=False).last_hidden_state
            labels = F.pad(labels, (0, 1), value=-100)[:, 1:].contiguous()
            return losses[kind](hidden, labels), None
    return forward
