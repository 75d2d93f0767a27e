//! Words and fixed sentences of the page and the command.

use crate::Lang;

/// Defines [`Word`] with both texts of each.
macro_rules! words {
    ($($variant:ident: $en:literal, $zh:literal;)+) => {
        /// A fixed text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant's text says what it is")]
        pub enum Word {
            $($variant,)+
        }

        impl Word {
            /// Every text.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text in a language.
            pub const fn in_lang(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$variant, Lang::En) => $en, (Self::$variant, Lang::Zh) => $zh,)+
                }
            }
        }
    };
}

words! {
    Title: "VRAM Ledger", "显存账本";
    Tagline: "where the memory of a training step goes", "一步训练的显存花在哪里";
    SkipToAnswer: "Skip to the answer", "跳到结果";
    Settings: "Settings", "设置";
    Language: "Language", "语言";
    UnitLabel: "Unit", "单位";
    Share: "Share", "分享";
    LinkCopied: "Link copied.", "链接已复制。";
    LinkNotCopied: "The browser did not allow copying. The link is in the address bar.", "浏览器不允许复制，链接就在地址栏里。";
    Model: "Model", "模型";
    CustomModel: "Custom model", "自定义模型";
    OwnModel: "Your own model", "自己的模型";
    PasteConfig: "Paste a Hugging Face config.json", "粘贴 Hugging Face 的 config.json";
    ReadConfig: "Read it", "读取";
    ChooseConfig: "Or choose config.json, its weights' index or a safetensors file, or drop them here", "或选择 config.json、权重索引或 safetensors 文件，也可拖放到这里";
    OwnModelHint: "Files stay in your browser, and of weights only the header is read. The link carries the dimensions, so that it opens without the file.", "文件只留在浏览器中，权重文件只读取文件头。链接里带有各项尺寸，无需文件即可打开。";
    HubId: "Model on a hub, such as Qwen/Qwen3-8B", "模型库中的模型，如 Qwen/Qwen3-8B";
    HubAddress: "Address of the hub", "模型库地址";
    HubLoad: "Load", "加载";
    HubLoading: "Asking the hub…", "正在请求模型库…";
    HubWeights: "Compare with its weights", "与其权重文件核对";
    HubWeightsHint: "Asks the hub for the index and the headers of the weights, never for the weights.", "只向模型库请求权重的索引和文件头，不下载权重本身。";
    HubNoWeights: "There are no safetensors files to compare with.", "没有可供核对的 safetensors 文件。";
    KeptModels: "Yours, kept in this browser", "你的模型（保存在此浏览器中）";
    Yours: "yours", "我的";
    Remove: "Remove", "移除";
    FindModel: "Search by name, size or family", "按名称、规模或系列搜索";
    FindControl: "Find a setting ( / )", "查找设置（ / ）";
    NothingFound: "Nothing found.", "没有找到。";
    Dimensions: "Dimensions", "模型尺寸";
    DimensionsHint: "Changing one makes the model your own; with a preset's numbers it is that preset again.", "修改任何一项，模型即成为自定义；数值与预设一致时又会恢复为该预设。";
    MicroBatch: "Micro-batch", "微批大小";
    SequenceLength: "Sequence length", "序列长度";
    Precision: "Precision", "精度";
    OptimizerLabel: "Optimizer", "优化器";
    OptimizerSettingsLabel: "Optimizer's details", "优化器细节";
    OptimizerRankLabel: "Rank of projected gradients", "梯度投影的秩";
    HistoryLabel: "Steps that L-BFGS remembers", "L-BFGS 记住的步数";
    ShampooBlockLabel: "Width of a preconditioned block", "预条件分块的宽度";
    SoapWidestLabel: "Widest preconditioned dimension", "做预条件的最大维度";
    StateBytesLabel: "States, bytes per parameter", "状态：每参数字节数";
    StepBytesLabel: "Inside step(), bytes per parameter", "step() 内：每参数字节数";
    OptimizerUseLabel: "Optimizer in backward, moving average", "反向中更新与滑动平均";
    InBackwardLabel: "Update inside backward", "在反向传播中更新";
    EmaLabel: "Moving average of the weights", "权重滑动平均（EMA）";
    HostLabel: "host memory of a rank, of a node", "主机内存：每 rank、每节点";
    PagedLabel: "paged states in unified memory", "统一内存中的分页状态";
    GpuLabel: "GPU", "GPU";
    GpusLabel: "Number of GPUs", "GPU 数量";
    SpreadLabel: "Way of spreading the run", "并行方式";
    OwnSpread: "own settings", "自定义设置";
    Scaling: "Memory per GPU by number of GPUs", "每卡显存与 GPU 数量";
    ScalingHelp: "Micro-batch and sequence length are each GPU's. A curve that turns level has no more to divide.", "微批大小与序列长度均为每卡的值。曲线变平，说明已没有可切分的内容。";
    StopsHelping: "Twice as many save less than a tenth from here on", "从此处起，GPU 翻倍节省不足一成";
    NeverStops: "each doubling helps", "每次翻倍都有收益";
    MeshPicture: "What each GPU holds", "每块 GPU 存放的内容";
    MeshHelp: "A square is a GPU; the filled one is this. Rows are replicas or shards of the batch, columns are pipeline stages, and squares that touch split each layer or sequence.", "每个方块是一块 GPU，实心为当前这块。行是 batch 的副本或分片，列是流水线各级，相连的方块共同切分每一层或每条序列。";
    MoreGpus: "and so on", "依此类推";
    HeldThing: "Of", "内容";
    HeldShare: "this GPU holds", "这块 GPU 存放";
    HeldLayers: "the layers", "层";
    HeldMatrices: "each layer's matrices", "每层的矩阵";
    HeldSequence: "each sequence", "每条序列";
    HeldExperts: "each layer's experts", "每层的专家";
    HeldWeights: "their weights, between uses", "其中的权重（不在计算时）";
    HeldGradients: "their gradients, once reduced", "其中的梯度（归约之后）";
    HeldStates: "their optimizer states", "其中的优化器状态";
    Everything: "all", "全部";
    MeshDetails: "Mesh and details", "设备网格与细节";
    DataParallelLabel: "Data parallelism", "数据并行";
    ShardGroupLabel: "GPUs that shard one copy (0: all)", "共享一份分片的 GPU 数（0：全部）";
    ReshardLabel: "Weights are sharded again", "权重何时重新分片";
    ReduceDtypeLabel: "Gradients are reduced in", "梯度归约精度";
    GradientSyncLabel: "Gradients are reduced in micro-batch", "在哪个微批归约梯度";
    BucketViewsLabel: "Gradients are views of the buckets", "梯度直接使用梯度桶（视图）";
    StaysGatheredLabel: "Weights stay gathered between micro-batches", "微批之间保持权重聚合";
    CpuOffloadLabel: "Shards and optimizer on the CPU", "分片与优化器放在 CPU";
    ReduceBucketLabel: "Elements of the reduce bucket (ZeRO)", "归约桶元素数（ZeRO）";
    OverlapLabel: "Reduction overlaps with backward (overlap_comm)", "归约与反向重叠（overlap_comm）";
    MaxLiveLabel: "Most gathered elements (ZeRO-3)", "最多保留的完整参数元素数（ZeRO-3）";
    MaxReuseLabel: "Reuse distance within which weights stay (ZeRO-3)", "复用距离（ZeRO-3，距离内不释放）";
    PrefetchLabel: "Elements gathered ahead (ZeRO-3)", "预取元素数（ZeRO-3）";
    PersistenceLabel: "Parameters up to this size stay whole (ZeRO-3)", "不分片的参数大小上限（ZeRO-3）";
    SubGroupLabel: "Elements updated at a time (ZeRO-3)", "每次更新的元素数（ZeRO-3）";
    OffloadOptimizerLabel: "Optimizer on the CPU (offload_optimizer)", "优化器放在 CPU（offload_optimizer）";
    OffloadWeightsLabel: "Weights in host memory (offload_param)", "权重放在主机内存（offload_param）";
    PinnedLabel: "Host memory is page-locked (pin_memory)", "主机内存锁页（pin_memory）";
    LastRankLabel: "Look at the last rank", "查看最后一个 rank";
    TensorParallelLabel: "Tensor parallelism, ways", "张量并行（TP）路数";
    SequenceParallelLabel: "Norms split along the sequence", "归一化沿序列切分（序列并行）";
    LossParallelLabel: "Loss split along the vocabulary", "损失沿词表切分（损失并行）";
    PipelineLabel: "Pipeline stages", "流水线并行（PP）级数";
    ScheduleLabel: "Schedule", "流水线调度";
    StageChunksLabel: "Chunks of layers a stage", "每级的层块数（虚拟流水线）";
    StageLabel: "Look at stage (0: the fullest)", "查看第几级（0：占用最高）";
    ContextParallelLabel: "Context parallelism, ways", "上下文并行（CP）路数";
    RepeatsKeysLabel: "Keys and values repeated for each query head first", "先把键值按查询头复制";
    RotateLabel: "Keys and values are exchanged by", "键值交换方式";
    ExpertParallelLabel: "Expert parallelism, ways", "专家并行（EP）路数";
    ExpertTensorLabel: "Ways in which an expert is split (0: as tensor parallelism)", "专家张量并行（ETP）路数（0：与张量并行相同）";
    MeshLabel: "Product of the mesh", "设备网格各维之积";
    CustomGpu: "Other GPU", "其他 GPU";
    AttentionLabel: "Attention", "注意力";
    KernelsLabel: "Loss and fused kernels", "损失与融合内核";
    LossLabel: "Head and loss", "输出层与损失";
    LossChunksLabel: "Chunks of a sequence", "每条序列的分块数";
    LossChunkTokensLabel: "Tokens of a chunk", "每块的 token 数";
    LossLastTokensLabel: "Last tokens with logits", "计算 logits 的末尾 token 数";
    NormKernelLabel: "Norms", "归一化";
    MlpKernelLabel: "MLP", "MLP";
    RopeKernelLabel: "Rotary positions", "旋转位置编码";
    CompileLabel: "torch.compile", "torch.compile";
    CheckpointLayersLabel: "Layers (k)", "层数（k）";
    CheckpointingLabel: "Activation checkpointing", "激活检查点";
    VocabularyLabel: "Padded vocabulary", "词表填充";
    VocabularyMultiple: "Rows are a multiple of (0: as the model has them)", "行数取整到该数的倍数（0：与模型一致）";
    AccumulationLabel: "Gradient accumulation", "梯度累积";
    AccumulationNumber: "Micro-batches per step", "每步的微批数";
    ZeroGradLabel: "Gradients are freed", "梯度何时释放";
    ReferenceLabel: "Reference model", "参考模型";
    ObjectiveLabel: "Objective and reference model", "训练目标与参考模型";
    VisionLabel: "Images", "图像";
    ImagesLabel: "Images of a sample", "每个样本的图像数";
    FrozenTowerLabel: "Freeze the vision tower", "冻结视觉塔";
    FreezingLabel: "Frozen parts", "冻结部分";
    FreezeEmbeddingLabel: "Freeze the embedding", "冻结嵌入层";
    FreezeLayersLabel: "Freeze layers", "冻结层";
    FreezeCountLabel: "How many", "层数";
    FreezeHeadLabel: "Freeze the last norm and the head", "冻结末端归一化与输出头";
    TrainedKindsLabel: "Of the rest, train", "其余部分中训练";
    AdaptersLabel: "Adapters (LoRA and its kin)", "适配器（LoRA 等）";
    AdapterMethodLabel: "Method", "方法";
    OtherModules: "By name", "按名称";
    PromptTokensLabel: "Tokens of the soft prompt", "软提示的 token 数";
    ModulesToSaveLabel: "Trained whole beside them", "另外完整训练";
    AdapterParameters: "Trained parameters", "可训练参数";
    LabelsLabel: "Classes", "类别数";
    ReferenceMillions: "Its parameters in millions (0: as the policy)", "参考模型参数量（百万；0：与策略相同）";
    RewardModelLabel: "Reward model", "奖励模型";
    RewardMillions: "Its parameters in millions (0: as the policy)", "奖励模型参数量（百万；0：与策略相同）";
    TeacherLabel: "Teacher", "教师模型";
    TeacherMillions: "Its parameters in millions (0: as the student)", "教师模型参数量（百万；0：与学生相同）";
    PromptLabel: "Tokens of the prompt (0: within the sequence length)", "提示的 token 数（0：包含在序列长度内）";
    CompletionLabel: "Tokens of the completion, or of the chosen one (0: half of the sequence)", "补全（或被选中补全）的 token 数（0：序列的一半）";
    RejectedLabel: "Tokens of the rejected completion (0: as the chosen one)", "被拒绝补全的 token 数（0：与被选中的相同）";
    BatchingLabel: "Samples of different lengths", "长短不一的样本";
    LongestLabel: "Tokens of the longest sample (0: the sequence length)", "最长样本的 token 数（0：序列长度）";
    MeanLabel: "Tokens of the mean sample (0: the sequence length)", "样本平均 token 数（0：序列长度）";
    RolloutLabel: "Completions of the policy's own", "策略自行生成的补全";
    GenerationLabel: "Generated", "在哪里生成";
    GenerationCacheLabel: "Cache of generation", "生成时的缓存";
    VllmShareLabel: "vLLM's share of the GPU, in percent", "vLLM 占用 GPU 的百分比";
    GroupLabel: "Completions of a prompt", "每个提示的补全数";
    CallsLabel: "Calls of the policy before one backward", "一次反向之前策略前向的次数";
    LogitsToKeepLabel: "Logits of the completion alone", "只计算补全部分的 logits";
    TemperatureLabel: "Logits divided by a temperature", "logits 除以温度";
    EntropyLabel: "Entropy of the tokens", "计算 token 的熵";
    LoraRank: "Rank (0: full fine-tuning)", "秩（0：全参数微调）";
    LoraTargetsLabel: "Adapters beside", "适配器加在";
    LoraDropoutLabel: "Dropout on the adapters' input", "适配器输入的 dropout";
    LoraDtypeLabel: "Adapters in", "适配器精度";
    BaseDtypeLabel: "Frozen weights in", "冻结权重的精度";
    QuantisedBaseLabel: "Quantised base", "量化的基座";
    DoubleQuantLabel: "Double quantisation of the scales", "对缩放系数二次量化";
    QuantGroupLabel: "Group size", "分组大小";
    KbitLabel: "Cast to fp32 what is not quantised (k-bit preparation)", "未量化部分转为 fp32（k-bit 训练准备）";
    On: "on", "开启";
    Off: "off", "关闭";
    SymbolRank: "rank of the adapters", "适配器的秩";
    SymbolExperts: "experts in a layer", "每层的专家数";
    SymbolExpertsPerToken: "experts that a token goes through", "每个 token 经过的专家数";
    SymbolExpertFfn: "width of an expert; of the shared experts", "单个专家的宽度；共享专家的宽度";
    SymbolLatent: "width of the latent of keys and values; of queries", "键值潜变量的宽度；查询潜变量的宽度";
    SymbolValueDim: "width of a value head", "值头的宽度";
    LogProbsLabel: "Log-probabilities", "对数概率";
    PaddingLabel: "Padding mask", "填充掩码";
    TrainerLabel: "Trainer", "训练器";
    CustomTrainer: "A mixture of your own", "自定义组合";
    LoopLabel: "Training loop", "训练循环";
    AutocastScopeLabel: "Autocast is entered around", "autocast 包住";
    StackLabel: "Versions", "版本";
    HeldLabel: "Held through backward", "反向传播期间仍持有";
    KvCacheLabel: "Key-value cache", "KV 缓存";
    StartFrom: "Start from", "从这里开始";
    Answer: "Answer", "结果";
    Allocated: "allocated", "已分配";
    Reserved: "reserved", "已保留";
    OnTheDevice: "on the device", "设备上占用";
    AllocatedHint: "tensors, as torch.cuda.max_memory_allocated() counts them", "张量本身，即 torch.cuda.max_memory_allocated()";
    ReservedHint: "what PyTorch's caching allocator holds, as a band", "PyTorch 缓存分配器占住的量，给出区间";
    DeviceHint: "reserved, plus the CUDA context", "已保留的量加上 CUDA 上下文";
    Chart: "Memory at each moment of a training step", "一步训练中各时刻的显存";
    ChartHelp: "Arrow keys move between bars and segments.", "方向键可在柱条与色块之间移动。";
    Why: "Why this peak", "峰值为何在此";
    Legend: "Colours", "图例";
    Capacity: "capacity", "容量";
    Ledger: "The ledger", "账目";
    LedgerIntro: "Every tensor that is alive at the chosen moment. The sizes add up to the total.", "所选时刻存活的每个张量，各项之和即总量。";
    Moment: "Moment", "时刻";
    Entry: "Entry", "条目";
    Formula: "Formula", "公式";
    InNumbers: "With your values", "代入你的数值";
    Lifetime: "Alive", "存活时间";
    Source: "Source", "依据";
    Size: "Size", "大小";
    Total: "Total", "合计";
    Category: "Category", "类别";
    Timeline: "Memory over two steps", "两步训练中的显存变化";
    TimelineHelp: "Point at a moment, or use the arrow keys, Page Up and Page Down, Home and End, to see what is alive then. The dashed line is the GPU's memory; the mark on top is the peak.", "指向某一时刻，或用方向键、Page Up、Page Down、Home、End 查看当时仍在显存里的张量。虚线是 GPU 的显存，顶上的标记是峰值。";
    AliveThen: "Largest tensors alive then", "此刻占用最大的张量";
    HowAccurate: "How accurate is this", "准确度如何";
    AccuracyNotLoaded: "The figures could not be loaded.", "未能加载这些数据。";
    AllMoments: "All moments, by category", "全部时刻，按类别";
    Symbols: "Symbols", "符号";
    ByHand: "By hand, and here", "手算与本页对照";
    HandFigure: "By hand", "手算";
    OurFigure: "Here, at the peak", "本页峰值时刻";
    ObservedFigure: "Observed", "实际观察";
    WhatWasLeftOut: "What the hand calculation left out", "手算漏掉了什么";
    Problems: "Not taken", "未能采用";
    KeptRest: "Everything else was kept.", "其余设置均已保留。";
    Peak: "peak", "峰值";
    Private: "Everything is computed in your browser; nothing is sent anywhere.", "全部在浏览器内计算，不上传任何数据。";
    Parameters: "Parameters", "参数量";
    EagerForced: "Soft-capped attention scores need eager attention, so that is what runs.", "注意力分数做了 soft-capping，只能用 eager 实现，因此按 eager 计算。";
    SymbolBatch: "sequences in a forward pass", "一次前向的序列数";
    SymbolSequence: "tokens of a sequence", "每条序列的 token 数";
    SymbolHidden: "hidden width", "隐藏层宽度";
    SymbolFfn: "width of the MLP", "MLP 宽度";
    SymbolHeads: "query heads", "查询头数";
    SymbolKvHeads: "key-value heads", "键值头数";
    SymbolHeadDim: "width of a head", "每个头的宽度";
    SymbolVocabulary: "vocabulary", "词表大小";
    SymbolLayers: "layers", "层数";
    SymbolParameters: "trainable parameters", "可训练参数量";
    SymbolPadded: "padded by the kernel", "内核补齐后的值";
    Fits: "fits", "放得下";
    Requested: "requested", "请求的字节";
    Link: "Link", "链接";
    Id: "Id", "标识";
    Name: "Name", "名称";
    Licence: "Licence", "许可证";
    Rows: "rows", "行";
    Supported: "supported", "支持";
    NotSupported: "not supported", "不支持";
    Median: "median", "中位数";
    Worst: "largest", "最大";
}
