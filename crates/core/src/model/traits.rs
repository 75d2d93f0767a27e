//! What families do otherwise than others: one question, one method.

use super::{Branches, Family, NormKind, QkNorm, RopeKind, Routing, ScanNorms};

impl Family {
    /// The layer normalisation that the family's modelling file has.
    pub const fn norm(self) -> NormKind {
        match self {
            Self::Gpt2
            | Self::GptBigCode
            | Self::Opt
            | Self::Falcon
            | Self::Bloom
            | Self::GptNeox
            | Self::Bert
            | Self::Roberta
            | Self::DistilBert
            | Self::Vit
            | Self::ClipVision
            | Self::Whisper
            | Self::Starcoder2
            | Self::Phi
            | Self::Phimoe
            | Self::StableLm => NormKind::LayerNorm,
            Self::ModernBert => NormKind::LayerNormWithoutBias,
            Self::Nemotron => NormKind::LayerNormOnePlus,
            Self::Olmo => NormKind::LayerNormPlain,
            Self::Cohere | Self::Cohere2 => NormKind::Centred,
            Self::Olmo2 | Self::Olmo3 | Self::Helium | Self::GptOss => NormKind::RmsWide,
            Self::Gemma | Self::Gemma2 | Self::Gemma3Text | Self::Qwen3Next => NormKind::RmsGemma,
            Self::T5 => NormKind::T5,
            _ => NormKind::Rms,
        }
    }

    /// Whether there are norms after attention and after the MLP (`Gemma2DecoderLayer`, `Olmo2DecoderLayer`, `Glm4DecoderLayer`).
    pub const fn has_post_norms(self) -> bool {
        matches!(
            self,
            Self::Gemma2 | Self::Gemma3Text | Self::Olmo2 | Self::Olmo3 | Self::Exaone4 | Self::Glm4
        )
    }

    /// Whether there are norms before attention and before the MLP.
    pub const fn has_pre_norms(self) -> bool {
        !matches!(self, Self::Olmo2 | Self::Olmo3 | Self::Exaone4)
    }

    /// Whether embeddings and what is added to the residual are multiplied by numbers (`GraniteDecoderLayer`).
    pub const fn scales_residuals(self) -> bool {
        matches!(self, Self::Granite | Self::GraniteMoe)
    }

    /// Whether logits are multiplied by a number.
    pub const fn scales_logits(self) -> bool {
        matches!(self, Self::Granite | Self::GraniteMoe | Self::Cohere | Self::Cohere2)
    }

    /// Whether queries are multiplied by a number for each position (`get_llama_4_attn_scale`).
    pub const fn scales_queries(self) -> bool {
        matches!(self, Self::Ministral3)
    }

    /// Whether queries are scaled as they are projected, and not within attention (`OPTAttention`, `WhisperAttention`).
    pub const fn scales_projected_queries(self) -> bool {
        matches!(self, Self::Opt | Self::Whisper)
    }

    /// Whether the layer has a name for what attention has made until it returns (`attn_output` of `GPT2Block`, `GPTBigCodeBlock`).
    pub const fn names_attention_branch(self) -> bool {
        matches!(self, Self::Gpt2 | Self::GptBigCode)
    }

    /// Whether queries, keys and values are copied by heads before attention (`WhisperAttention`: `transpose(1, 2).contiguous()`).
    pub const fn copies_heads(self) -> bool {
        matches!(self, Self::Whisper)
    }

    /// Whether attention's scores begin with a slope of each head times a key's position (ALiBi, `build_alibi_tensor`), in place of positions
    /// in the embedding, which is normalised.
    pub const fn has_alibi(self) -> bool {
        matches!(self, Self::Bloom)
    }

    /// Whether the model has the causal mask of its longest sequence as a buffer (`GPTBigCodeModel.bias`).
    pub const fn has_mask_buffer(self) -> bool {
        matches!(self, Self::GptBigCode)
    }

    /// Where and how queries and keys are normalised.
    pub const fn qk_norm(self) -> QkNorm {
        match self {
            Self::Qwen3
            | Self::Qwen3Moe
            | Self::Qwen3Next
            | Self::Gemma3Text
            | Self::Exaone4
            | Self::Glm4Moe => QkNorm::Heads,
            Self::HunyuanDense => QkNorm::HeadsAfterRope,
            Self::Olmoe | Self::Olmo2 | Self::Olmo3 | Self::MinimaxM2 => QkNorm::Wide,
            Self::Llama4Text => QkNorm::WithoutWeights,
            _ => QkNorm::None,
        }
    }

    /// Whether the norms of queries and keys are an option of the configuration (`use_qk_norm`), and its default.
    pub const fn qk_norm_is_optional(self) -> Option<bool> {
        match self {
            Self::Glm4Moe => Some(false),
            Self::Llama4Text => Some(true),
            _ => None,
        }
    }

