//! Names of ledger entries. Modules keep the names that transformers gives them, in both languages; what it is of them is
//! translated.

use vram_core::ledger::{Module, Name, Part, What};

use crate::Lang;

/// The name of an entry, such as `gate_proj: output`.
pub fn name(name: Name, lang: Lang) -> String {
    let part = match name.part {
        Part::Main | Part::Megatron => "",
        Part::Decoder => lang.pick("decoder ", "解码器 "),
        Part::Vision => lang.pick("vision tower ", "视觉塔 "),
        Part::Value => lang.pick("value model ", "价值模型 "),
        Part::Reward => lang.pick("reward model ", "奖励模型 "),
        Part::Teacher => lang.pick("teacher ", "教师模型 "),
        Part::Cross => lang.pick("decoder, cross-attention ", "解码器交叉注意力 "),
    };
    let module = module(name.module, lang);
    let what = what(name.what, lang);
    match (name.gradient, lang) {
        (false, Lang::En) => format!("{part}{module}: {what}"),
        (false, Lang::Zh) => format!("{part}{module}：{what}"),
        (true, Lang::En) => format!("{part}{module}: gradient of {what}"),
        (true, Lang::Zh) => format!("{part}{module}：{what}的梯度"),
    }
}

const fn module(module: Module, lang: Lang) -> &'static str {
    match module {
        Module::Prompt => lang.pick("soft prompt", "软提示"),
        Module::Vera => lang.pick("VeRA's random matrices", "VeRA 的随机矩阵"),
        Module::Batch => lang.pick("batch", "数据批"),
        Module::EmbeddingDropout => lang.pick("dropout on embeddings", "嵌入 dropout"),
        Module::PositionEmbedding => lang.pick("position embedding", "位置嵌入"),
        Module::PatchEmbedding => lang.pick("patch embedding", "图像块嵌入"),
        Module::Conv1 => lang.pick("first convolution", "第一个卷积"),
        Module::Conv2 => lang.pick("second convolution", "第二个卷积"),
        Module::ClassToken => lang.pick("class token", "分类 token"),
        Module::Layer => lang.pick("layer", "层"),
        Module::Attention => lang.pick("attention", "注意力"),
        Module::Sinks => lang.pick("attention sinks", "注意力汇（sinks）"),
        Module::Scan => lang.pick("scan", "扫描"),
        Module::GatedNorm => lang.pick("gated norm", "门控归一化"),
        Module::SharedGate => lang.pick("gate of the shared expert", "共享专家的门控"),
        Module::AttentionDropout => lang.pick("dropout after attention", "注意力后的 dropout"),
        Module::RelativePositions => lang.pick("relative positions", "相对位置"),
        Module::InnerDropout => lang.pick("dropout within the MLP", "MLP 内的 dropout"),
        Module::MlpDropout => lang.pick("dropout after the MLP", "MLP 后的 dropout"),
        Module::Loss => lang.pick("loss", "损失"),
        Module::Optimizer => lang.pick("optimizer", "优化器"),
        Module::Root => lang.pick("root group", "根组"),
        Module::Buckets => "DDP",
        Module::ZeroBuckets => "ZeRO",
        Module::ZeroPartition => lang.pick("this rank (ZeRO)", "本 rank（ZeRO）"),
        Module::KvCache => lang.pick("key-value cache", "KV 缓存"),
        Module::Engine => "vLLM",
        Module::Cublas => "cuBLAS",
        Module::TransformerEngine => "Transformer Engine",
        other => other.key(),
    }
}

