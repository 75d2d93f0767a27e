//! Where the rule of an entry was read: names of code, the same in every language.

use vram_core::ledger::{Category, Entry, Module, Part, What};

/// The code that allocates an entry, and the section of the derivations that counts it.
pub const fn source(entry: &Entry) -> &'static str {
    if matches!(entry.name.part, Part::Megatron) {
        return megatron(entry);
    }
    match entry.name.what {
        What::ZeroPoints | What::GroupIndex => {
            return "gptqmodel, nn_modules/qlinear; awq, modules/linear/gemm.py (derived, not measured)";
        }
        What::QuantScales
        | What::NestedScales
        | What::QuantTable
        | What::QuantOffset
        | What::Dequantised
        | What::QuantisedInput
        | What::Outliers => {
            return "bitsandbytes, functional.py, backends/cuda/ops.py, autograd/_functions.py; PARALLEL §9";
        }
        _ => {}
    }
    if matches!(entry.name.module, Module::ZeroBuckets | Module::ZeroPartition) {
        return "deepspeed, runtime/zero/stage_1_and_2.py, stage3.py; PARALLEL §5";
    }
    match entry.category {
        Category::Gradients => "torch/csrc/autograd/functions/accumulate_grad.h; FINDINGS §7",
        Category::WeightCasts => "aten/src/ATen/autocast_mode.cpp, cached_cast; FINDINGS §5",
        Category::ReferenceModel => match (entry.name.what, entry.name.module) {
            (What::Average, _) => "torch/optim/swa_utils.py, AveragedModel; PARALLEL §12",
            (_, Module::Engine) => "vllm/config/cache.py, gpu_memory_utilization (derived, not measured)",
            _ => "trl, DPOTrainer, GRPOTrainer, GKDTrainer (frozen models); FINDINGS §9",
        },
        Category::Communication => "torch/distributed: fsdp, DistributedDataParallel; PARALLEL §1 to §4",
        Category::MasterWeights => "megatron.core, Float16OptimizerWithFloat16Params",
        Category::Parameters => "transformers, modeling_*.py; FINDINGS §6",
        Category::OptimizerStates => state(entry.name.what),
        Category::Activations | Category::Temporaries => by_module(entry.name.module, entry.name.what),
    }
}

const fn state(what: What) -> &'static str {
    match what {
        What::ExpAvg8bit | What::ExpAvgSq8bit | What::BlockScales | What::QuantileMap => {
            "bitsandbytes, optim/optimizer.py; torchao, optim/adam.py"
        }
        What::RowVariance | What::ColumnVariance => {
            "torch/optim/_adafactor.py; transformers, optimization.py"
        }
        What::Preconditioner | What::Eigenvectors => "pytorch_optimizer, preconditioner.py; soap.py",
        What::Projector => "galore-torch, galore_projector.py; apollo-torch, random_projector.py",
        What::BlockMean => "adam-mini, adam_mini.py",
        What::RowInstability | What::ColumnInstability => "came-pytorch, CAME.py",
        What::SlowExpAvg | What::ExpAvgDiff => "pytorch_optimizer, ademamix.py; adan.py",
        What::Iterate => "schedulefree, *_schedulefree.py",
        What::Hessian => "sophia-optimizer, sophia.py",
        What::State => "bytes per parameter, as given",
        _ => "torch/optim, _init_group; FINDINGS §6",
    }
}

const fn by_module(module: Module, what: What) -> &'static str {
    match module {
        Module::Batch => "the data loader's batch; FINDINGS §4",
        Module::Embedding | Module::PositionEmbedding | Module::EmbeddingDropout => {
            "aten/src/ATen/native/cuda/Embedding.cu; FINDINGS §7"
        }
        Module::PatchEmbedding | Module::ClassToken => {
            "transformers, ViTEmbeddings; torch, slow_conv2d (without cuDNN)"
        }
        Module::ProjectorUp | Module::ProjectorDown => "transformers, LlavaMultiModalProjector",
        Module::Classifier => "transformers, ViTForImageClassification",
        Module::Rope => "transformers, apply_rotary_pos_emb; FINDINGS §3",
        Module::InputNorm
        | Module::PostAttentionNorm
        | Module::PreMlpNorm
        | Module::PostMlpNorm
        | Module::QNorm
        | Module::KNorm
        | Module::FinalNorm => "transformers, *RMSNorm.forward; torch, native_layer_norm; FINDINGS §3",
        Module::Attention => match what {
            What::Softmax | What::SoftmaxCast | What::Scores | What::MaskedScores | What::Tanh => {
                "transformers, eager_attention_forward; FINDINGS §3"
            }
            _ => "torch, scaled_dot_product_attention (flash, memory-efficient); FINDINGS §3, §11",
        },
        Module::KvCache => "transformers, cache_utils.py; PARALLEL §13",
        Module::Score => "transformers, modeling_layers.py, GenericForSequenceClassification",
        Module::LmHead | Module::Loss => {
            "transformers, ForCausalLMLoss; torch, cross_entropy_loss; FINDINGS §4"
        }
        Module::Optimizer => "torch/optim, step(); FINDINGS §6",
        Module::TransformerEngine => {
            "transformer_engine, module/base.py, cpp_extensions/gemm.py (derived, checked)"
        }
        Module::Cublas => "aten/src/ATen/cuda/CublasHandlePool.cpp; FINDINGS §11",
        Module::AttentionDropout | Module::MlpDropout => "torch, native_dropout; FINDINGS §3",
        _ => "torch, derivatives.yaml (linear, mul, silu, gelu); FINDINGS §3",
    }
}

/// Megatron-LM and Transformer Engine: derived, checked against measured/megatron.jsonl.
const fn megatron(entry: &Entry) -> &'static str {
    match entry.category {
        Category::Parameters | Category::Gradients => {
            "megatron.core, distributed/param_and_grad_buffer.py, tensor_parallel/layers.py"
        }
        Category::MasterWeights | Category::OptimizerStates => {
            "megatron.core, optimizer/distrib_optimizer.py"
        }
        Category::Communication => "megatron.core, pipeline_parallel/schedules.py",
        _ => match entry.name.module {
            Module::TransformerEngine => "transformer_engine, module/base.py, cpp_extensions/gemm.py",
            Module::Cublas => "aten/src/ATen/cuda/CublasHandlePool.cpp",
            Module::Attention | Module::Rope => {
                "transformer_engine, dot_product_attention/backends.py, context_parallel.py"
            }
            Module::Router | Module::Experts | Module::ExpertsUp | Module::ExpertsDown => {
                "megatron.core, transformer/moe (router.py, token_dispatcher.py, experts.py)"
            }
            Module::Activation => "megatron.core, fusions/fused_bias_swiglu.py",
            Module::Embedding | Module::LmHead => "megatron.core, tensor_parallel/layers.py",
            Module::Loss => "transformer_engine, triton/cross_entropy.py; megatron.core, cross_entropy.py",
            Module::Layer => "megatron.core, transformer/transformer_layer.py",
            _ => "transformer_engine, module/layernorm_linear.py, linear.py",
        },
    }
}
