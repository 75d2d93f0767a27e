"""PEFT's methods: train["lora"], or another one as train["peft"].

{"method": "vera", "r": 256, "targets": ["q_proj", "v_proj"], "dropout": 0.0}      one pair of random matrices for all layers, vectors beside each
{"method": "ia3", "targets": ["k_proj", "v_proj", "down_proj"], "feedforward": ["down_proj"]}      a vector that scales
{"method": "prompt", "tokens": 20}                          a soft prompt in front of the sequence
{"method": "prefix", "tokens": 20, "projection": null}      keys and values in front of each layer's; through an MLP of that width
"fp32_adapters" as with LoRA. All targets default to PEFT's own for the family.
"""
import torch

from . import models


def configuration(model, train):
    """PEFT's configuration of a case."""
    import peft         # it asks for the GPU, which only the process of a case may
    common = dict(task_type=None if models.is_masked_lm(model.config) else "CAUSAL_LM")
    lora, other = train["lora"], train["peft"]
    if lora:
        return peft.LoraConfig(r=lora.get("r", 16), lora_alpha=32, lora_dropout=lora.get("dropout", 0.0), use_dora=lora.get("dora", False),
                               use_rslora=lora.get("rslora", False), target_modules=lora.get("targets", "all-linear"),
                               modules_to_save=lora.get("save"), target_parameters=lora.get("parameters"), **common)
    method = other["method"]
    if method == "vera":
        return peft.VeraConfig(r=other.get("r", 256), target_modules=other.get("targets"), vera_dropout=other.get("dropout", 0.0), **common)
    if method == "ia3":
        return peft.IA3Config(target_modules=other.get("targets"), feedforward_modules=other.get("feedforward"), **common)
    if method == "prompt":
        return peft.PromptTuningConfig(num_virtual_tokens=other.get("tokens", 20), **common)
    if method == "prefix":
        width = other.get("projection")
        return peft.PrefixTuningConfig(num_virtual_tokens=other.get("tokens", 20), prefix_projection=width is not None,
                                       encoder_hidden_size=width, **common)
    raise ValueError(f"no method {method!r}")


def wrap(model, train):
    """The model with its adapters."""
    import peft
    wide = (train["lora"] or train["peft"]).get("fp32_adapters", True)
    # VeRA draws its matrices with a generator of the CPU.
    on_cpu = (train["peft"] or {}).get("method") == "vera"
    with torch.device("cpu" if on_cpu else "cuda"):
        wrapped = peft.get_peft_model(model, configuration(model, train), autocast_adapter_dtype=wide)
    return wrapped.to("cuda") if on_cpu else wrapped