#[expect(clippy::too_many_lines, reason = "a line a name")]
const fn what(what: What, lang: Lang) -> &'static str {
    match what {
        What::Weight => lang.pick("weight", "权重"),
        What::Bias => lang.pick("bias", "偏置"),
        What::Buffer => lang.pick("inverse frequencies", "逆频率缓冲区"),
        What::WeightCast => lang.pick("16-bit copy of the weight", "权重的 16 位副本"),
        What::BiasCast => lang.pick("16-bit copy of the bias", "偏置的 16 位副本"),
        What::Gathered => lang.pick("gathered weights", "聚合后的完整权重"),
        What::GatherBuffer => lang.pick("all-gather buffer", "all-gather 缓冲区"),
        What::ShardCast => lang.pick("shard in the dtype of compute", "转换为计算精度的分片"),
        What::ReduceInput => lang.pick("reduce-scatter input", "reduce-scatter 输入"),
        What::ReduceOutput => lang.pick("reduce-scatter output", "reduce-scatter 输出"),
        What::GradientCast => {
            lang.pick("gradient shard in the dtype of the weights", "转换为权重精度的梯度分片")
        }
        What::FlatGradient => lang.pick("flat gradient", "展平的梯度"),
        What::UnshardedGradients => lang.pick("gradients before they are reduced", "归约前的完整梯度"),
        What::Partition => lang.pick("its part", "所属分片"),
        What::Bucket => lang.pick("gradient buckets", "梯度桶"),
        What::Master => lang.pick("fp32 master weights", "fp32 主权重"),
        What::Input => lang.pick("input", "输入"),
        What::InputCast => lang.pick("16-bit copy of the input", "输入的 16 位副本"),
        What::Output => lang.pick("output", "输出"),
        What::Received => lang.pick("input of the micro-batch before", "上一个微批的输入"),
        What::Residual => lang.pick("sum with the residual stream", "与残差流之和"),
        What::Fp32Copy => lang.pick("fp32 copy of the input", "输入的 fp32 副本"),
        What::Contiguous => lang.pick("contiguous copy of the input", "输入的连续副本"),
        What::Square => lang.pick("square", "平方"),
        What::Variance => lang.pick("mean square", "均方"),
        What::InverseRms => lang.pick("1 / root mean square", "均方根的倒数"),
        What::Mean => lang.pick("mean", "均值"),
        What::InverseStd => lang.pick("1 / standard deviation", "标准差的倒数"),
        What::Normalised => lang.pick("normalised input", "归一化后的输入"),
        What::Scaled => lang.pick("normalised input times weight", "归一化输入乘权重"),
        What::Centred => lang.pick("input without its mean", "减去均值后的输入"),
        What::OnePlusWeight => lang.pick("1 + weight", "1 + 权重"),
        What::Features => lang.pick("spectrograms", "频谱图"),
        What::Pixels => lang.pick("pixels", "像素"),
        What::TokenIds => lang.pick("token ids", "token id"),
        What::Labels => lang.pick("labels", "标签"),
        What::ShiftedLabels => lang.pick("labels moved by one", "错开一位的标签"),
        What::ShiftedLogits => lang.pick("logits without the last token's", "去掉末位的 logits 副本"),
        What::CosSin => lang.pick("cosines and sines", "余弦与正弦表"),
        What::Angles => lang.pick("angles", "旋转角度"),
        What::Rotated => lang.pick("rotated copy", "旋转后的副本"),
        What::TimesCos => lang.pick("product with cosines", "与余弦之积"),
        What::TimesSin => lang.pick("product with sines", "与正弦之积"),
        What::Query => lang.pick("queries", "查询"),
        What::Key => lang.pick("keys", "键"),
        What::Value => lang.pick("values", "值"),
        What::KeyExpanded => lang.pick("keys, repeated for each query head", "按查询头复制的键"),
        What::ValueExpanded => lang.pick("values, repeated for each query head", "按查询头复制的值"),
        What::LogSumExp => lang.pick("log-sum-exp", "log-sum-exp"),
        What::Scores => lang.pick("scores", "分数"),
        What::MaskedScores => lang.pick("scaled scores", "缩放后的分数"),
        What::Selected => lang.pick("tokens in the order of their experts", "按专家排序的 token"),
        What::Balance => lang.pick("probabilities of the balancing loss", "负载均衡损失的概率"),
        What::RoutingWeights => lang.pick("weights of the chosen experts", "所选专家的权重"),
        What::Noise => lang.pick("noise on the input", "输入噪声"),
        What::RoutingIndices => lang.pick("indices of the chosen experts", "所选专家的索引"),
        What::Weighted => lang.pick("output times the experts' weights", "乘以专家权重后的输出"),
        What::Encoded => lang.pick("output of the encoder", "编码器的输出"),
        What::Tanh => "tanh",
        What::Scaledown => lang.pick("input divided by the cap", "除以上限后的输入"),
        What::Decay => lang.pick("decay", "衰减"),
        What::ChunkState => lang.pick("state between two chunks", "块间状态"),
        What::Filled => lang.pick("copy padded to whole chunks", "填充到整块的副本"),
        What::Softmax => "softmax",
        What::SoftmaxCast => lang.pick("softmax in 16 bits", "16 位 softmax"),
        What::DropoutMask => lang.pick("dropout mask", "dropout 掩码"),
        What::Mask => lang.pick("mask", "掩码"),
        What::MaskBias => lang.pick("mask as an additive bias", "加性掩码"),
        What::Product => lang.pick("product", "乘积"),
        What::Step => lang.pick("intermediate step", "中间结果"),
        What::LogitsFp32 => lang.pick("fp32 copy of the logits", "logits 的 fp32 副本"),
        What::Logits => "logits",
        What::LargestLogit => lang.pick("largest logit of each row", "每行的最大 logit"),
        What::LogSoftmax => "log-softmax",
        What::LogProbs => lang.pick("log-probabilities of the labels", "标签的对数概率"),
        What::Workspace => lang.pick("workspace", "工作区"),
        What::Accumulator => lang.pick("fp32 accumulator", "fp32 累加器"),
        What::SortBuffers => lang.pick("sort buffers", "排序缓冲区"),
        What::ExpAvg => lang.pick("first moment (exp_avg)", "一阶矩（exp_avg）"),
        What::ExpAvgSq => lang.pick("second moment (exp_avg_sq)", "二阶矩（exp_avg_sq）"),
        What::MaxExpAvgSq => {
            lang.pick("largest second moment (max_exp_avg_sq)", "最大二阶矩（max_exp_avg_sq）")
        }
        What::ExpInf => lang.pick("largest gradient (exp_inf)", "梯度的无穷范数（exp_inf）"),
        What::Momentum => lang.pick("momentum", "动量"),
        What::SlowExpAvg => lang.pick("slow first moment", "慢速一阶矩"),
        What::ExpAvgDiff => lang.pick("moment of gradient differences", "梯度差分的矩"),
        What::PreviousGradient => lang.pick("gradient of the step before", "上一步的梯度"),
        What::Hessian => lang.pick("diagonal of the Hessian", "Hessian 对角线"),
        What::BlockMean => lang.pick("second moment, one a block", "按块的二阶矩"),
        What::Iterate => lang.pick("base iterate (z)", "基准迭代点（z）"),
        What::Averaged => lang.pick("averaged parameters (ax)", "参数均值（ax）"),
        What::StepSize => lang.pick("step sizes", "步长"),
        What::History => lang.pick("history of steps and gradients", "步与梯度的历史"),
        What::Direction => lang.pick("last direction", "上一次的方向"),
        What::GradAvg => lang.pick("mean of gradients (grad_avg)", "梯度的均值（grad_avg）"),
        What::Preconditioner => lang.pick("preconditioners", "预条件矩阵"),
        What::GraftMomentum => lang.pick("momentum of the grafted update", "嫁接更新的动量"),
        What::Eigenvectors => lang.pick("eigenvectors of the preconditioners", "预条件矩阵的特征向量"),
        What::Average => lang.pick("moving average of the weights", "权重的滑动平均"),
        What::Projector => lang.pick("projection to a low rank", "低秩投影矩阵"),
        What::State => lang.pick("states, as given", "状态（按填写值）"),
        What::RowInstability => lang.pick("row means of squared deviations", "偏差平方的行均值"),
        What::ColumnInstability => lang.pick("column means of squared deviations", "偏差平方的列均值"),
        What::SquareAvg => {
            lang.pick("mean of squared gradients (square_avg)", "梯度平方的均值（square_avg）")
        }
        What::AccDelta => lang.pick("mean of squared updates (acc_delta)", "更新量平方的均值（acc_delta）"),
        What::StateSum => lang.pick("sum of squared gradients (sum)", "梯度平方之和（sum）"),
        What::RowVariance => lang.pick("row means of squared gradients", "梯度平方的行均值"),
        What::ColumnVariance => lang.pick("column means of squared gradients", "梯度平方的列均值"),
        What::Steps => lang.pick("numbers kept for each tensor", "每个张量的计数"),
        What::BlockScales => lang.pick("scales of quantised blocks", "量化分块的缩放系数"),
        What::QuantileMap => lang.pick("tables of quantised values", "量化表"),
        What::ExpAvg8bit => lang.pick("quantised first moment", "量化的一阶矩"),
        What::ExpAvgSq8bit => lang.pick("quantised second moment", "量化的二阶矩"),
        What::StepDenominator => {
            lang.pick("square root of the second moment, inside step()", "step() 内二阶矩的平方根")
        }
        What::StepCopy => lang.pick("copy of the gradients, inside step()", "step() 内梯度的副本"),
        What::StepCopyOfKeys => {
            lang.pick("a layer's keys with one token more", "追加一个 token 后某一层的键")
        }
        What::WeightsAndCache => lang.pick("weights and cache", "权重与缓存"),
        What::StepLargest => {
            lang.pick("copies of the largest parameter, inside step()", "step() 内最大参数的副本")
        }
        What::DummyGradient => lang.pick("stand-in for gradients of weights", "权重梯度的占位张量"),
        What::GradientFp32 => {
            lang.pick("fp32 copy of the gradients, inside step()", "step() 内梯度的 fp32 副本")
        }
        other => of_adapter(other, lang),
    }
}

