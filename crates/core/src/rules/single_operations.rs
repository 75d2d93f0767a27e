//! Single operations beside what GPUs measured of them (`tests/measured/components.jsonl`): a loop calls one module forward and backward,
//! and gradients meet those of the turn before.

#![expect(clippy::unwrap_used, reason = "a test that fails is a test that panics")]
#![expect(clippy::cast_precision_loss, reason = "a relative error needs a few digits")]

use serde_json::Value;

use super::attention::Heads;
use super::norm::Norm;
use super::{CUBLAS_WORKSPACE, Writer};
use crate::ledger::{Category, Dim, Dims, Module, Name, What};
use crate::model::from_config;
use crate::plan::Pass;
use crate::scenario::{Fused, LossKernel, Recipe, Scenario};
use crate::tape::{Block, Event, Mode, Run, Storage, Var};
use crate::units::{Count, Dtype};

const ROWS: &str = include_str!("../../../../tests/measured/components.jsonl");

/// What the loop holds beside the block.
#[derive(Clone, Copy, Default)]
struct Loop {
    /// Weights, gradients of the turn before, tables: always there.
    beside: u64,
    /// The gradient of the output was made before forward.
    has_gradient_before: bool,
    /// `retain_graph=True`: nothing that nodes keep is let go.
    retains: bool,
    /// The gradient that is handed to backward has another dtype than the output: bytes of it.
    other_gradient: u64,
}

/// The most that is alive in a turn.
fn peak(block: &Block, of: Loop) -> u64 {
    let ends = block.ends();
    let size = |id: Option<crate::tape::StorageId>| {
        id.and_then(|id| block.storages.get(id.index())).map_or(0, |storage| storage.bytes().get())
    };
    let kept = block.kept_for_backward();
    let is_same = of.other_gradient == 0;
    let mut most = 0;
    for run in [Run::Forward, Run::Backward] {
        let is_backward = run == Run::Backward;
        let mut alive = if is_backward { kept.clone() } else { vec![false; block.storages.len()] };
        let held = |event: Event| {
            let Event::Free(id) = event else { return false };
            let is_named = [ends.input, ends.output].contains(&Some(id));
            // The engine's root holds what was handed to it (`GraphRoot`), converted where that was needed.
            let is_gradient = Some(id) == ends.incoming;
            is_named || is_gradient || is_backward && of.retains && kept[id.index()]
        };
        let at_start =
            [ends.input, ends.output.filter(|_| is_backward), ends.incoming.filter(|_| is_backward)];
        for id in at_start.into_iter().flatten() {
            alive[id.index()] = true;
        }
        let handed = if is_same { size(ends.incoming) } else { of.other_gradient };
        let extra = match (is_backward, is_same) {
            (true, true) => 0,
            (true, false) => handed,
            (false, _) => {
                if of.has_gradient_before {
                    handed
                } else {
                    0
                }
            }
        };
        let sum = |alive: &[bool]| {
            let is_counted = |(of, is): &(&Storage, &bool)| **is && !is_workspace(of);
            block.storages.iter().zip(alive).filter(is_counted).map(|(of, _)| of.bytes().get()).sum::<u64>()
        };
        most = most.max(sum(&alive) + extra);
        for &event in block.events(run).iter().filter(|event| !held(**event)) {
            match event {
                Event::Allocate(id) => alive[id.index()] = true,
                Event::Free(id) => alive[id.index()] = false,
            }
            most = most.max(sum(&alive) + extra);
        }
    }
    most + of.beside
}

/// The torch of these runs kept cuBLAS's workspaces, one for each thread that multiplied: they are counted beside the block.
fn is_workspace(storage: &Storage) -> bool {
    storage.name.what == What::Workspace && storage.bytes() == CUBLAS_WORKSPACE
}

/// The pass of a model of one layer with the sizes of a row.
fn pass(config: &str, recipe: Recipe, rows: u64, sequence: u64, change: impl Fn(&mut Scenario)) -> Pass {
    let mut scenario = Scenario::default();
    scenario.model.architecture = from_config(config).unwrap();
    scenario.recipe = recipe;
    scenario.micro_batch = Count::new(u32::try_from(rows).unwrap());
    scenario.sequence_length = Count::new(u32::try_from(sequence).unwrap());
    scenario.gradient_accumulation = Count::new(2);
    change(&mut scenario);
    Pass::of_policy(&scenario)
}

fn tensor(dims: &[Dim], dtype: Dtype) -> Storage {
    Storage {
        name: Name::of(Module::Layer, What::Output),
        category: Category::Activations,
        dims: Dims::new(dims),
        dtype,
    }
}

