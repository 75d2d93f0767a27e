#!/usr/bin/env python3
"""Runs the case of a golden on the GPU of this machine, with nothing but PyTorch and transformers (peft for LoRA), and
prints what the allocator says beside what the golden says.

    ./on_gpu.py ../goldens/more.jsonl              the ids in a file
    ./on_gpu.py ../goldens/more.jsonl m033         one of them on the GPU
    ./on_gpu.py ../goldens/more.jsonl m033 --dry-run

This loop is written anew on purpose: it shares no code with memory_oracle, so the two can only agree by being right.
"""
import argparse
import contextlib
import json
import sys

STEPS = 2       # optimizer states exist from the first step on, so the second is the steady state
AUTOCAST = {"bf16-mixed": "bfloat16", "fp16-mixed": "float16"}
OPTIMIZERS = {
    "adamw_default": ("AdamW", {}),
    "adamw_foreach": ("AdamW", {"foreach": True}),
    "adamw_fused": ("AdamW", {"fused": True}),
    "adamw_forloop": ("AdamW", {"foreach": False}),
    "adam_amsgrad": ("Adam", {"amsgrad": True}),
    "sgd": ("SGD", {}),
    "sgd_momentum": ("SGD", {"momentum": 0.9}),
    "sgd_nesterov_wd": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adafactor_torch": ("Adafactor", {}),
    "rmsprop": ("RMSprop", {}),
    "adagrad": ("Adagrad", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "adadelta": ("Adadelta", {}),
}
# Options that this loop doesn't have, with the only value it can take for each.
FIXED = {"padding_mask": None, "keep_outputs": False, "clip_grad_norm": False, "use_cache": False, "dpo": None,
         "experts": None}
NOT_CAUSAL = ("bert", "t5")


def why_not(row):
    """Why this loop can't run a golden; None if it can."""
    train = row["train"]
    for section in ("parallel", "quant", "variant"):
        if row.get(section):
            return f"it has a section {section!r}"
    for option, value in FIXED.items():
        if train.get(option, value) != value:
            return f"{option} is {train[option]!r}"
    if train["optimizer"] not in OPTIMIZERS:
        return f"the optimizer is {train['optimizer']!r}"
    if train["precision"] not in ("fp32", "bf16", *AUTOCAST):
        return f"the precision is {train['precision']!r}"
    if train.get("autocast_style", "lightning") != "lightning" and train["precision"] in AUTOCAST:
        return "autocast is accelerate's"
    if row["config"]["model_type"] in NOT_CAUSAL:
        return f"{row['config']['model_type']!r} is no causal language model"
    return None


def read_goldens(path):
    """{id: row} of a file."""
    with open(path, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return {row["id"]: row for row in rows}


def describe(row):
    """The case in a few lines."""
    train = row["train"]
    lines = [f"{row['id']}: {row['model']}, {row['measured']['n_params']:,} parameters",
             f"  {train['micro_batch']} x {train['seq_len']} tokens, {train['grad_accum']} micro-batches a step, {train['precision']}, "
             f"{train['optimizer']}, attention {train['attention']}, checkpointing {train['checkpointing']}, zero_grad {train['zero_grad']}"]
    if train["lora"]:
        lines.append(f"  LoRA: {train['lora']}")
    lines.append(f"  made with {row['stack']}")
    return "\n".join(lines)


def build(row):
    """Model and optimizer on the GPU."""
    import torch
    import transformers
    train, values = row["train"], dict(row["config"])
    config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    if (config.pad_token_id or 0) >= config.vocab_size:     # a class's default, beyond a small vocabulary
        config.pad_token_id = None
    default = "bfloat16" if train["precision"] == "bf16" else "float32"
    with torch.device("cuda"):
        model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation=train["attention"], dtype=getattr(torch, train.get("base_dtype") or default))
    model.train()
    if train["checkpointing"] != "off":
        reentrant = train["checkpointing"] == "reentrant"
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    if train["lora"]:
        import peft
        lora = train["lora"]
        if train["checkpointing"] != "off":
            model.enable_input_require_grads()
        settings = peft.LoraConfig(r=lora.get("r", 16), lora_alpha=32, lora_dropout=lora.get("dropout", 0.0), task_type="CAUSAL_LM",
                                   use_dora=lora.get("dora", False), target_modules=lora.get("targets", "all-linear"))
        with torch.device("cuda"):
            model = peft.get_peft_model(model, settings, autocast_adapter_dtype=lora.get("fp32_adapters", True))
    name, options = OPTIMIZERS[train["optimizer"]]
    trained = [p for p in model.parameters() if p.requires_grad]
    return model, getattr(torch.optim, name)(trained, lr=1e-4, **options)


def run(row):
    """(allocated, requested, reserved) bytes at the peak of the second step."""
    import torch
    torch.backends.cuda.enable_cudnn_sdp(False)     # goldens are made without cuDNN's attention, which an A100 never picks
    train = row["train"]
    model, optimizer = build(row)
    dtype = AUTOCAST.get(train["precision"])
    # A small scale: an overflow would skip the step, and with it the optimizer's states.
    scaler = torch.amp.GradScaler("cuda", init_scale=1.0) if train["precision"] == "fp16-mixed" else None
    vocabulary = model.config.vocab_size
    for _ in range(STEPS):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        for micro in range(train["grad_accum"]):
            tokens = torch.randint(vocabulary, (train["micro_batch"], train["seq_len"]), device="cuda")
            labels = tokens.clone()
            with torch.autocast("cuda", dtype=getattr(torch, dtype)) if dtype else contextlib.nullcontext():
                loss = model(input_ids=tokens, labels=labels, use_cache=False).loss
            if train["grad_accum"] > 1:
                loss = loss / train["grad_accum"]
            loss = scaler.scale(loss) if scaler else loss
            if train["zero_grad"] == "before_backward" and micro == 0:
                optimizer.zero_grad()
            loss.backward()
            del loss, tokens, labels
        if scaler:
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        if train["zero_grad"] == "after_step":
            optimizer.zero_grad()
    stats = torch.cuda.memory_stats()
    return torch.cuda.max_memory_allocated(), stats["requested_bytes.all.peak"], torch.cuda.max_memory_reserved()


def show(row, measured):
    """A line a figure: this GPU, the golden, the difference."""
    print(f"{'':22}{'this GPU':>20}{'golden':>20}{'difference':>14}")
    for figure, here in zip(("peak_allocated", "peak_requested", "peak_reserved"), measured):
        golden = row["measured"][figure]
        label = "max_memory_allocated" if figure == "peak_allocated" else figure
        print(f"{label:22}{here:>20,}{golden:>20,}{here / golden - 1:>+14.4%}")


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Run a golden's case on a real GPU and compare what PyTorch's allocator says.")
    parser.add_argument("file", help="a golden file, such as ../goldens/more.jsonl")
    parser.add_argument("id", nargs="?", help="which of its rows; left out: list them")
    parser.add_argument("--dry-run", action="store_true", help="say what would run and what is expected; needs no GPU and no packages")
    options = parser.parse_args()
    rows = read_goldens(options.file)
    if options.id is None:
        for row in rows.values():
            reason = why_not(row)
            print(f"{row['id']:40} {row['model']:28} {row['measured']['peak_allocated'] / 2**30:8.2f} GiB  {'not here: ' + reason if reason else ''}".rstrip())
        return 0
    if options.id not in rows:
        print(f"{options.file} has no row {options.id!r}; without an id this lists them.", file=sys.stderr)
        return 2
    row = rows[options.id]
    print(describe(row))
    reason = why_not(row)
    if reason:
        print(f"This loop can't run it: {reason}. Try ./run.sh --real with this row.", file=sys.stderr)
        return 2
    if options.dry_run:
        for figure in ("peak_allocated", "peak_requested", "peak_reserved"):
            print(f"  expected {figure:16} {row['measured'][figure]:>20,}")
        return 0
    import torch
    if not torch.cuda.is_available():
        print("There is no CUDA device here; --dry-run needs none.", file=sys.stderr)
        return 2
    import transformers
    capability = "sm_%d%d" % torch.cuda.get_device_capability()
    print(f"  here: torch {torch.__version__}, transformers {transformers.__version__}, {capability}, {torch.cuda.get_device_name()}")
    show(row, run(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
