#!/usr/bin/env python3
"""The oracle with the loss that transformers 4.45 (Granite) and 4.48 (Mistral, GPTBigCode) had; all else is today's.

    ./older_loss.py oracle.jsonl -o older_loss.jsonl --quick

Takes what tests/oracle/run.sh takes. ORACLE names a folder in which setup.sh of tests/oracle was run, unless that is ../oracle.
"""
import os
import pathlib
import runpy
import sys

HERE = pathlib.Path(__file__).resolve().parent


def above_the_null_gpu():
    """Start again under the oracle's Python, with what its run.sh sets."""
    oracle = pathlib.Path(os.environ.get("ORACLE", HERE.parent / "oracle")).resolve()
    library = str(oracle / "nullgpu" / "libcuda.so.1")
    python = str(oracle / "venv" / "bin" / "python")
    os.execve(python, [python, __file__, *sys.argv[1:]], {
        **os.environ, "PYTHONPATH": str(oracle), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false", "NULLGPU_LIBRARY": library, "LD_PRELOAD": library,
        "LD_LIBRARY_PATH": str(oracle / "nullgpu")})


def shifted(logits, labels, **_):
    """The logits without the last token are a copy, in the dtype in which they come: GPTBigCode."""
    import torch.nn.functional as F
    shift_logits = logits[..., :-1, :].contiguous()
    shift_labels = labels[..., 1:].contiguous()
    return F.cross_entropy(shift_logits.view(-1, shift_logits.size(-1)), shift_labels.view(-1))


def shifted_fp32(logits, labels, **_):
    """The same in fp32, while the caller still holds the logits in 16 bits: ForCausalLMLoss of 4.48."""
    logits = logits.float()
    return shifted(logits, labels)


def granite(self, input_ids=None, labels=None, **options):
    """GraniteForCausalLM.forward of 4.45: the logits in fp32 take the place of those in 16 bits."""
    from transformers.modeling_outputs import CausalLMOutputWithPast
    hidden_states = self.model(input_ids=input_ids, **options)[0]
    logits = self.lm_head(hidden_states)
    logits = logits / self.config.logits_scaling
    logits = logits.float()
    return CausalLMOutputWithPast(loss=shifted(logits, labels), logits=logits)


def patch():
    """Here and not at the start: to import a model's code can start CUDA, which a process for a case could not start again."""
    from transformers.models.gpt_bigcode.modeling_gpt_bigcode import GPTBigCodeForCausalLM
    from transformers.models.granite.modeling_granite import GraniteForCausalLM
    GPTBigCodeForCausalLM.loss_function = staticmethod(shifted)
    GraniteForCausalLM.forward = granite


def main():
    from transformers.loss import loss_utils
    from memory_oracle import models
    loss_utils.LOSS_MAPPING["ForCausalLM"] = shifted_fp32
    build_model = models.build_model

    def build(*arguments, **options):
        patch()
        return build_model(*arguments, **options)
    models.build_model = build
    runpy.run_module("memory_oracle", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if "NULLGPU_LIBRARY" in os.environ:
        main()
    else:
        above_the_null_gpu()
