"""Models: the table of names, configurations given as config.json, and how a configuration is published in a result."""
import json
import pathlib

import torch
import transformers.masking_utils
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from . import multimodal

MODELS = json.loads((pathlib.Path(__file__).parent / "models.json").read_text())

LAYER_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
DROPOUT_KEYS = ("attn_pdrop", "resid_pdrop", "embd_pdrop", "hidden_dropout_prob", "attention_probs_dropout_prob",
                "dropout_rate", "attention_dropout", "hidden_dropout", "dropout", "embedding_dropout", "mlp_dropout",
                "activation_dropout")
TOKEN_ID_KEYS = ("pad_token_id", "bos_token_id", "eos_token_id")
MASKED_LM_TYPES = {"bert", "roberta", "distilbert", "albert", "electra", "xlm-roberta", "deberta", "deberta-v2",
                   "modernbert", "mpnet", "camembert", "ernie"}
# Entries of a configuration that say nothing about memory; left out of results.
UNPUBLISHED = {"transformers_version", "architectures", "output_hidden_states", "output_attentions", "return_dict", "dtype",
               "chunk_size_feed_forward", "id2label", "label2id", "problem_type", "initializer_range", "is_decoder",
               "add_cross_attention", "_name_or_path", "decoder_start_token_id", "summary_type", "summary_use_proj",
               "summary_activation", "summary_proj_to_labels", "summary_first_dropout", *TOKEN_ID_KEYS}

_padding_present = False


def install_batch_answers():
    """Answer two questions that transformers asks about the VALUES of a batch, which a null GPU doesn't have:
    no batch is packed, and an attention mask is all ones unless the case asks for padding."""
    transformers.masking_utils.find_packed_sequence_indices = lambda position_ids: None
    transformers.masking_utils.fast_all = lambda mask: not _padding_present


def set_padding_present(present):
    """Say whether the next batches hold padding."""
    global _padding_present
    _padding_present = present


def build_config(case):
    """The transformers configuration of a case: case["config"] if there, else the table's entry for case["model"]."""
    values = dict(case["config"] if case.get("config") else MODELS[case["model"]])
    if "text_config" in values and not case["train"].get("images"):     # a multi-modal model: its language model only
        values = dict(values["text_config"])
    train = case["train"]
    if train["layers"]:
        for key in LAYER_COUNT_KEYS:
            if key in values:
                values[key] = train["layers"]
        if values.get("layer_types"):
            values["layer_types"] = values["layer_types"][:train["layers"]]
    for key in ("torch_dtype", "dtype", "quantization_config", "auto_map"):
        values.pop(key, None)
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    for key in TOKEN_ID_KEYS:       # a small vocabulary in a trial configuration mustn't clash with a default token id
        token = getattr(config, key, None)
        if isinstance(token, int) and token >= getattr(config, "vocab_size", 1 << 60):
            setattr(config, key, None)
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = 0
    if train["dropout"] is not None:
        for key in DROPOUT_KEYS:
            if hasattr(config, key):
                setattr(config, key, train["dropout"])
    return config


def published_config(config):
    """The entries of a configuration that matter to memory, as plain JSON. A null stays where the default isn't null."""
    defaults = type(config)().to_dict()
    values = {k: v for k, v in config.to_dict().items()
              if k not in UNPUBLISHED and (v is not None or defaults.get(k) is not None)}
    if config.model_type in multimodal.IMAGE_CLASSIFIERS:
        values["num_labels"] = config.num_labels
    if values.get("is_encoder_decoder") is False:
        del values["is_encoder_decoder"]
    return json.loads(json.dumps(values))


def is_masked_lm(config):
    """True for BERT-like encoders trained with a masked-language-model head."""
    return not config.is_encoder_decoder and (
        config.model_type in MASKED_LM_TYPES or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def takes_no_cache(config):
    """True for models that have no key-value cache."""
    return is_masked_lm(config) or config.model_type in multimodal.IMAGE_CLASSIFIERS


def build_model(config, train, dtype, device="cuda"):
    """The model with its language-model head, made on `device`, in training mode, checkpointing as the case says."""
    auto_class = multimodal.model_class(config, train)
    if auto_class is None and config.is_encoder_decoder:
        auto_class = AutoModelForSeq2SeqLM
    elif auto_class is None:
        auto_class = AutoModelForMaskedLM if is_masked_lm(config) else AutoModelForCausalLM
    extra = {"experts_implementation": train["experts"]} if train.get("experts") else {}
    with torch.device(device):
        model = auto_class.from_config(config, attn_implementation=train["attention"], dtype=dtype, **extra)
    if config.__dict__.get("tie_word_embeddings", True):
        model.tie_weights()
    if multimodal.model_class(config, train):
        multimodal.install()
        multimodal.freeze(model, train)
    model.train()
    return model


def enable_checkpointing(model, train):
    """Turn on Hugging Face's gradient checkpointing, one decoder layer a checkpoint."""
    if train["checkpointing"] != "off":
        model.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": train["checkpointing"] == "reentrant"})


def materialise(model, device="cuda"):
    """Give storage to a model that was made on the meta device, keeping a tied output embedding tied."""
    model.to_empty(device=device)
    embedding = model.get_input_embeddings()
    if getattr(model.config, "tie_word_embeddings", False) and model.lm_head.weight is not embedding.weight:
        model.lm_head.weight = embedding.weight
    return model


def layer_list_name(model):
    """Name of the ModuleList that holds the decoder layers (None if there is none)."""
    names = [name for name, module in model.named_modules()
             if isinstance(module, torch.nn.ModuleList) and len(module) >= 2 and "expert" not in name]
    return min(names, key=len) if names else None
