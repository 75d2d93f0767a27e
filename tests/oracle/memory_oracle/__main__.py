"""Command line: run cases, print one result a line."""
import argparse
import collections
import gc
import importlib.metadata
import json
import logging
import os
import pathlib
import sys
import time
import traceback
import warnings

warnings.filterwarnings("ignore")
import torch                    # noqa: E402
import transformers             # noqa: E402

from . import attribution, cases, live_trace, models, optimizers, saved_tensors, training       # noqa: E402

EXTRA_PACKAGES = ("bitsandbytes", "liger-kernel", "torchao")


def stack_versions():
    """Versions of the packages in use, and the GPU architecture presented."""
    stack = dict(torch=torch.__version__, transformers=transformers.__version__, peft=importlib.metadata.version("peft"),
                 device="sm_%d%d" % torch.cuda.get_device_capability())
    if "NULLGPU_LIBRARY" not in os.environ:
        stack["device"] += f" (real: {torch.cuda.get_device_name()})"
    return stack


def used_extras(case):
    """Versions of the optional packages a case uses."""
    text = json.dumps([case.get("quant"), case.get("variant"), case["train"]["optimizer"]])
    wanted = [p for p, words in (("bitsandbytes", ("nf4", "fp4", "int8", "bnb_")), ("liger-kernel", ("liger",)), ("torchao", ("ao_",)))
              if any(w in text for w in words)]
    return {p: importlib.metadata.version(p) for p in wanted}


def builder(case):
    """The function that builds the workload of a case."""
    if case.get("quant"):
        from . import quantised
        quantised.warm_up()
        return quantised.build
    if case.get("variant"):
        from . import variants
        return variants.build
    if case.get("parallel"):
        from . import parallel
        return parallel.build
    return training.build_single


def count(parameters):
    """Number of different parameter elements."""
    return sum({id(p): p.numel() for p in parameters}.values())


def tensor_bytes(work):
    """Exact sums of tensors, for training on one GPU."""
    return dict(param_bytes=training.local_bytes(work.model.parameters()),
                ref_param_bytes=training.local_bytes(work.reference.parameters()) if work.reference is not None else 0,
                grad_bytes=work.gradient_bytes, optstate_bytes=optimizers.state_bytes(work.optimizer))


def rank_bytes(work, after_build):
    """What this rank holds."""
    return dict(param_local=training.local_bytes(work.model.parameters()), trainable_local=training.local_bytes(work.trainable),
                buffer=training.local_bytes(work.model.buffers()), grad_local=work.gradient_bytes,
                optstate_local=optimizers.state_bytes(work.optimizer), optstate_cpu=optimizers.state_bytes(work.optimizer, "cpu"),
                init_allocated=after_build)


def measure(case, quick=False, layers=False, alive=False):
    """Run one complete case and return its row."""
    build = builder(case)
    is_single = build is training.build_single
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    meter = live_trace.TracingMeter() if alive else training.AllocatorMeter()
    work = build(case)
    after_build = meter.level()[0]
    try:
        training.run_steps(work, meter)
        last = meter.steps[-1]
        phase = max(training.PHASES, key=lambda p: last[p][1])
        measured = dict(
            n_params=work.full_parameter_count or count(work.model.parameters()),
            n_trainable=count(work.trainable),
            **(tensor_bytes(work) if is_single else dict(per_rank=rank_bytes(work, after_build))),
            peak_allocated=max(last[p][0] for p in training.PHASES),
            peak_requested=last[phase][1],
            peak_reserved=torch.cuda.max_memory_reserved(),
            peak_phase=phase)
        for name, index in (("phase_peaks_requested", 1), ("phase_peaks_allocated", 0)):
            measured[name] = {f"step{i + 1}": {p: step[p][index] for p in training.PHASES} for i, step in enumerate(meter.steps)}
        measured["forward_end"] = dict(zip(("allocated", "requested"), last["forward_end"]))
        measured["steady_state"] = dict(zip(("allocated", "requested"), last["steady_state"]), before_zero_grad=last["before_zero_grad"][0])
        measured.update(work.facts)
        row = dict(id=case.get("id"), stack=dict(stack_versions(), **used_extras(case)), model=case.get("model"),
                   config=models.published_config(models.build_config(case)), train=case["train"])
        row.update({section: case[section] for section in cases.SECTIONS if section in case})
        row["measured"] = measured
        if alive:
            row["alive_at_peak"] = meter.alive_at_peaks()
    finally:
        work.undo()
        del work
        gc.collect()
        torch.cuda.empty_cache()
    if is_single and not quick:
        operator, forward_end, split = attribution.measure_split(lambda: build(case), training.run_steps, meter)
        measured["peak_op"] = operator
        measured["forward_end"] = dict(forward_end, **measured["forward_end"])
        measured["at_peak"] = split
    if layers:
        if not is_single or case["train"]["checkpointing"] == "reentrant":
            raise ValueError("--layers works for one GPU, without reentrant checkpointing")
        row["saved_tensors"] = saved_tensors.list_saved_tensors(build(case))
    return row


