//! Names of the optimizers, and of the libraries that they come from.

use vram_core::scenario::{Ema, Library, Optimizer};

use crate::Lang;

/// An optimizer.
pub const fn optimizer(optimizer: Optimizer, lang: Lang) -> &'static str {
    match optimizer {
        Optimizer::AdamWForeach => {
            lang.pick("AdamW (PyTorch's default, foreach)", "AdamW（PyTorch 默认，foreach）")
        }
        Optimizer::AdamWFused => lang.pick("AdamW, fused", "AdamW，fused"),
        Optimizer::AdamWForLoop => lang.pick("AdamW, for-loop", "AdamW，for-loop"),
        Optimizer::AdamWCapturable => lang.pick("AdamW, capturable", "AdamW，capturable"),
        Optimizer::AdamAmsgrad => lang.pick("Adam with amsgrad", "Adam，amsgrad"),
        Optimizer::AmsgradFused => lang.pick("Adam with amsgrad, fused", "Adam，amsgrad，fused"),
        Optimizer::AmsgradForLoop => lang.pick("Adam with amsgrad, for-loop", "Adam，amsgrad，for-loop"),
        Optimizer::Sgd => "SGD",
        Optimizer::SgdMomentum => lang.pick("SGD with momentum", "SGD，带动量"),
        Optimizer::SgdNesterov => {
            lang.pick("SGD with Nesterov momentum and weight decay", "SGD，Nesterov 动量 + 权重衰减")
        }
        Optimizer::Muon => lang.pick("Muon, with AdamW for the rest", "Muon，其余参数用 AdamW"),
        Optimizer::AdafactorTorch => lang.pick("Adafactor (PyTorch)", "Adafactor（PyTorch）"),
        Optimizer::NAdam => "NAdam",
        Optimizer::RAdam => "RAdam",
        Optimizer::Adamax => "Adamax",
        Optimizer::RmsProp => "RMSprop",
        Optimizer::RmsPropCentered => {
            lang.pick("RMSprop, centred, with momentum", "RMSprop，centered，带动量")
        }
        Optimizer::Adagrad => "Adagrad",
        Optimizer::Adadelta => "Adadelta",
        Optimizer::Asgd => "ASGD",
        Optimizer::Rprop => "Rprop",
        Optimizer::Lbfgs => "L-BFGS",
        Optimizer::AdamW8bit => lang.pick("8-bit AdamW (bitsandbytes)", "8-bit AdamW（bitsandbytes）"),
        Optimizer::PagedAdamW8bit => {
            lang.pick("Paged 8-bit AdamW (bitsandbytes)", "分页 8-bit AdamW（bitsandbytes）")
        }
        Optimizer::AdamW32bit => lang.pick("32-bit AdamW (bitsandbytes)", "32-bit AdamW（bitsandbytes）"),
        Optimizer::PagedAdamW32bit => {
            lang.pick("Paged 32-bit AdamW (bitsandbytes)", "分页 32-bit AdamW（bitsandbytes）")
        }
        Optimizer::Lion8bit => lang.pick("8-bit Lion (bitsandbytes)", "8-bit Lion（bitsandbytes）"),
        Optimizer::PagedLion8bit => {
            lang.pick("Paged 8-bit Lion (bitsandbytes)", "分页 8-bit Lion（bitsandbytes）")
        }
        Optimizer::Lion32bit => lang.pick("32-bit Lion (bitsandbytes)", "32-bit Lion（bitsandbytes）"),
        Optimizer::PagedLion32bit => {
            lang.pick("Paged 32-bit Lion (bitsandbytes)", "分页 32-bit Lion（bitsandbytes）")
        }
        Optimizer::AdEmaMix8bit => {
            lang.pick("8-bit AdEMAMix (bitsandbytes)", "8-bit AdEMAMix（bitsandbytes）")
        }
        Optimizer::PagedAdEmaMix8bit => {
            lang.pick("Paged 8-bit AdEMAMix (bitsandbytes)", "分页 8-bit AdEMAMix（bitsandbytes）")
        }
        Optimizer::AdEmaMix32bit => {
            lang.pick("32-bit AdEMAMix (bitsandbytes)", "32-bit AdEMAMix（bitsandbytes）")
        }
        Optimizer::PagedAdEmaMix32bit => {
            lang.pick("Paged 32-bit AdEMAMix (bitsandbytes)", "分页 32-bit AdEMAMix（bitsandbytes）")
        }
        Optimizer::Sgd8bit => {
            lang.pick("8-bit SGD with momentum (bitsandbytes)", "8-bit SGD，带动量（bitsandbytes）")
        }
        Optimizer::RmsProp8bit => lang.pick("8-bit RMSprop (bitsandbytes)", "8-bit RMSprop（bitsandbytes）"),
        Optimizer::Adagrad8bit => lang.pick("8-bit Adagrad (bitsandbytes)", "8-bit Adagrad（bitsandbytes）"),
        Optimizer::Sgd32bit => {
            lang.pick("32-bit SGD with momentum (bitsandbytes)", "32-bit SGD，带动量（bitsandbytes）")
        }
        Optimizer::RmsProp32bit => {
            lang.pick("32-bit RMSprop (bitsandbytes)", "32-bit RMSprop（bitsandbytes）")
        }
        Optimizer::Adagrad32bit => {
            lang.pick("32-bit Adagrad (bitsandbytes)", "32-bit Adagrad（bitsandbytes）")
        }
        Optimizer::Lamb32bit => lang.pick("LAMB (bitsandbytes)", "LAMB（bitsandbytes）"),
        Optimizer::Lars32bit => {
            lang.pick("LARS with momentum (bitsandbytes)", "LARS，带动量（bitsandbytes）")
        }
        Optimizer::AdafactorHf => lang.pick("Adafactor (transformers)", "Adafactor（transformers）"),
        Optimizer::AoAdamW8bit => lang.pick("8-bit AdamW (torchao)", "8-bit AdamW（torchao）"),
        Optimizer::AoAdamW4bit => lang.pick("4-bit AdamW (torchao)", "4-bit AdamW（torchao）"),
        Optimizer::AoAdamWFp8 => lang.pick("fp8 AdamW (torchao)", "fp8 AdamW（torchao）"),
        Optimizer::ScheduleFreeAdamW => lang.pick("Schedule-free AdamW", "免调度 AdamW（schedule-free）"),
        Optimizer::ScheduleFreeSgd => lang.pick("Schedule-free SGD", "免调度 SGD（schedule-free）"),
        Optimizer::LionForeach => {
            lang.pick("Lion, foreach (pytorch_optimizer)", "Lion，foreach（pytorch_optimizer）")
        }
        Optimizer::Lamb => lang.pick("LAMB (pytorch_optimizer)", "LAMB（pytorch_optimizer）"),
        Optimizer::Adan => "Adan",
        Optimizer::AdEmaMix => lang.pick("AdEMAMix (pytorch_optimizer)", "AdEMAMix（pytorch_optimizer）"),
        Optimizer::Shampoo => "Shampoo",
        Optimizer::Soap => "SOAP",
        Optimizer::Lion => "Lion",
        Optimizer::Sophia => "Sophia-G",
        Optimizer::AdamMini => "Adam-mini",
        Optimizer::Came => "CAME",
        Optimizer::Lomo => "LOMO",
        Optimizer::AdaLomo => "AdaLOMO",
        Optimizer::BAdam => lang.pick("BAdam, a layer at a time", "BAdam，逐层轮换"),
        Optimizer::GaLore => "GaLore AdamW",
        Optimizer::GaLore8bit => "GaLore 8-bit AdamW",
        Optimizer::QGaLore => "Q-GaLore 8-bit AdamW",
        Optimizer::Apollo => "APOLLO",
        Optimizer::ApolloMini => "APOLLO-Mini",
        Optimizer::Custom => lang.pick("Other, by bytes per parameter", "其他：按每参数字节数填写"),
    }
}

/// A library of optimizers, as the heading of its group.
pub const fn library(library: Library, lang: Lang) -> &'static str {
    match library {
        Library::Torch => "PyTorch",
        Library::Bitsandbytes => "bitsandbytes",
        Library::Transformers => "transformers",
        Library::TorchAo => "torchao",
        Library::ScheduleFree => "schedulefree",
        Library::PytorchOptimizer => "pytorch_optimizer",
        Library::Authors => lang.pick("packages of their authors", "作者发布的代码包"),
        Library::Own => lang.pick("any other", "其他"),
    }
}

/// A moving average of the weights.
pub const fn ema(ema: Ema, lang: Lang) -> &'static str {
    match ema {
        Ema::Off => lang.pick("off", "关闭"),
        Ema::Weights => lang.pick("on the GPU, as the weights", "在 GPU 上，与权重同精度"),
        Ema::Fp32 => lang.pick("on the GPU in fp32", "在 GPU 上，fp32"),
        Ema::Cpu => lang.pick("on the CPU", "在 CPU 上"),
    }
}