fn block(pass: &Pass, input: Storage, is_loss: bool, run: impl FnOnce(&mut Writer<'_>, Var) -> Var) -> Block {
    let mut writer = Writer::new(pass, Mode::Grad, pass.trained.head());
    let input = writer.tape.input(input, true);
    let output = run(&mut writer, input);
    writer.tape.finish(Some(input), output, is_loss)
}

/// What the estimator says of a row; none where it has no such operation.
#[expect(clippy::too_many_lines, reason = "an operation an arm")]
fn estimate(row: &Value) -> Option<u64> {
    let sizes = &row["sizes"];
    let n = |key: &str| sizes[key].as_u64().unwrap_or_default();
    let is_liger = row["by"] == "liger";
    let (hidden, vocabulary) = (n("H").max(n("hidden_size")), n("V"));
    let workspace = CUBLAS_WORKSPACE.get();
    let config = |hidden: u64, vocabulary: u64, ffn: u64, act: &str| {
        format!(
            r#"{{ "model_type": "llama", "hidden_size": {hidden}, "vocab_size": {vocabulary}, "intermediate_size": {ffn},
            "num_hidden_layers": 1, "num_attention_heads": 1, "hidden_act": "{act}" }}"#
        )
    };
    match row["operation"].as_str()? {
        "cross_entropy" => {
            let pass =
                pass(&config(64, vocabulary, 64, "silu"), Recipe::Fp32, n("B"), n("T").max(n("S")), |_| {});
            let logits = tensor(&[pass.batch(), pass.sequence(), pass.vocabulary()], Dtype::Fp32);
            let block = block(&pass, logits, true, |writer, logits| {
                if is_liger {
                    return writer.liger_cross_entropy(logits);
                }
                let labels = writer.tape.constant(tensor(&pass.tokens(), Dtype::Int64));
                writer.negative_log_likelihood(logits, labels)
            });
            // Liger's gradient is the logits' own storage.
            let beside = if is_liger { 0 } else { logits.bytes().get() };
            Some(peak(&block, Loop { beside, ..Loop::default() }))
        }
        "fused_linear_cross_entropy" => {
            let change = |s: &mut Scenario| {
                s.kernels.loss = if is_liger { LossKernel::LigerFusedLinear } else { LossKernel::Eager }
            };
            let pass = pass(&config(hidden, vocabulary, 64, "silu"), Recipe::Bf16, 1, n("BT"), change);
            let x = tensor(&[pass.batch(), pass.sequence(), pass.hidden()], Dtype::Bf16);
            let block = block(&pass, x, true, |writer, x| {
                if is_liger {
                    return writer.liger_fused_linear(x);
                }
                let logits = writer.logits(x);
                let labels = writer.tape.constant(tensor(&pass.tokens(), Dtype::Int64));
                let loss = writer.negative_log_likelihood(logits, labels);
                writer.tape.drop(logits);
                loss
            });
            // The script makes a module of each kind, whichever it runs.
            let beside = 3 * hidden * vocabulary * 2 + x.bytes().get() + 2 * workspace;
            Some(peak(&block, Loop { beside, ..Loop::default() }))
        }
        "rms_norm" | "layer_norm" => {
            let is_rms = row["operation"] == "rms_norm";
            if !is_rms && is_liger {
                return None;
            }
            let (rows, width) = if is_rms { (n("M"), hidden) } else { (n("M"), n("N")) };
            let config = if is_rms {
                config(width, 64, 64, "silu")
            } else {
                config(width, 64, 64, "silu").replace("llama", "gpt_neox").replace("silu", "gelu")
            };
            let change = |s: &mut Scenario| {
                if is_rms && is_liger {
                    s.kernels.norm = Fused::Liger;
                }
            };
            let pass = pass(&config, Recipe::Fp32, 1, rows, change);
            let dtype = if is_rms { Dtype::Bf16 } else { Dtype::Fp32 };
            let x = tensor(&[pass.batch(), pass.sequence(), pass.hidden()], dtype);
            let block = block(&pass, x, false, |writer, x| {
                let norm = Norm { module: Module::FinalNorm, rows: &pass.tokens(), width: pass.hidden() };
                writer.norm(x, &norm)
            });
            let output = block.ends().output.and_then(|id| block.storages.get(id.index()).copied()).unwrap();
            let other = if output.dtype == dtype { 0 } else { x.bytes().get() };
            let weights = 2 * width * 4 * if is_rms { 1 } else { 2 };
            Some(peak(
                &block,
                Loop {
                    beside: x.bytes().get() + weights,
                    has_gradient_before: true,
                    retains: true,
                    other_gradient: other,
                },
            ))
        }
        "rope" => {
            let (heads, key_heads, tokens) = (n("num_q_heads"), n("num_kv_heads"), n("seq_len").max(n("T")));
            let config = config(hidden, 64, 64, "silu").replace(
                "\"num_attention_heads\": 1",
                &format!("\"num_attention_heads\": {heads}, \"num_key_value_heads\": {key_heads}"),
            );
            let change = |s: &mut Scenario| {
                if is_liger {
                    s.kernels.rope = Fused::Liger;
                }
            };
            let pass = pass(&config, Recipe::Bf16, 1, tokens, change);
            let of =
                |count: u64| tensor(&[pass.sequence(), Dim::number(count), pass.head_dim()], Dtype::Bf16);
            let (query, key) = (of(heads), of(key_heads));
            let block = block(&pass, query, false, |writer, query| {
                let key = writer.tape.constant(key);
                let value = writer.tape.constant(of(0));
                writer.rotated_heads(Heads { query, key, value }).query
            });
            // Keys, and their gradient before and after; Liger's kernel rotates all of them where they are. Cosines, sines and positions.
            let tables = 2 * tokens * (hidden / heads) * 2 + tokens * 8;
            let beside = if is_liger { 1 } else { 3 } * key.bytes().get() + tables + workspace;
            Some(peak(&block, Loop { beside, has_gradient_before: true, retains: true, ..Loop::default() }))
        }
        "swiglu" | "geglu" | "tiled_swiglu" => {
            if !is_liger && row["by"] != "huggingface" {
                return None;
            }
            let act = if row["operation"] == "geglu" { "gelu_pytorch_tanh" } else { "silu" };
            let ffn = n("intermediate_size");
            let change = |s: &mut Scenario| {
                if is_liger {
                    s.kernels.mlp = Fused::Liger;
                }
            };
            let pass =
                pass(&config(hidden, 64, ffn, act), Recipe::Bf16, n("B").max(n("bsz")), n("T"), change);
            let x = tensor(&[pass.batch(), pass.sequence(), pass.hidden()], Dtype::Bf16);
            let block = block(&pass, x, false, |writer, x| {
                assert!(writer.tape.requires_grad(x));
                writer.mlp(x)
            });
            let beside = 2 * 3 * hidden * ffn * 2 + x.bytes().get() + 2 * workspace;
            Some(peak(&block, Loop { beside, retains: true, ..Loop::default() }))
        }
        _ => None,
    }
}