/// What adapters and quantised weights have and make.
const fn of_adapter(what: What, lang: Lang) -> &'static str {
    match what {
        What::QuantScales => lang.pick("scales of quantisation", "量化的缩放系数"),
        What::NestedScales => lang.pick("scales of the scales", "缩放系数的缩放系数"),
        What::QuantTable => lang.pick("table of quantised values", "量化取值表"),
        What::QuantOffset => lang.pick("offset of the scales", "缩放系数的偏移"),
        What::ZeroPoints => lang.pick("zero points", "零点"),
        What::GroupIndex => lang.pick("group of each row", "每行所属的组"),
        What::Merged => lang.pick("weight with its adapter added", "加上适配器后的权重"),
        What::Dequantised => lang.pick("dequantised weight", "反量化后的权重"),
        What::QuantisedInput => lang.pick("input in 8 bits", "8 位输入"),
        What::Outliers => lang.pick("search for outliers in the input", "输入中的离群值查找"),
        What::Magnitude => lang.pick("DoRA magnitude", "DoRA 幅值"),
        What::WeightNorm => lang.pick("norm of the adapted weight", "加上适配器后权重的范数"),
        What::MagnitudeScale => lang.pick("magnitude over norm", "幅值与范数之比"),
        What::LoraWeight => lang.pick("multiplied-out weight of the adapter", "适配器展开后的权重"),
        What::Identity => lang.pick("identity matrix", "单位矩阵"),
        What::LambdaB => lang.pick("VeRA lambda b", "VeRA λ_b"),
        What::LambdaD => lang.pick("VeRA lambda d", "VeRA λ_d"),
        What::Ia3Scale => lang.pick("(IA)³ vector", "(IA)³ 向量"),
        What::LoraA => lang.pick("LoRA A", "LoRA A"),
        What::LoraB => lang.pick("LoRA B", "LoRA B"),
        What::LoraInput => lang.pick("input of the LoRA adapter", "LoRA 适配器的输入"),
        What::LoraDown => lang.pick("output of LoRA A", "LoRA A 的输出"),
        What::LoraUp => lang.pick("output of LoRA B", "LoRA B 的输出"),
        What::LoraScaled => lang.pick("scaled output of LoRA B", "LoRA B 缩放后的输出"),
        What::LoraSum => lang.pick("output with LoRA added", "加上 LoRA 之后的输出"),
        other => other.key(),
    }
}
