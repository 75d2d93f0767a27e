//! The forms in which families write the parts of a layer.

/// How a layer's two branches and their norms are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branches {
    /// The MLP reads what attention has been added to.
    Sequence,
    /// Both read the layer's input, each through a norm of its own (`GPTNeoXLayer`).
    Parallel,
    /// Both read what one norm makes of the layer's input (`PhiDecoderLayer`, `CohereDecoderLayer`).
    ParallelOneNorm,
}

/// `apply_rotary_pos_emb` in its forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeKind {
    /// `x * cos + rotate_half(x) * sin`, whose halves are the first and the last dimensions.
    Halves,
    /// The same with even and odd dimensions in place of halves, and cosines repeated for each layer (`modeling_glm.py`).
    Interleaved,
    /// The same in fp32, back to the dtype that was given (`modeling_ernie4_5.py`).
    InterleavedRepeatedFp32,
    /// The same with a table that needs no repeating (`modeling_cohere.py`).
    InterleavedFp32,
    /// Each half is made by itself and the two are concatenated (`modeling_gpt_oss.py`).
    Concatenated,
    /// The same of even and odd dimensions (`modeling_deepseek_v3.py`, `apply_rotary_pos_emb_interleave`).
    Pairs,
    /// Complex numbers in fp32 (`modeling_llama4.py`, `modeling_deepseek_v2.py`).
    Complex,
}

impl RopeKind {
    /// Whether each layer repeats the model's cosines and sines.
    pub const fn repeats_tables(self) -> bool {
        matches!(self, Self::Interleaved | Self::InterleavedRepeatedFp32)
    }
}

/// How queries and keys are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// Not at all.
    None,
    /// Head by head, before RoPE (`Qwen3Attention`, `Gemma3Attention`).
    Heads,
    /// Head by head, after RoPE (`HunYuanDenseV1Attention`).
    HeadsAfterRope,
    /// All heads together, before they are split (`OlmoeAttention`).
    Wide,
    /// Head by head after RoPE, without weights, in the layers that have positions (`Llama4TextL2Norm`).
    WithoutWeights,
}

/// How the length of a step, B and C of a selective scan are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanNorms {
    /// Not at all (`MambaMixer`).
    None,
    /// By norms with weights (`JambaMambaMixer`).
    Weighted,
    /// By norms without (`FalconMambaWeightlessRMSNorm`).
    WithoutWeights,
}

/// How a token's experts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Softmax in fp32, the largest few, which stay fp32 (`MixtralTopKRouter`).
    Softmax,
    /// The same, cast to the dtype of the logits (`Qwen3MoeTopKRouter`).
    SoftmaxCast,
    /// The same, cast to the dtype of what the router reads (`JambaTopKRouter`).
    SoftmaxAsInput,
    /// The product of fp32 copies, softmax, a scale (`DeepseekV2TopkRouter`).
    SoftmaxFp32,
    /// The product of fp32 copies, sigmoid, groups, a scale (`DeepseekV3TopkRouter`).
    SigmoidGroups,
    /// Sigmoid in fp32, a buffer added to choose by (`MiniMaxM2TopKRouter`).
    Sigmoid,
    /// The largest few logits, softmax of those (`GptOssTopKRouter`).
    SoftmaxOfLargest,
    /// The same in fp32, cast back (`GraniteMoeTopKRouter`).
    SoftmaxOfLargestFp32,
    /// Two experts drawn one after the other, each with a weight of its own (`sparsemixer` of `modeling_phimoe.py`).
    SparseMixer,
    /// Every expert sees every token, times the sigmoid of the largest logits (`Llama4TextMoe`).
    Everyone,
}