def measured_or_error(case, options):
    """The row of a case, or a row that says what went wrong."""
    start = time.time()
    try:
        row = measure(cases.complete_case(case), options.quick, options.layers, options.alive)
        return dict(row, seconds=round(time.time() - start, 1))
    except Exception as error:
        return dict(id=case.get("id"), case=case, error=f"{type(error).__name__}: {error}"[:400], trace=traceback.format_exc()[-2000:])


def in_own_process(function):
    """What `function` returns (JSON) in a child process, None if that died. A fresh allocator for each case: libraries
    hold on to memory (FSDP1, for one). Works because this process never touches CUDA itself."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        with os.fdopen(write_end, "w") as pipe:
            json.dump(function(), pipe)
        leave(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def leave(status):
    """Exit without destructors: library threads outlive the null GPU."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def show_version():
    """One line that says the set-up works."""
    print("memory oracle:", json.dumps(dict(stack_versions(), device_name=torch.cuda.get_device_name())))


def main():
    """Run the cases named on the command line."""
    parser = argparse.ArgumentParser(prog="run.sh", description="What would PyTorch allocate?")
    parser.add_argument("cases", nargs="*", help="files of cases (JSON or JSON lines), '-' for standard input, or a case itself: '{...}'")
    parser.add_argument("-o", "--out", help="append the results to this file")
    parser.add_argument("--quick", action="store_true", help="totals only: no split of the peak by category")
    parser.add_argument("--layers", action="store_true", help="also list the tensors one layer saves for backward")
    parser.add_argument("--alive", action="store_true", help="also list what is alive at the peak of each phase")
    parser.add_argument("--no-cudnn-attention", action="store_true", help="never choose cuDNN's attention (always so on the null GPU)")
    parser.add_argument("--expect", metavar="FILE", help="compare peak_requested with this file of {id: bytes}; exit 1 on a difference")
    parser.add_argument("--again", action="store_true", help="the cases are results: compare peak_requested with what they say; exit 1 on a difference")
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    models.install_batch_answers()
    if options.no_cudnn_attention or "NULLGPU_LIBRARY" in os.environ:
        torch.backends.cuda.enable_cudnn_sdp(False)     # it asks the device questions that a null GPU can't answer
    if options.version:
        return show_version()

    todo = []
    for argument in options.cases:
        text = argument if argument.lstrip().startswith("{") else sys.stdin.read() if argument == "-" else pathlib.Path(argument).read_text()
        todo += cases.read_cases(text)
    expected = json.loads(pathlib.Path(options.expect).read_text()) if options.expect else None
    if options.again:
        expected = {case["id"]: case["measured"]["peak_requested"] for case in todo if "measured" in case}
    out = open(options.out, "a") if options.out else None
    tally = collections.Counter()
    for case in todo:
        row = in_own_process(lambda: measured_or_error(case, options)) or dict(id=case.get("id"), case=case, error="the process of this case died")
        if "error" in row and expected is None:
            tally["failed"] += 1
        if out:
            out.write(json.dumps(row) + "\n")
            out.flush()
        if expected is not None:
            tally[report_difference(row, expected)] += 1
        elif out:
            print(case.get("id") or case.get("model"), row.get("error") or row["measured"]["peak_requested"], flush=True)
        else:
            print(json.dumps(row), flush=True)
    if expected is not None:
        print(", ".join(f"{n} {what}" for what, n in tally.items()))
    return 1 if tally["failed"] or tally["different"] or tally["not listed"] else 0


def report_difference(row, expected):
    """Print one line of a check; returns same, different, failed or not listed."""
    want = expected.get(row["id"])
    got = row["measured"]["peak_requested"] if "measured" in row else row["error"]
    verdict = "failed" if "error" in row else "not listed" if want is None else "same" if got == want else "different"
    print(f"{verdict:10} {row['id']}: {got}" + ("" if verdict == "same" else f" (expected {want})"), flush=True)
    return verdict


if __name__ == "__main__":
    leave(main() or 0)