    /// How positions are rotated into queries and keys.
    pub const fn rope(self) -> RopeKind {
        match self {
            Self::Glm | Self::Glm4 | Self::Helium => RopeKind::Interleaved,
            Self::Ernie45 => RopeKind::InterleavedRepeatedFp32,
            Self::Cohere | Self::Cohere2 => RopeKind::InterleavedFp32,
            Self::GptOss => RopeKind::Concatenated,
            Self::DeepseekV3 => RopeKind::Pairs,
            Self::Llama4Text | Self::DeepseekV2 => RopeKind::Complex,
            _ => RopeKind::Halves,
        }
    }

    /// Whether queries and keys are rotated in fp32 and cast back: by fp32 tables (`modeling_olmo2.py`), or because they are copied.
    pub const fn casts_rotated_back(self) -> bool {
        self.has_fp32_tables() || matches!(self.rope(), RopeKind::InterleavedFp32)
    }

    /// Whether cosines and sines stay fp32 (`OlmoRotaryEmbedding`, `Ernie4_5RotaryEmbedding`).
    pub const fn has_fp32_tables(self) -> bool {
        matches!(self, Self::Olmo | Self::Olmo2 | Self::Olmo3 | Self::Ernie45)
    }

    /// Whether the part of a head that is rotated is sliced off and concatenated with the rest, be there a rest or not.
    pub const fn slices_heads(self) -> bool {
        matches!(
            self,
            Self::Phi3
                | Self::GptNeox
                | Self::Phi
                | Self::StableLm
                | Self::Glm
                | Self::Glm4
                | Self::Glm4Moe
                | Self::Nemotron
                | Self::MinimaxM2
                | Self::Qwen3Next
        )
    }

    /// What of a head is rotated where the file does not say.
    pub const fn rotary_part(self) -> f64 {
        match self {
            Self::GptNeox | Self::StableLm | Self::Qwen3Next => 0.25,
            Self::Phi | Self::Glm | Self::Glm4 | Self::Glm4Moe | Self::Nemotron => 0.5,
            _ => 1.0,
        }
    }

    /// Whether attention has a learned number for each head that takes part in its softmax (`GptOssAttention.sinks`).
    pub const fn has_sinks(self) -> bool {
        matches!(self, Self::GptOss)
    }

    /// Whether SDPA is refused by the modelling file (`_supports_sdpa`).
    pub const fn needs_eager_attention(self) -> bool {
        matches!(self, Self::GptOss | Self::Bloom)
    }

    /// How a token's experts are chosen.
    pub const fn routing(self) -> Routing {
        match self {
            Self::DeepseekV2 => Routing::SoftmaxFp32,
            Self::DeepseekV3 | Self::Glm4Moe => Routing::SigmoidGroups,
            Self::MinimaxM2 => Routing::Sigmoid,
            Self::GptOss => Routing::SoftmaxOfLargest,
            Self::GraniteMoe => Routing::SoftmaxOfLargestFp32,
            Self::Llama4Text => Routing::Everyone,
            Self::Jamba => Routing::SoftmaxAsInput,
            Self::Phimoe => Routing::SparseMixer,
            Self::Qwen2Moe | Self::Qwen3Moe | Self::Qwen3Next | Self::Olmoe => Routing::SoftmaxCast,
            _ => Routing::Softmax,
        }
    }

    /// Whether the shared experts' output is multiplied by a gate (`shared_expert_gate`), and made before the routed ones.
    pub const fn has_shared_gate(self) -> bool {
        matches!(self, Self::Qwen2Moe | Self::Qwen3Next)
    }

    /// Whether a layer is a norm and a scan alone, without an MLP (`MambaBlock`, `Mamba2Block`).
    pub const fn is_state_space(self) -> bool {
        matches!(self, Self::Mamba | Self::FalconMamba | Self::Mamba2)
    }

    /// How a selective scan's step, B and C are normalised.
    pub const fn scan_norms(self) -> ScanNorms {
        match self {
            Self::Jamba => ScanNorms::Weighted,
            Self::FalconMamba => ScanNorms::WithoutWeights,
            _ => ScanNorms::None,
        }
    }

    /// Whether attention has no positions at all, because other layers tell them (`JambaAttention`).
    pub const fn has_no_positions(self) -> bool {
        self.is_state_space() || matches!(self, Self::Jamba)
    }

    /// Whether attention's output is multiplied by a gate that the query projection makes (`Qwen3NextAttention`).
    pub const fn gates_attention(self) -> bool {
        matches!(self, Self::Qwen3Next)
    }