/// Why a row has no rule that says the same; none where [`estimate`] does.
fn why_not(row: &Value) -> Option<&'static str> {
    let is_liger = row["by"] == "liger";
    Some(match row["operation"].as_str()? {
        "rms_norm" if is_liger => {
            "Liger 0.2.1's backward made more than today's kernel, which the rule follows and golden runs have shown"
        }
        "fused_linear_cross_entropy" if is_liger => {
            "Liger 0.4.2 made each chunk's logits and their gradient in fp32; the rule is today's, which golden runs have shown"
        }
        "layer_norm" if is_liger => "the estimator has Liger's norms for RMSNorm alone",
        "tiled_swiglu" if row["by"] != "huggingface" && !is_liger => "the MLP is not tiled by any choice",
        "lm_head+CE" => "the unit, or what the script holds beside the loss, is not stated",
        "megatron_cross_entropy" => {
            "Megatron's loss on one GPU alone, and Liger's wrapper of it, are no choice"
        }
        "softmax" => "the estimator has softmax within attention alone",
        "jsd" | "kl_div" | "fused_linear_jsd" | "distill_jsd_loss" => {
            "divergences of Liger's own or of its script; distillation is TRL's"
        }
        "kto_loss"
        | "fused_linear_orpo_loss"
        | "fused_linear_cpo_loss"
        | "fused_linear_simpo_loss"
        | "fused_linear_grpo_loss_token" => {
            "fused preference losses, and the script's own plain ones; the rules are TRL's"
        }
        _ => return None,
    })
}

#[test]
fn single_operations_are_within_two_percent() {
    let (mut expressed, mut rows) = (0, 0);
    for line in ROWS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        rows += 1;
        if why_not(&row).is_some() {
            continue;
        }
        let (ours, measured) = (estimate(&row).unwrap(), row["bytes"].as_u64().unwrap());
        let error = ours as f64 / measured as f64 - 1.0;
        // A weight's gradient, of which there is one from the turn before, is still there when the gradients of gate and up meet: seen
        // with the torch of these runs, and 17 MB of 350 at the most.
        let is_tiled = row["operation"] == "tiled_swiglu" && row["by"] == "liger";
        let limit = if is_tiled { 0.048 } else { 0.02 };
        assert!(error.abs() <= limit, "{} {ours} {measured} {:.3} %", row["id"], error * 100.0);
        expressed += 1;
    }
    assert_eq!((expressed, rows), (74, 249));
}
