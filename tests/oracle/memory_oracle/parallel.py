"""One rank of distributed training, above PyTorch's "fake" process group: collectives allocate and return at once.

case["parallel"] = {"kind": "ddp" | "fsdp1" | "fsdp2" | "tp", "world_size": 8, "rank": 0, ...}. Further options:
ddp    bucket_cap_mb, gradient_as_bucket_view, static_graph, find_unused_parameters, bf16_compress
fsdp1  strategy (FULL_SHARD, SHARD_GRAD_OP, NO_SHARD, HYBRID_SHARD with shard_group_size), use_orig_params, backward_prefetch,
       cpu_offload, reduce_dtype
fsdp2  reshard_after_forward, root_reshard_after_forward, wrap (layer | root | torchtitan), shard_group_size (fewer than all ranks: HSDP), cpu_offload,
       reduce_dtype, tensor_parallel (2-D), sync_every_micro_batch, no_reshard_after_backward
tp     sequence_parallel, loss_parallel (both also under fsdp2 with tensor_parallel)
Precision "fsdp-mp" means fp32 shards and FSDP's own bf16 mixed precision.
"""
import contextlib
import ctypes
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from . import models, optimizers
from .losses import AUTOCAST
from .training import Workload, weight_dtype

DDP_OPTIONS = ("bucket_cap_mb", "gradient_as_bucket_view", "static_graph", "find_unused_parameters")
LLAMA_COLUMNWISE = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
LLAMA_ROWWISE = ("self_attn.o_proj", "mlp.down_proj")


def init_process_group(world_size=1, rank=0):
    """A fake process group of this size, seen from this rank."""
    if dist.is_initialized():
        dist.destroy_process_group()
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world_size)
    torch.cuda.set_device(0)


def build_unsharded(case, device="meta"):
    """The whole model, by default without storage."""
    train = case["train"]
    model = models.build_model(models.build_config(case), train, weight_dtype(train), device)
    model.config.use_cache = False
    models.enable_checkpointing(model, train)
    return model


def autocast_forward(precision, model):
    """Forward with Hugging Face's own loss, under autocast if the precision asks for it."""
    dtype = AUTOCAST.get(precision)

    def forward(batch, meter):
        with torch.autocast("cuda", dtype=dtype) if dtype else contextlib.nullcontext():
            return model(**batch, use_cache=False).loss, None
    return forward


def build(case):
    """The workload of one rank."""
    kinds = dict(ddp=_build_ddp, fsdp1=_build_fsdp1, fsdp2=_build_fsdp2, tp=_build_fsdp2)
    options = case["parallel"]
    if options["kind"] not in kinds:
        raise ValueError(f"no parallel kind {options['kind']!r}: one of {', '.join(kinds)}")
    init_process_group(options["world_size"], options.get("rank", 0))
    work = kinds[options["kind"]](case, options)
    work.optimizer = optimizers.build_optimizer(case["train"]["optimizer"], work.model)
    return work


def _dtype(options, default="float32"):
    return getattr(torch, options.get("reduce_dtype", default))


def _build_ddp(case, options):
    model = models.materialise(build_unsharded(case))
    if "NULLGPU_LIBRARY" in os.environ:     # the reducer sends its bucket order through the device and reads it back
        ctypes.CDLL(os.environ["NULLGPU_LIBRARY"]).nullgpu_shadow(1)
    chosen = {k: options[k] for k in DDP_OPTIONS if k in options}
    wrapped = torch.nn.parallel.DistributedDataParallel(model, device_ids=[0], init_sync=False, **chosen)
    if options.get("bf16_compress"):
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
        wrapped.register_comm_hook(None, bf16_compress_hook)
    else:
        wrapped.register_comm_hook(None, _all_reduce_in_place)
    return Workload(case, wrapped, autocast_forward(case["train"]["precision"], wrapped), no_sync=wrapped.no_sync)


def _all_reduce_in_place(state, bucket):
    """The default all-reduce's memory behaviour; the fake group's own futures carry no value."""
    future = torch.futures.Future(devices=[torch.device("cuda", 0)])
    future.set_result(bucket.buffer())
    return future


