"""Forward passes that end in a loss: the model's own, or DPO's as TRL computes it."""
import contextlib

import torch
import torch.nn.functional as F

from . import models

AUTOCAST = {"bf16-mixed": torch.bfloat16, "fp16-mixed": torch.float16}


def selective_log_softmax(logits, index):
    """TRL's log-probabilities of chosen tokens: per row, and through logsumexp where the logits are fp32."""
    if logits.dtype in (torch.float32, torch.float64):
        selected = torch.gather(logits, -1, index.unsqueeze(-1)).squeeze(-1)
        return selected - torch.stack([torch.logsumexp(row, dim=-1) for row in logits])
    rows = []
    for row, labels in zip(logits, index):      # as in TRL: one row's log-softmax is still held while the next is made
        log_probabilities = F.log_softmax(row, dim=-1)
        rows.append(log_probabilities.gather(dim=-1, index=labels.unsqueeze(-1)).squeeze(-1))
    return torch.stack(rows)


def sequence_log_probabilities(model, batch, style, extra, autocast):
    """Sum of the log-probabilities of each row. `autocast` is set in accelerate's style: the model's forward alone
    runs under it and its logits are converted to fp32."""
    arguments = dict(input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), **extra)
    if autocast is not None:
        with autocast():
            logits = model(**arguments).logits
        logits = logits.float()
    else:
        logits = model(**arguments).logits
    labels = torch.roll(batch["input_ids"], shifts=-1, dims=1)
    mask = torch.ones_like(labels, dtype=torch.bool)
    if style == "logsoftmax":       # the original DPO code
        chosen = torch.gather(logits.log_softmax(-1), dim=2, index=labels.unsqueeze(2)).squeeze(2)
    else:
        if style == "trl_fp32":
            logits = logits.float()
        chosen = selective_log_softmax(logits, labels)
    return (chosen * mask).sum(-1)


def dpo_loss(model, reference, dpo, batch, extra, autocast, meter):
    """DPO: policy forward, reference forward without gradients, sigmoid loss."""
    style, kind = dpo.get("logps", "trl"), dpo.get("ref", "none")
    rows = batch["input_ids"].shape[0]
    policy = sequence_log_probabilities(model, batch, style, extra, autocast)
    if kind == "none":
        ref = torch.zeros(rows, device="cuda")
    else:
        with meter.reference_forward(), torch.no_grad():
            if kind == "adapter":
                with model.disable_adapter():
                    ref = sequence_log_probabilities(model, batch, style, extra, autocast)
            else:
                ref = sequence_log_probabilities(reference, batch, style, extra, autocast)
    half = rows // 2
    return -F.logsigmoid(0.1 * ((policy[:half] - policy[half:]) - (ref[:half] - ref[half:]))).mean()


def standard_forward(case, model, reference=None):
    """Forward of a Hugging Face model with its own loss, or DPO's, under the precision and autocast style asked for."""
    train = case["train"]
    dtype = AUTOCAST.get(train["precision"])
    autocast = (lambda: torch.autocast("cuda", dtype=dtype)) if dtype else contextlib.nullcontext
    inner_only = autocast if dtype and train["autocast_style"] == "accelerate" else None
    extra = {} if models.is_masked_lm(model.config) else {"use_cache": train["use_cache"]}

    def forward(batch, meter):
        with contextlib.nullcontext() if inner_only else autocast():
            if train["dpo"]:
                return dpo_loss(model, reference, train["dpo"], batch, extra, inner_only, meter), None
            with inner_only() if inner_only else contextlib.nullcontext():
                outputs = model(**batch, **extra)
            if inner_only:
                outputs.logits = outputs.logits.float()
            return outputs.loss, outputs if train["keep_outputs"] else None
    return forward
