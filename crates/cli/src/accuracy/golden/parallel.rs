//! Runs on several GPUs as golden files say them.

use serde_json::Value;
use vram_core::scenario::{
    DataParallel, DeepSpeed, GradientSync, Mesh, Optimizer, Parallel, ReduceDtype, Reshard, Rotate, Schedule,
};
use vram_core::units::Count;

use super::{Unsupported, number};

/// How a run is spread, which may be by its optimizer's name (`zero1_fused`).
pub(super) fn parallel(run: &Value) -> Result<Parallel, Unsupported> {
    let given = &run["parallel"];
    if given.is_null() {
        return Ok(Parallel::default());
    }
    let kind = given["kind"].as_str().unwrap_or_default();
    let is_zero1 = run["train"]["optimizer"].as_str().is_some_and(|name| name.starts_with("zero1_"));
    let data = match kind {
        "ddp" if is_zero1 => DataParallel::DdpZero1,
        "ddp" => DataParallel::Ddp,
        "fsdp2" | "tp" => DataParallel::Fsdp2,
        "fsdp1" => DataParallel::Fsdp1,
        "deepspeed" => match given["stage"].as_u64() {
            Some(1) => DataParallel::Zero1,
            Some(2) => DataParallel::Zero2,
            Some(3) => DataParallel::Zero3,
            _ => return Err(Unsupported(format!("stage {}", given["stage"]))),
        },
        "pp" => return pipeline(run),
        "cp" => return context(given),
        other => return Err(Unsupported(format!("parallel {other}"))),
    };
    for key in ["wrap", "bf16_compress"] {
        if !given[key].is_null() && given[key] != false {
            return Err(Unsupported(key.to_owned()));
        }
    }
    Ok(Parallel {
        gpus: number(given, "world_size")?,
        data,
        bucket_views: given["gradient_as_bucket_view"] == true,
        reshard: reshard(given),
        reduce: match given["reduce_dtype"].as_str() {
            None | Some("float32") => ReduceDtype::Fp32,
            Some(_) => ReduceDtype::Gradients,
        },
        shard_group: if given["shard_group_size"].is_null() {
            None
        } else {
            Some(number(given, "shard_group_size")?)
        },
        sync: if given["sync_every_micro_batch"] == true {
            GradientSync::EveryMicroBatch
        } else {
            GradientSync::LastMicroBatch
        },
        stays_gathered: given["no_reshard_after_backward"] == true,
        cpu_offload: given["cpu_offload"] == true,
        is_last_rank: given["rank"].as_u64().is_some_and(|rank| rank > 0),
        deepspeed: deepspeed(&given["zero"])?,
        mesh: mesh(given, kind)?,
    })
}

/// Of a run that is only said to be tensor-parallel all ranks are.
fn mesh(given: &Value, kind: &str) -> Result<Mesh, Unsupported> {
    let tensor = match kind {
        _ if !given["tensor_parallel"].is_null() => number(given, "tensor_parallel")?,
        "tp" => number(given, "world_size")?,
        _ => Count::ONE,
    };
    Ok(Mesh {
        tensor,
        sequence_parallel: given["sequence_parallel"] == true,
        loss_parallel: given["loss_parallel"] == true,
        ..Mesh::default()
    })
}

/// What `ds_config["zero_optimization"]` says beside the stage.
fn deepspeed(given: &Value) -> Result<DeepSpeed, Unsupported> {
    let mut zero = DeepSpeed::default();
    for (key, value) in given.as_object().into_iter().flatten() {
        match key.as_str() {
            "reduce_bucket_size" => zero.reduce_bucket = number(given, "reduce_bucket_size")?,
            "overlap_comm" => zero.overlap = value == true,
            "stage3_max_live_parameters" => zero.max_live = elements(value, key)?,
            "stage3_max_reuse_distance" => zero.max_reuse = elements(value, key)?,
            "stage3_prefetch_bucket_size" => zero.prefetch = elements(value, key)?,
            "stage3_param_persistence_threshold" => zero.persistence = elements(value, key)?,
            "sub_group_size" => zero.sub_group = number(given, "sub_group_size")?,
            "offload_optimizer" => zero.offload_optimizer = value["device"] == "cpu",
            "offload_param" => zero.offload_weights = value["device"] == "cpu",
            _ => return Err(Unsupported(key.clone())),
        }
    }
    Ok(zero)
}

fn elements(value: &Value, key: &str) -> Result<Count, Unsupported> {
    let given = value.as_u64().and_then(|given| u32::try_from(given).ok());
    given.map(Count::new).ok_or_else(|| Unsupported(key.to_owned()))
}

/// One rank of a ring, whose weights may be sharded too.
fn context(given: &Value) -> Result<Parallel, Unsupported> {
    let gpus = number(given, "world_size")?;
    let rotate = match given["rotate"].as_str() {
        None | Some("allgather") => Rotate::AllGather,
        Some("alltoall") => Rotate::AllToAll,
        Some(other) => return Err(Unsupported(format!("rotate {other}"))),
    };
    let mesh = Mesh { context: gpus, rotate, repeats_keys: given["gqa"] != true, ..Mesh::default() };
    let shard_group = if given["fsdp"] == true { None } else { Some(Count::ONE) };
    Ok(Parallel { gpus, mesh, shard_group, ..Parallel::default() })
}

/// One rank of a pipeline; the batch is split into the micro-batches of gradient accumulation.
fn pipeline(run: &Value) -> Result<Parallel, Unsupported> {
    let given = &run["parallel"];
    let schedule = match given["schedule"].as_str().unwrap_or_default() {
        "gpipe" => Schedule::GPipe,
        "f1b1" => Schedule::OneForwardOneBackward,
        "interleaved" => Schedule::Interleaved,
        other => return Err(Unsupported(format!("schedule {other}"))),
    };
    let gpus = number(given, "world_size")?;
    let rank = given["rank"].as_u64().unwrap_or_default();
    let mesh = Mesh {
        pipeline: gpus,
        schedule,
        chunks: if given["virtual"].is_null() { Mesh::default().chunks } else { number(given, "virtual")? },
        stage: u32::try_from(rank + 1).ok().map(Count::new),
        ..Mesh::default()
    };
    Ok(Parallel { gpus, mesh, ..Parallel::default() })
}

/// What a pipeline's run has of a micro-batch, and how many.
pub(super) fn micro_batches(run: &Value) -> Result<Option<[Count; 2]>, Unsupported> {
    if run["parallel"]["kind"] != "pp" {
        return Ok(None);
    }
    let (all, count) = (number(&run["train"], "micro_batch")?, number(&run["parallel"], "microbatches")?);
    let one =
        u32::try_from(all.get() / count.get().max(1)).map_err(|_| Unsupported("micro_batch".to_owned()))?;
    Ok(Some([Count::new(one), count]))
}

fn reshard(given: &Value) -> Reshard {
    match given["strategy"].as_str() {
        Some("SHARD_GRAD_OP") => Reshard::AfterBackward,
        Some("NO_SHARD") => Reshard::Never,
        None if given["reshard_after_forward"] == false => Reshard::AfterBackward,
        _ => Reshard::AfterForward,
    }
}

/// The optimizer below `ZeroRedundancyOptimizer`.
pub(super) fn zero1(word: &str) -> Option<Optimizer> {
    match word {
        "zero1_foreach" => Some(Optimizer::AdamWForeach),
        "zero1_fused" => Some(Optimizer::AdamWFused),
        _ => None,
    }
}
