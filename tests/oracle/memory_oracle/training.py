"""A training step, and the meter that reads the caching allocator around each of its phases."""
import contextlib
import dataclasses
import gc
from typing import Any, Callable

import torch

from . import adapters, freezing, losses, models, multimodal, optimizers

PHASES = ("fwd", "bwd", "opt")
STEPS = 2                   # optimizer state exists from the first step on, so the second one is the steady state


@dataclasses.dataclass
class Workload:
    """Everything a training loop needs; each way of training builds one."""
    case: dict
    model: torch.nn.Module
    forward: Callable[[dict, Any], tuple]                   # (batch, meter) -> (loss, what to hold through backward)
    optimizer: Any = None
    reference: torch.nn.Module | None = None                # DPO's frozen model
    scaler: Any = None
    backward: Callable = lambda loss: loss.backward()
    no_sync: Callable = contextlib.nullcontext              # around every micro-batch but the last
    set_gradient_sync: Callable = lambda is_last: None
    loss_context: Callable = contextlib.nullcontext         # around forward and backward
    undo: Callable = lambda: None                           # takes patches of library code back
    full_parameter_count: int | None = None                 # where the parameters don't tell (quantised, sharded)
    gradient_bytes: int = 0                                 # counted after the last backward
    facts: dict = dataclasses.field(default_factory=dict)   # further measurements to publish

    @property
    def trainable(self):
        """The parameters that get a gradient."""
        return [p for p in self.model.parameters() if p.requires_grad]


def local_bytes(tensors):
    """Bytes of the CUDA storages behind tensors, sharded ones by their local part."""
    storages = {}
    for tensor in tensors:
        tensor = getattr(tensor, "_local_tensor", tensor)
        if tensor.device.type == "cuda":
            storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


class AllocatorMeter:
    """Peaks and levels of the caching allocator as (allocated, requested) bytes above where it stood at the start."""

    def __init__(self):
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self._base = (0, 0)
        self._base = self._read("current")
        self.steps = []

    def _read(self, which):
        stats = torch.cuda.memory_stats()
        allocated = stats.get(f"allocated_bytes.all.{which}", 0) - self._base[0]
        requested = stats.get(f"requested_bytes.all.{which}", 0) - self._base[1]
        return allocated, min(requested, allocated)     # the counter of requests lags for blocks shared with a side stream

    def level(self):
        """(allocated, requested) now."""
        return self._read("current")

    def start_step(self):
        """A new optimizer step begins."""
        self.steps.append({})

    def begin(self, phase):
        """Phase fwd, bwd or opt begins."""
        torch.cuda.reset_peak_memory_stats()

    def end(self, phase):
        """The phase ends: keep its peak (over micro-batches, the largest)."""
        step = self.steps[-1]
        step[phase] = max(step.get(phase, (0, 0)), self._read("peak"))

    def mark(self, moment):
        """Keep the level at a named moment of the step."""
        self.steps[-1][moment] = self.level()

    def label_batch(self, batch):
        """The batch has just been made (only the tracker cares)."""

    @contextlib.contextmanager
    def reference_forward(self):
        """Around DPO's reference forward (only the tracker cares)."""
        yield


def make_batch(train, model=None):
    """Token ids, labels and, where asked for, an attention mask, or what a model of images or sound reads. Values don't matter."""
    of_other_kind = multimodal.batch(model.config, train, weight_dtype(train)) if hasattr(model, "config") else None
    if of_other_kind:
        return of_other_kind
    rows = train["micro_batch"] * (2 if train["dpo"] else 1)
    shape = (rows, train["seq_len"])
    batch = {"input_ids": torch.zeros(shape, dtype=torch.long, device="cuda")}
    if not train["dpo"]:
        batch["labels"] = torch.zeros(shape, dtype=torch.long, device="cuda")
    if train["padding_mask"]:
        batch["attention_mask"] = torch.ones(shape, dtype=torch.long, device="cuda")
    models.set_padding_present(train["padding_mask"] == "pad")
    return batch


def run_steps(work, meter):
    """Train STEPS optimizer steps with the meter around each phase."""
    train, optimizer, scaler = work.case["train"], work.optimizer, work.scaler
    for _ in range(STEPS):
        meter.start_step()
        for micro in range(train["grad_accum"]):
            is_last = micro == train["grad_accum"] - 1
            work.set_gradient_sync(is_last)
            with contextlib.nullcontext() if is_last else work.no_sync(), work.loss_context():
                meter.begin("fwd")
                batch = make_batch(train, work.model)
                meter.label_batch(batch)
                loss, kept = work.forward(batch, meter)
                if train["grad_accum"] > 1:
                    loss = loss / train["grad_accum"]
                if scaler:
                    loss = scaler.scale(loss)
                meter.end("fwd")
                meter.mark("forward_end")
                if optimizer and train["zero_grad"] == "before_backward" and micro == 0:
                    optimizer.zero_grad()
                meter.begin("bwd")
                work.backward(loss)
                meter.end("bwd")
            del loss, kept, batch
        work.gradient_bytes = local_bytes(p.grad for p in work.trainable if p.grad is not None)
        meter.begin("opt")
        if optimizer:
            unscale = scaler and not isinstance(optimizer, optimizers.OptimizerGroup)
            if unscale:
                scaler.unscale_(optimizer)
            if train["clip_grad_norm"]:
                clip = getattr(work.model, "clip_grad_norm_", None)     # FullyShardedDataParallel has its own
                clip(1.0) if clip else torch.nn.utils.clip_grad_norm_(work.trainable, 1.0)
            if unscale:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
        meter.end("opt")
        meter.mark("before_zero_grad")
        if optimizer and train["zero_grad"] == "after_step":
            optimizer.zero_grad()
        meter.mark("steady_state")


def weight_dtype(train):
    """The dtype the weights are held in."""
    if train["base_dtype"]:
        return getattr(torch, train["base_dtype"])
    return torch.bfloat16 if train["precision"] == "bf16" else torch.float32


def build_single(case):
    """Training on one GPU: full or partial fine-tuning, LoRA, DPO."""
    train = case["train"]
    config = models.build_config(case)
    model = models.build_model(config, train, weight_dtype(train))
    models.enable_checkpointing(model, train)
    freezing.freeze(model, train["freeze"])
    if train["lora"] or train["peft"]:
        if train["checkpointing"] != "off":
            model.enable_input_require_grads()
        model = adapters.wrap(model, train)
    reference = None
    if train["dpo"] and train["dpo"].get("ref", "none") in ("fp32", "bf16"):
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[train["dpo"]["ref"]]
        reference = models.build_model(config, train, dtype)
        reference.eval()
        reference.requires_grad_(False)
    return Workload(case, model, losses.standard_forward(case, model, reference), reference=reference,
                    optimizer=optimizers.build_optimizer(train["optimizer"], model),
                    scaler=torch.amp.GradScaler("cuda") if train["precision"] == "fp16-mixed" else None)