def _build_fsdp1(case, options):
    from torch.distributed.fsdp import BackwardPrefetch, CPUOffload, FullyShardedDataParallel, MixedPrecision, ShardingStrategy
    from torch.distributed.fsdp.wrap import ModuleWrapPolicy
    tied = models.build_config(case).tie_word_embeddings
    model = build_unsharded(case, "cuda" if tied else "meta")       # a tie survives only if it's there before wrapping
    layer_class = type(model.get_submodule(models.layer_list_name(model))[0])
    strategy = options.get("strategy", "FULL_SHARD")
    settings = dict(sharding_strategy=ShardingStrategy[strategy], auto_wrap_policy=ModuleWrapPolicy({layer_class}), device_id=0,
                    use_orig_params=options.get("use_orig_params", True), limit_all_gathers=True, sync_module_states=False,
                    param_init_fn=lambda module: module.to_empty(device="cuda", recurse=False))
    if case["train"]["precision"] == "fsdp-mp":
        settings["mixed_precision"] = MixedPrecision(param_dtype=torch.bfloat16, reduce_dtype=_dtype(options), buffer_dtype=torch.float32)
    if options.get("cpu_offload"):
        settings["cpu_offload"] = CPUOffload(True)
    if "HYBRID" in strategy:
        shape = (options["world_size"] // options["shard_group_size"], options["shard_group_size"])
        settings["device_mesh"] = init_device_mesh("cuda", shape, mesh_dim_names=("replicate", "shard"))
    if "backward_prefetch" in options:
        settings["backward_prefetch"] = BackwardPrefetch[options["backward_prefetch"]] if options["backward_prefetch"] else None
    full_count = sum({id(p): p.numel() for p in model.parameters()}.values())
    wrapped = FullyShardedDataParallel(model, **settings)
    return Workload(case, wrapped, autocast_forward(case["train"]["precision"], wrapped), no_sync=wrapped.no_sync, full_parameter_count=full_count)


def _build_fsdp2(case, options):
    from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, fully_shard
    world_size = options["world_size"]
    tensor_parallel = options.get("tensor_parallel", world_size if options["kind"] == "tp" else 1)
    data_parallel = world_size // tensor_parallel
    shard_size = options.get("shard_group_size")
    sizes = {}
    if shard_size:
        sizes.update(replicate=data_parallel // shard_size, shard=shard_size)
    elif data_parallel > 1:
        sizes["shard"] = data_parallel
    if tensor_parallel > 1:
        sizes["tensor"] = tensor_parallel
    mesh = init_device_mesh("cuda", tuple(sizes.values()), mesh_dim_names=tuple(sizes))
    model = build_unsharded(case)
    work = Workload(case, model, autocast_forward(case["train"]["precision"], model))
    if tensor_parallel > 1:
        _apply_llama_tensor_parallel(model, mesh["tensor"], options)
        work.forward = _tensor_parallel_forward(case, model, options)
        if options.get("loss_parallel"):
            from torch.distributed.tensor.parallel import loss_parallel
            work.loss_context = loss_parallel
    if data_parallel > 1:
        reshard = options.get("reshard_after_forward", True)
        settings = dict(mesh=mesh[("replicate", "shard")] if shard_size else mesh["shard"], reshard_after_forward=reshard)
        if case["train"]["precision"] == "fsdp-mp":
            settings["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=_dtype(options))
        elif options.get("reduce_dtype"):
            settings["mp_policy"] = MixedPrecisionPolicy(reduce_dtype=_dtype(options))
        if options.get("cpu_offload"):
            settings["offload_policy"] = CPUOffloadPolicy()
        wrap = options.get("wrap", "layer")
        if wrap == "torchtitan":        # embedding alone; final norm and head together, not resharded
            fully_shard(model.model.embed_tokens, **settings)
            fully_shard([model.model.norm, model.lm_head], **dict(settings, reshard_after_forward=False))
        if wrap in ("layer", "torchtitan"):
            for layer in model.get_submodule(models.layer_list_name(model)):
                fully_shard(layer, **settings)
        if reshard is True and not options.get("root_reshard_after_forward"):     # PyTorch's default for the root is not to reshard it
            del settings["reshard_after_forward"]
        fully_shard(model, **settings)
        if not options.get("sync_every_micro_batch"):
            work.set_gradient_sync = _fsdp2_sync(model, options.get("no_reshard_after_backward"))
    models.materialise(model, "cpu" if options.get("cpu_offload") else "cuda")
    if options.get("cpu_offload"):      # parameters stay on the host, buffers are needed on the device
        for module in model.modules():
            for name, buffer in list(module._buffers.items()):
                if buffer is not None:
                    module._buffers[name] = buffer.cuda()
    return work


def _fsdp2_sync(model, keep_unsharded):
    def set_gradient_sync(is_last):
        model.set_requires_gradient_sync(is_last)
        if keep_unsharded:
            model.set_reshard_after_backward(is_last)
    return set_gradient_sync


def _apply_llama_tensor_parallel(model, mesh, options):
    """torchtitan's plan, for models with Llama's module names (Llama, Mistral, Qwen2, ...)."""
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.parallel import ColwiseParallel, PrepareModuleInput, RowwiseParallel, SequenceParallel, parallelize_module
    sequence, split_loss = options.get("sequence_parallel", False), options.get("loss_parallel", False)
    logits = dict(output_layouts=Shard(-1) if split_loss else Replicate(), use_local_output=not split_loss)
    if sequence:
        root = {"model.embed_tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=Shard(1)),
                "model.norm": SequenceParallel(), "lm_head": ColwiseParallel(input_layouts=Shard(1), **logits)}
    else:
        root = {"model.embed_tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate()),
                "lm_head": ColwiseParallel(**logits)}
    parallelize_module(model, mesh, root)
    for layer in model.model.layers:
        plan = {name: ColwiseParallel() for name in LLAMA_COLUMNWISE}
        plan.update({name: RowwiseParallel(**(dict(output_layouts=Shard(1)) if sequence else {})) for name in LLAMA_ROWWISE})
        if sequence:
            gathered = PrepareModuleInput(input_kwarg_layouts={"hidden_states": Shard(1)}, desired_input_kwarg_layouts={"hidden_states": Replicate()})
            plan.update({"input_layernorm": SequenceParallel(), "post_attention_layernorm": SequenceParallel(), "self_attn": gathered,
                         "mlp": PrepareModuleInput(input_layouts=(Shard(1),), desired_input_layouts=(Replicate(),))})
        parallelize_module(layer, mesh, plan)


def _tensor_parallel_forward(case, model, options):
    from transformers.loss.loss_utils import ForCausalLMLoss
    dtype = AUTOCAST.get(case["train"]["precision"])

    def forward(batch, meter):
        arguments = dict(batch)
        labels = arguments.pop("labels")
        with torch.autocast("cuda", dtype=dtype) if dtype else contextlib.nullcontext():
            arguments["position_ids"] = torch.arange(labels.shape[1], device="cuda").unsqueeze(0)
            logits = model(**arguments, use_cache=False).logits
            if options.get("loss_parallel"):        # torchtitan's loss, on logits sharded over the vocabulary
                return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(0, 1)), None
            return ForCausalLMLoss(logits, labels, model.config.vocab_size), None
    return forward
