//! Names of the optimizers, and of the libraries that they come from.

use vram_core::scenario::{Ema, Library, Optimizer};

use crate::Lang;

/// An optimizer.
pub const fn optimizer(optimizer: Optimizer, lang: Lang) -> &'static str {
    use Optimizer as O;
    match optimizer {
        O::AdamWForeach => lang.pick("AdamW (PyTorch's default, foreach)", "AdamW（PyTorch 默认，foreach）"),
        O::AdamWFused => lang.pick("AdamW, fused", "AdamW，fused"),
        O::AdamWForLoop => lang.pick("AdamW, for-loop", "AdamW，for-loop"),
        O::AdamWCapturable => lang.pick("AdamW, capturable", "AdamW，capturable"),
        O::AdamAmsgrad => lang.pick("Adam with amsgrad", "Adam，amsgrad"),
        O::AmsgradFused => lang.pick("Adam with amsgrad, fused", "Adam，amsgrad，fused"),
        O::AmsgradForLoop => lang.pick("Adam with amsgrad, for-loop", "Adam，amsgrad，for-loop"),
        O::Sgd => "SGD",
        O::SgdMomentum => lang.pick("SGD with momentum", "SGD，带动量"),
        O::SgdNesterov => {
            lang.pick("SGD with Nesterov momentum and weight decay", "SGD，Nesterov 动量 + 权重衰减")
        }
        O::Muon => lang.pick("Muon, with AdamW for the rest", "Muon，其余参数用 AdamW"),
        O::AdafactorTorch => lang.pick("Adafactor (PyTorch)", "Adafactor（PyTorch）"),
        O::NAdam => "NAdam",
        O::RAdam => "RAdam",
        O::Adamax => "Adamax",
        O::RmsProp => "RMSprop",
        O::RmsPropCentered => lang.pick("RMSprop, centred, with momentum", "RMSprop，centered，带动量"),
        O::Adagrad => "Adagrad",
        O::Adadelta => "Adadelta",
        O::Asgd => "ASGD",
        O::Rprop => "Rprop",
        O::Lbfgs => "L-BFGS",
        O::AdamW8bit => lang.pick("8-bit AdamW (bitsandbytes)", "8-bit AdamW（bitsandbytes）"),
        O::PagedAdamW8bit => {
            lang.pick("Paged 8-bit AdamW (bitsandbytes)", "分页 8-bit AdamW（bitsandbytes）")
        }
        O::AdamW32bit => lang.pick("32-bit AdamW (bitsandbytes)", "32-bit AdamW（bitsandbytes）"),
        O::PagedAdamW32bit => {
            lang.pick("Paged 32-bit AdamW (bitsandbytes)", "分页 32-bit AdamW（bitsandbytes）")
        }
        O::Lion8bit => lang.pick("8-bit Lion (bitsandbytes)", "8-bit Lion（bitsandbytes）"),
        O::PagedLion8bit => lang.pick("Paged 8-bit Lion (bitsandbytes)", "分页 8-bit Lion（bitsandbytes）"),
        O::Lion32bit => lang.pick("32-bit Lion (bitsandbytes)", "32-bit Lion（bitsandbytes）"),
        O::PagedLion32bit => {
            lang.pick("Paged 32-bit Lion (bitsandbytes)", "分页 32-bit Lion（bitsandbytes）")
        }
        O::AdEmaMix8bit => lang.pick("8-bit AdEMAMix (bitsandbytes)", "8-bit AdEMAMix（bitsandbytes）"),
        O::PagedAdEmaMix8bit => {
            lang.pick("Paged 8-bit AdEMAMix (bitsandbytes)", "分页 8-bit AdEMAMix（bitsandbytes）")
        }
        O::AdEmaMix32bit => lang.pick("32-bit AdEMAMix (bitsandbytes)", "32-bit AdEMAMix（bitsandbytes）"),
        O::PagedAdEmaMix32bit => {
            lang.pick("Paged 32-bit AdEMAMix (bitsandbytes)", "分页 32-bit AdEMAMix（bitsandbytes）")
        }
        O::Sgd8bit => {
            lang.pick("8-bit SGD with momentum (bitsandbytes)", "8-bit SGD，带动量（bitsandbytes）")
        }
        O::RmsProp8bit => lang.pick("8-bit RMSprop (bitsandbytes)", "8-bit RMSprop（bitsandbytes）"),
        O::Adagrad8bit => lang.pick("8-bit Adagrad (bitsandbytes)", "8-bit Adagrad（bitsandbytes）"),
        O::Sgd32bit => {
            lang.pick("32-bit SGD with momentum (bitsandbytes)", "32-bit SGD，带动量（bitsandbytes）")
        }
        O::RmsProp32bit => lang.pick("32-bit RMSprop (bitsandbytes)", "32-bit RMSprop（bitsandbytes）"),
        O::Adagrad32bit => lang.pick("32-bit Adagrad (bitsandbytes)", "32-bit Adagrad（bitsandbytes）"),
        O::Lamb32bit => lang.pick("LAMB (bitsandbytes)", "LAMB（bitsandbytes）"),
        O::Lars32bit => lang.pick("LARS with momentum (bitsandbytes)", "LARS，带动量（bitsandbytes）"),
        O::AdafactorHf => lang.pick("Adafactor (transformers)", "Adafactor（transformers）"),
        O::AoAdamW8bit => lang.pick("8-bit AdamW (torchao)", "8-bit AdamW（torchao）"),
        O::AoAdamW4bit => lang.pick("4-bit AdamW (torchao)", "4-bit AdamW（torchao）"),
        O::AoAdamWFp8 => lang.pick("fp8 AdamW (torchao)", "fp8 AdamW（torchao）"),
        O::ScheduleFreeAdamW => lang.pick("Schedule-Free AdamW", "Schedule-Free AdamW"),
        O::ScheduleFreeSgd => lang.pick("Schedule-Free SGD", "Schedule-Free SGD"),
        O::LionForeach => {
            lang.pick("Lion, foreach (pytorch_optimizer)", "Lion，foreach（pytorch_optimizer）")
        }
        O::Lamb => lang.pick("LAMB (pytorch_optimizer)", "LAMB（pytorch_optimizer）"),
        O::Adan => "Adan",
        O::AdEmaMix => lang.pick("AdEMAMix (pytorch_optimizer)", "AdEMAMix（pytorch_optimizer）"),
        O::Shampoo => "Shampoo",
        O::Soap => "SOAP",
        O::Lion => "Lion",
        O::Sophia => "Sophia-G",
        O::AdamMini => "Adam-mini",
        O::Came => "CAME",
        O::Lomo => "LOMO",
        O::AdaLomo => "AdaLOMO",
        O::MeZo => lang.pick("MeZO, without gradients", "MeZO，无需梯度"),
        O::BAdam => lang.pick("BAdam, a layer at a time", "BAdam，逐层轮换"),
        O::GaLore => "GaLore AdamW",
        O::GaLore8bit => "GaLore 8-bit AdamW",
        O::QGaLore => "Q-GaLore 8-bit AdamW",
        O::Apollo => "APOLLO",
        O::ApolloMini => "APOLLO-Mini",
        O::Custom => lang.pick("Other, by bytes per parameter", "其他：按每参数字节数填写"),
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
        Library::Authors => lang.pick("authors' packages", "作者发布的代码包"),
        Library::Own => lang.pick("other", "其他"),
    }
}

/// A moving average of the weights.
pub const fn ema(ema: Ema, lang: Lang) -> &'static str {
    match ema {
        Ema::Off => lang.pick("off", "关闭"),
        Ema::Weights => lang.pick("on the GPU, in the dtype of the weights", "在 GPU 上，与权重同精度"),
        Ema::Fp32 => lang.pick("on the GPU in fp32", "在 GPU 上，fp32"),
        Ema::Cpu => lang.pick("on the CPU", "在 CPU 上"),
    }
}
