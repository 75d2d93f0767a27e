//! What an operator keeps, makes or needs of a module.

use super::names;

names! {
    /// What an operator keeps, makes or needs of a module.
    What {
        /// Weight.
        Weight = "weight",
        /// Bias.
        Bias = "bias",
        /// A buffer that is no parameter.
        Buffer = "buffer",
        /// Autocast's 16-bit copy of the weight.
        WeightCast = "weight_cast",
        /// Autocast's 16-bit copy of the bias.
        BiasCast = "bias_cast",
        /// fp32 master copy of the weight.
        Master = "master",
        /// Input.
        Input = "input",
        /// Autocast's 16-bit copy of the input.
        InputCast = "input_cast",
        /// Output.
        Output = "output",
        /// Came from another rank, for the micro-batch before.
        Received = "received",
        /// Sum with the residual stream.
        Residual = "residual",
        /// fp32 copy.
        Fp32Copy = "fp32_copy",
        /// A copy in the memory layout that the next kernel needs.
        Contiguous = "contiguous",
        /// Square of the input.
        Square = "square",
        /// Mean of squares, one a row.
        Variance = "variance",
        /// 1 / root mean square, one a row.
        InverseRms = "rsqrt",
        /// Mean, one a row.
        Mean = "mean",
        /// 1 / standard deviation, one a row.
        InverseStd = "rstd",
        /// Normalised input, before the weight.
        Normalised = "normalised",
        /// The normalised input times the weight, in fp32.
        Scaled = "scaled",
        /// The input with its mean taken away.
        Centred = "centred",
        /// 1 + weight.
        OnePlusWeight = "one_plus_weight",
        /// Pixels of the images.
        Pixels = "pixel_values",
        /// Spectrograms of the sound.
        Features = "input_features",
        /// Token ids.
        TokenIds = "token_ids",
        /// Labels.
        Labels = "labels",
        /// Labels moved by one position.
        ShiftedLabels = "shifted_labels",
        /// Logits of all tokens but the last.
        ShiftedLogits = "shifted_logits",
        /// Cosines and sines.
        CosSin = "cos_sin",
        /// Angles that rotary positions rotate by.
        Angles = "angles",
        /// Half-rotated copy (`rotate_half`).
        Rotated = "rotated",
        /// Product with the cosines.
        TimesCos = "times_cos",
        /// Product with the sines.
        TimesSin = "times_sin",
        /// Queries with positions applied.
        Query = "query",
        /// Keys with positions applied.
        Key = "key",
        /// Values.
        Value = "value",
        /// Keys repeated for every query head.
        KeyExpanded = "key_expanded",
        /// Values repeated for every query head.
        ValueExpanded = "value_expanded",
        /// Log-sum-exp of the scores, one a row.
        LogSumExp = "logsumexp",
        /// Attention scores.
        Scores = "scores",
        /// Scores with scale or mask applied.
        MaskedScores = "masked_scores",
        /// Tokens, once for each expert that they go through, or the like.
        Selected = "selected",
        /// A weight for each token and expert that it goes through.
        RoutingWeights = "routing_weights",
        /// What a loss that balances the experts is computed from.
        Balance = "balance",
        /// Random numbers by which the input is multiplied.
        Noise = "noise",
        /// Which experts are chosen, in which order tokens go through them.
        RoutingIndices = "routing_indices",
        /// What experts make, times the routing weights.
        Weighted = "weighted",
        /// What the encoder has made.
        Encoded = "encoded",
        /// Tanh of soft-capping.
        Tanh = "tanh",
        /// Input divided by the soft-cap.
        Scaledown = "scaled_down",
        /// Softmax.
        Softmax = "softmax",
        /// Softmax back in 16 bits.
        SoftmaxCast = "softmax_cast",
        /// Dropout mask.
        DropoutMask = "dropout_mask",
        /// DoRA's magnitude of each output.
        Magnitude = "magnitude",
        /// The norm of each row of the weight with LoRA's added.
        WeightNorm = "weight_norm",
        /// Magnitude over norm.
        MagnitudeScale = "magnitude_scale",
        /// The weight of a whole adapter, multiplied out.
        LoraWeight = "lora_weight",
        /// An identity matrix.
        Identity = "identity",
        /// VeRA's vector beside the output.
        LambdaB = "lambda_b",
        /// VeRA's vector beside the rank.
        LambdaD = "lambda_d",
        /// (IA)³'s vector.
        Ia3Scale = "ia3_l",
        /// Scales of quantised blocks, groups or rows of a weight.
        QuantScales = "quant_scales",
        /// Scales of scales that are themselves quantised.
        NestedScales = "nested_quant_scales",
        /// Table of the values that quantised weights or scales can have.
        QuantTable = "quant_table",
        /// What is added to all scales.
        QuantOffset = "quant_offset",
        /// Zero points of quantised groups.
        ZeroPoints = "zero_points",
        /// The group of each row.
        GroupIndex = "group_index",
        /// A quantised weight as it was before.
        Dequantised = "dequantised_weight",
        /// A weight with its adapter multiplied out and added.
        Merged = "merged_weight",
        /// Input in 8 bits.
        QuantisedInput = "input_int8",
        /// Which inputs are too large for 8 bits.
        Outliers = "outliers",
        /// LoRA's matrix that narrows to the rank.
        LoraA = "lora_a",
        /// LoRA's matrix that widens from the rank.
        LoraB = "lora_b",
        /// Input of LoRA's adapter, in the adapter's dtype.
        LoraInput = "lora_input",
        /// What LoRA's first matrix makes.
        LoraDown = "lora_down",
        /// What LoRA's second matrix makes.
        LoraUp = "lora_up",
        /// The same times `alpha / r`.
        LoraScaled = "lora_scaled",
        /// The linear layer's output with the adapter's added.
        LoraSum = "lora_sum",
        /// Logarithms of decays, their sums within a chunk, and what they are raised to.
        Decay = "decay",
        /// A state between two chunks.
        ChunkState = "chunk_state",
        /// A copy that is filled up to whole chunks.
        Filled = "filled",
        /// Bool mask.
        Mask = "mask",
        /// Additive mask in the dtype of the scores.
        MaskBias = "mask_bias",
        /// Activation times up projection.
        Product = "product",
        /// A step of a formula that is written out in Python.
        Step = "step",
        /// fp32 copy of the logits.
        LogitsFp32 = "logits_fp32",
        /// Logits.
        Logits = "logits",
        /// The largest logit of each row.
        LargestLogit = "largest_logit",
        /// log-softmax of the logits.
        LogSoftmax = "log_softmax",
        /// Log-probabilities of the labels.
        LogProbs = "log_probs",
        /// A kernel's workspace.
        Workspace = "workspace",
        /// fp32 accumulator of a kernel.
        Accumulator = "accumulator",
        /// Indices sorted by the embedding's backward.
        SortBuffers = "sort_buffers",
        /// First moment.
        ExpAvg = "exp_avg",
        /// Second moment.
        ExpAvgSq = "exp_avg_sq",
        /// Largest second moment so far (amsgrad).
        MaxExpAvgSq = "max_exp_avg_sq",
        /// Largest absolute gradient so far (Adamax).
        ExpInf = "exp_inf",
        /// Momentum.
        Momentum = "momentum_buffer",
        /// A second, slower first moment (AdEMAMix).
        SlowExpAvg = "slow_exp_avg",
        /// Moment of the differences of gradients (Adan).
        ExpAvgDiff = "exp_avg_diff",
        /// Gradient of the step before (Adan, Rprop, L-BFGS).
        PreviousGradient = "previous_grad",
        /// Diagonal of the Hessian (Sophia).
        Hessian = "hessian",
        /// Second moments of blocks (Adam-mini).
        BlockMean = "vmean",
        /// Base iterate (schedule-free).
        Iterate = "z",
        /// Averaged parameters (ASGD).
        Averaged = "ax",
        /// Step sizes (Rprop).
        StepSize = "step_size",
        /// Differences of steps and of gradients (L-BFGS).
        History = "history",
        /// Direction of the last step (L-BFGS).
        Direction = "direction",
        /// Average of gradients (centred RMSprop).
        GradAvg = "grad_avg",
        /// Preconditioners of a tensor's dimensions (Shampoo, SOAP).
        Preconditioner = "preconditioner",
        /// Momentum of the update that gives Shampoo its length.
        GraftMomentum = "graft_momentum",
        /// Eigenvectors of preconditioners (SOAP).
        Eigenvectors = "eigenvectors",
        /// Moving average of the weights.
        Average = "average",
        /// Projection to a low rank (GaLore, APOLLO).
        Projector = "projector",
        /// What a reader says that an optimizer keeps.
        State = "state",
        /// Row means of squared deviations (CAME).
        RowInstability = "exp_avg_res_row",
        /// Column means of squared deviations (CAME).
        ColumnInstability = "exp_avg_res_col",
        /// Average of squared gradients (RMSprop, Adadelta).
        SquareAvg = "square_avg",
        /// Average of squared updates (Adadelta).
        AccDelta = "acc_delta",
        /// Sum of squared gradients (Adagrad).
        StateSum = "sum",
        /// Row means of squared gradients (Adafactor).
        RowVariance = "row_var",
        /// Column means of squared gradients (Adafactor).
        ColumnVariance = "col_var",
        /// Step counters on the GPU.
        Steps = "step_counters",
        /// Scales of quantised blocks.
        BlockScales = "block_scales",
        /// Table of quantised values.
        QuantileMap = "quantile_map",
        /// First moment in 8 bits.
        ExpAvg8bit = "exp_avg_8bit",
        /// Second moment in 8 bits.
        ExpAvgSq8bit = "exp_avg_sq_8bit",
        /// `sqrt` of the second moment of every parameter, inside `step()`.
        StepDenominator = "step_denominator",
        /// Copies of a list of tensors inside `step()`.
        StepCopy = "step_copy",
        /// A layer's keys, copied with one token more.
        StepCopyOfKeys = "copy_of_keys",
        /// An engine's weights and cache together.
        WeightsAndCache = "weights_and_cache",
        /// Copy for one parameter at a time inside `step()`.
        StepLargest = "step_largest",
        /// Whole weights that were gathered from all ranks' shards.
        Gathered = "gathered",
        /// What an all-gather fills, before weights are copied out of it.
        GatherBuffer = "all_gather_buffer",
        /// A shard in the dtype that is gathered.
        ShardCast = "shard_cast",
        /// Gradients as a reduce-scatter takes them.
        ReduceInput = "reduce_scatter_input",
        /// What a reduce-scatter makes.
        ReduceOutput = "reduce_scatter_output",
        /// The same in the gradient's dtype.
        GradientCast = "gradient_cast",
        /// The gradient of a flat parameter, made of its views'.
        FlatGradient = "flat_gradient",
        /// What one rank has of a flat buffer.
        Partition = "partition",
        /// Gradients of whole weights.
        UnshardedGradients = "unsharded_gradients",
        /// Buckets in which gradients are averaged.
        Bucket = "buckets",
        /// fp32 copy of the gradients for master weights.
        GradientFp32 = "gradient_fp32",
        /// What stands for a gradient that a kernel has added elsewhere.
        DummyGradient = "dummy_wgrad",
    }
}
