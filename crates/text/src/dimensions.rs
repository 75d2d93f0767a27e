//! Names of a model's dimensions, by their key in a link.

use vram_core::Field;

use crate::{Lang, field_name};

/// A dimension in the reader's words, with its key where these are not known.
pub fn dimension(key: &'static str, lang: Lang) -> String {
    match words(key) {
        Some((en, zh)) => lang.pick(en, zh).to_owned(),
        None => field_name(&Field::new(key), lang),
    }
}

/// The words of a dimension; none for another field.
pub(crate) fn words(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "family" => ("Family (model_type)", "系列（model_type）"),
        "vocab" => ("Vocabulary", "词表大小"),
        "hidden" => ("Hidden width", "隐藏层宽度"),
        "layers" => ("Layers", "层数"),
        "heads" => ("Query heads", "查询头数"),
        "kv_heads" => ("Key-value heads", "键值头数"),
        "head_dim" => ("Width of a head", "每个头的宽度"),
        "ffn" => ("Width of the MLP", "MLP 宽度"),
        "tied" => ("Head tied to the embedding", "输出头与嵌入层共享权重"),
        "positions" => ("Learned positions (0: none)", "可学习的位置数（0：无）"),
        "token_types" => ("Token types (0: none)", "token 类型数（0：无）"),
        "rotary" => ("Rotated part of a head (0: all)", "每个头中旋转的维数（0：全部）"),
        "parallel" => ("MLP beside attention", "MLP 与注意力并联"),
        "qkv_bias" => ("Biases of q, k and v", "q、k、v 的偏置"),
        "o_bias" => ("Bias of the attention output", "注意力输出的偏置"),
        "mlp_bias" => ("Biases of the MLP", "MLP 的偏置"),
        "act" => ("Activation function", "激活函数"),
        "window" => ("Sliding window (0: none)", "滑动窗口（0：无）"),
        "qk_norm" => ("Queries and keys are normalised", "对查询与键做归一化"),
        "pattern" => ("Kinds of layers, in order", "各层的类型（按顺序）"),
        "window_first" => ("First layer with the window", "首个使用滑动窗口的层"),
        "window_full_every" => ("One full layer in … (0: none)", "每几层有一层全注意力（0：无）"),
        "experts" => ("Experts in a layer (0: none)", "每层的专家数（0：无）"),
        "experts_per_token" => ("Experts for a token", "每个 token 经过的专家数"),
        "expert_ffn" => ("Width of an expert", "单个专家的宽度"),
        "shared_ffn" => ("Width of shared experts (0: none)", "共享专家的宽度（0：无）"),
        "dense_layers" => ("First layers without experts", "开头没有专家的层数"),
        "sparse_every" => ("One layer with experts in …", "每几层有一层带专家"),
        "sparse_early" => ("So many layers before the last of those", "带专家的层比该组最后一层提前几层"),
        "renormalise" => ("Chosen experts add up to 1", "所选专家的权重归一"),
        "latent" => ("Latent of keys and values (0: none)", "键值潜变量的宽度（0：无）"),
        "query_latent" => ("Latent of queries (0: none)", "查询潜变量的宽度（0：无）"),
        "scan" => ("Layers without attention: scan", "无注意力层：扫描方式"),
        "key_heads" => ("Key heads of the scan (groups)", "扫描的键头数（组数）"),
        "key_dim" => ("Width of a key, or of the state", "键（状态）的宽度"),
        "value_heads" => ("Value heads of the scan", "扫描的值头数"),
        "value_head_dim" => ("Width of a value head of the scan", "扫描的值头宽度"),
        "conv_kernel" => ("Tokens of the convolution", "卷积核长度（token）"),
        "chunk" => ("Tokens of a chunk", "分块长度（token）"),
        "step_rank" => ("Rank of a step's length (dt)", "步长 dt 的秩"),
        "conv_bias" => ("Bias of the convolution", "卷积的偏置"),
        "residual_fp32" => ("Residual stream in fp32", "fp32 残差流"),
        "proj_bias" => ("Biases of the scan's projections", "扫描投影层的偏置"),
        "value_dim" => ("Width of a value head", "值头的宽度"),
        "decoder_layers" => ("Layers of the decoder (0: none)", "解码器层数（0：无）"),
        "buckets" => ("Relative positions", "相对位置的分桶数"),
        "gated" => ("Gated MLP", "门控 MLP"),
        "scaled_output" => ("Decoder output is scaled", "缩放解码器输出"),
        "image_size" => ("Side of an image, pixels (0: no tower)", "图像边长（像素，0：无视觉塔）"),
        "patch" | "patch_size" => ("Side of a patch, pixels", "图块边长（像素）"),
        "channels" => ("Colours of an image", "图像的通道数"),
        "tower_hidden" => ("Hidden width of the vision tower", "视觉塔的隐藏层宽度"),
        "tower_layers" => ("Layers of the vision tower", "视觉塔的层数"),
        "tower_used" => ("Layers of the tower that are used", "视觉塔中用到的层数"),
        "tower_heads" => ("Heads of the vision tower", "视觉塔的头数"),
        "tower_ffn" => ("Width of the tower's MLP", "视觉塔的 MLP 宽度"),
        "tower_act" => ("Activation function of the tower", "视觉塔的激活函数"),
        "tower_attn_drop" => ("Dropout in the tower's attention", "视觉塔的注意力 dropout"),
        "tower_class" => ("The tower has a class token", "视觉塔有 class token"),
        "projector_bias" => ("Biases of the projector", "投影器的偏置"),
        "attn_softcap" => ("Soft-capped attention scores", "注意力分数 soft-capping"),
        "logit_softcap" => ("Soft-capped logits", "对 logits 做 soft-capping"),
        "embd_drop" => ("Dropout on embeddings", "嵌入层 dropout"),
        "resid_drop" => ("Dropout on the residual stream", "残差流 dropout"),
        "attn_drop" => ("Dropout in attention", "注意力 dropout"),
        _ => return None,
    })
}