    /// Whether the experts have biases and a gate of its own formula (`GptOssExperts`).
    pub const fn has_expert_biases(self) -> bool {
        matches!(self, Self::GptOss)
    }

    /// Whether q, k and v are one projection (`Phi3Attention`).
    pub const fn has_fused_qkv(self) -> bool {
        matches!(self, Self::Phi3)
    }

    /// Whether gate and up are one projection (`Phi3MLP`, `GlmMLP`).
    pub const fn has_fused_gate(self) -> bool {
        matches!(self, Self::Phi3 | Self::Glm | Self::Glm4 | Self::ModernBert)
    }

    /// Whether the MLP is gated (three projections) or plain (two).
    pub const fn has_gated_mlp(self) -> bool {
        !matches!(
            self,
            Self::Gpt2
                | Self::GptBigCode
                | Self::Opt
                | Self::Falcon
                | Self::Bloom
                | Self::GptNeox
                | Self::Starcoder2
                | Self::Phi
                | Self::Nemotron
                | Self::Arcee
                | Self::Vit
                | Self::ClipVision
                | Self::Whisper
        ) && !self.has_norms_after_sums()
    }

    /// Whether a linear layer multiplies by the transposed weight itself (`FalconLinear`): a view, whose copies autocast does not keep in
    /// its cache (`aten/src/ATen/autocast_mode.cpp`, `cached_cast`).
    pub const fn multiplies_by_views(self) -> bool {
        matches!(self, Self::Falcon)
    }

    /// Whether SDPA is given the causal mask whatever the batch (`allow_is_causal_skip=False`).
    pub const fn always_makes_mask(self) -> bool {
        matches!(self, Self::Falcon)
    }

    /// Whether the projection to the vocabulary always has a bias (`PhiForCausalLM`).
    pub const fn has_head_bias(self) -> bool {
        matches!(self, Self::Phi)
    }

    /// Whether that is an option of the configuration (`lm_head_bias`).
    pub const fn head_bias_is_optional(self) -> bool {
        matches!(self, Self::Phimoe)
    }

    /// How the branches of a layer are joined, where it is not an option of the configuration.
    pub const fn branches(self) -> Branches {
        match self {
            Self::GptNeox | Self::Falcon => Branches::Parallel,
            Self::Phi | Self::Cohere | Self::Cohere2 | Self::StableLm => Branches::ParallelOneNorm,
            _ => Branches::Sequence,
        }
    }

    /// Whether it is an encoder that is trained with masked language modelling (`BertForMaskedLM` and its kin).
    pub const fn is_masked(self) -> bool {
        self.has_norms_after_sums() || matches!(self, Self::ModernBert)
    }

    /// Whether attention and MLP are each normalised after they have been added to what they read (`BertLayer`).
    pub const fn has_norms_after_sums(self) -> bool {
        matches!(self, Self::Bert | Self::Roberta | Self::DistilBert)
    }

    /// Whether every token's position is looked up on its own, because padding has none (`RobertaEmbeddings`,
    /// `OPTLearnedPositionalEmbedding`).
    pub const fn has_position_of_each_token(self) -> bool {
        matches!(self, Self::Roberta | Self::Opt)
    }

    /// Whether the token embedding has a row for padding (`padding_idx`), whose gradient is left out.
    pub const fn has_padding_row(self) -> bool {
        self.has_norms_after_sums() || matches!(self, Self::Opt | Self::Whisper)
    }

    /// Rows of the table of positions that no token reaches: RoBERTa counts from `padding_idx + 1`, OPT from 2.
    pub const fn positions_skipped(self) -> u64 {
        if matches!(self, Self::Roberta | Self::Opt) { 2 } else { 0 }
    }

    /// Whether the first layer reads the embedding as it is, which has been normalised already (`ModernBertEncoderLayer`).
    pub const fn first_has_no_input_norm(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether queries and keys are rotated in fp32, whatever they are in (`apply_rotary_pos_emb` of `modeling_modernbert.py`).
    pub const fn rotates_in_fp32(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether windowed and full layers have tables of cosines and sines of their own.
    pub const fn has_two_ropes(self) -> bool {
        matches!(self, Self::Gemma3Text | Self::Olmo3 | Self::ModernBert)
    }

    /// Whether the MLP drops out what its last projection reads, and nothing after it (`T5DenseActDense` does both).
    pub const fn drops_within_mlp_alone(self) -> bool {
        matches!(self, Self::ModernBert)
    }

    /// Whether eager attention's softmax keeps the dtype of the scores instead of asking for fp32.
    pub const fn softmax_keeps_dtype(self) -> bool {
        matches!(self, Self::Gpt2 | Self::Whisper) || self.has_norms_after_sums()
    }
}
