//! Parts of a model and of the training loop.

use super::names;

names! {
    /// A part of the model or of the training loop.
    Module {
        /// The batch as the data loader gives it.
        Batch = "batch",
        /// A soft prompt.
        Prompt = "prompt_encoder",
        /// The first linear layer of a prefix's encoder.
        PrefixHidden = "prompt_encoder.transform.0",
        /// The second one.
        PrefixOutput = "prompt_encoder.transform.2",
        /// The random matrices that all of VeRA's adapters share.
        Vera = "vera",
        /// Token embedding.
        Embedding = "embed_tokens",
        /// Learned position embedding.
        PositionEmbedding = "position_embedding",
        /// Token type (segment) embedding.
        TokenTypeEmbedding = "token_type_embeddings",
        /// Table of relative positions, a number for each head.
        RelativePositions = "relative_attention_bias",
        /// Norm of the embeddings' sum.
        EmbeddingNorm = "embeddings.LayerNorm",
        /// Dropout on the embeddings.
        EmbeddingDropout = "embedding_dropout",
        /// The convolution that makes a token of each patch of an image.
        PatchEmbedding = "patch_embeddings",
        /// The first convolution over a spectrogram.
        Conv1 = "conv1",
        /// The second one, which takes every other frame.
        Conv2 = "conv2",
        /// The token before the patches.
        ClassToken = "cls_token",
        /// Rotary position embedding.
        Rope = "rotary_emb",
        /// The decoder layer as a whole: its input and output, the residual stream.
        Layer = "layer",
        /// Norm before attention.
        InputNorm = "input_layernorm",
        /// q projection.
        QProj = "q_proj",
        /// k projection.
        KProj = "k_proj",
        /// v projection.
        VProj = "v_proj",
        /// Fused q, k and v projection.
        QkvProj = "qkv_proj",
        /// Norm over each query head.
        QNorm = "q_norm",
        /// Norm over each key head.
        KNorm = "k_norm",
        /// Attention between the projections.
        Attention = "attention",
        /// Latent attention's first projection of queries.
        QAProj = "q_a_proj",
        /// Norm of what it makes.
        QANorm = "q_a_layernorm",
        /// Latent attention's second projection of queries.
        QBProj = "q_b_proj",
        /// Latent attention's first projection of keys and values.
        KvAProj = "kv_a_proj_with_mqa",
        /// Norm of the latent.
        KvANorm = "kv_a_layernorm",
        /// Latent attention's second projection of keys and values.
        KvBProj = "kv_b_proj",
        /// Makes queries, keys, values and the output's gate of a recurrent layer (`in_proj_qkvz`, `in_proj`).
        RecurrentIn = "in_proj",
        /// Makes each head's decay and rate of learning (`in_proj_ba`).
        RecurrentRates = "in_proj_ba",
        /// The convolution over the last tokens.
        Conv = "conv1d",
        /// Makes a step's length, B and C of what the convolution has made (`x_proj`).
        SelectiveIn = "x_proj",
        /// Norm of the length of a step.
        StepNorm = "dt_layernorm",
        /// Norm of B.
        BNorm = "b_layernorm",
        /// Norm of C.
        CNorm = "c_layernorm",
        /// Widens the length of a step from its rank to all channels.
        StepProj = "dt_proj",
        /// What is added to a step's length before softplus.
        DtBias = "dt_bias",
        /// Logarithm of a head's decay.
        ALog = "A_log",
        /// What a head adds of its own input.
        Skip = "D",
        /// The update of the state and what is read of it.
        Scan = "scan",
        /// The norm of what is read, with its gate.
        GatedNorm = "gated_norm",
        /// The projection behind it.
        RecurrentOut = "out_proj",
        /// A learned number for each head that takes part in the softmax of its scores.
        Sinks = "sinks",
        /// Head over labels.
        Score = "score",
        /// Output projection of attention.
        OProj = "o_proj",
        /// Dropout after attention.
        AttentionDropout = "attention_dropout",
        /// Norm after attention, before the residual sum (Gemma) or before the MLP (others).
        PostAttentionNorm = "post_attention_layernorm",
        /// Norm before the MLP where there are four norms.
        PreMlpNorm = "pre_feedforward_layernorm",
        /// Gate projection.
        GateProj = "gate_proj",
        /// Up projection.
        UpProj = "up_proj",
        /// Fused gate and up projection.
        GateUpProj = "gate_up_proj",
        /// The MLP's activation function.
        Activation = "act_fn",
        /// Down projection.
        DownProj = "down_proj",
        /// The router, which chooses experts for each token.
        Router = "gate",
        /// All experts' gate and up projections.
        ExpertsUp = "experts.gate_up_proj",
        /// The experts between their projections.
        Experts = "experts",
        /// All experts' down projections.
        ExpertsDown = "experts.down_proj",
        /// Gate projection of the shared experts.
        SharedGateProj = "shared_experts.gate_proj",
        /// Up projection of the shared experts.
        SharedUpProj = "shared_experts.up_proj",
        /// Down projection of the shared experts.
        SharedDownProj = "shared_experts.down_proj",
        /// The gate by which the shared experts' output is multiplied.
        SharedGate = "shared_expert_gate",
        /// Dropout within the MLP.
        InnerDropout = "inner_dropout",
        /// Dropout after the MLP.
        MlpDropout = "mlp_dropout",
        /// Norm after the MLP.
        PostMlpNorm = "post_feedforward_layernorm",
        /// Norm after the last layer.
        FinalNorm = "norm",
        /// The linear layer before the projection to the vocabulary.
        HeadTransform = "transform.dense",
        /// The norm after it.
        HeadNorm = "transform.LayerNorm",
        /// The projection of the class token to the classes.
        Classifier = "classifier",
        /// The first linear layer between a vision tower and a language model.
        ProjectorUp = "multi_modal_projector.linear_1",
        /// The second one.
        ProjectorDown = "multi_modal_projector.linear_2",
        /// The projection to the vocabulary.
        LmHead = "lm_head",
        /// The loss.
        Loss = "loss",
        /// What is no layer: embedding, final norm, head. FSDP's root group.
        Root = "root",
        /// Data parallelism's buckets.
        Buckets = "ddp",
        /// The buckets of DeepSpeed's ZeRO.
        ZeroBuckets = "zero",
        /// A rank's part under ZeRO.
        ZeroPartition = "zero.partition",
        /// The optimizer.
        Optimizer = "optimizer",
        /// The cache of generation.
        KvCache = "kv_cache",
        /// An inference engine beside the training loop.
        Engine = "engine",
        /// cuBLAS, the library of matrix products.
        Cublas = "cublas",
        /// Transformer Engine.
        TransformerEngine = "transformer_engine",
    }
}
