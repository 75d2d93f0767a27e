"""Models that read images or sound: how they are built, and what a batch holds beside (or instead of) token ids.

Options of training: "images" (images of a sample; a config with "text_config" is then built whole, not its language model alone) and
"frozen" (parts that need no gradient: "vision_tower", "projector", "language_model", "encoder"). Image tokens are among the tokens of a sample.

A null GPU has no values, so two things are answered here:
* `masked_scatter` counts the image tokens in its backward (`masked_select`, which reads how many there are): `ScatteredImages` allocates what that
  backward allocates for the number that the batch would have.
* cuDNN can't start, so that convolutions take PyTorch's own kernels. cuDNN's workspaces aren't seen.
"""
import sys

import torch
import transformers

IMAGE_CLASSIFIERS = {"vit"}
SPEECH = {"whisper"}
# Names of the parts, in the order in which they are looked for in a parameter's name.
PARTS = {"vision_tower": ("vision_tower.",), "projector": ("multi_modal_projector.",), "language_model": ("language_model.", "lm_head."),
         "encoder": ("encoder.",)}


masked_scatter = torch.Tensor.masked_scatter


class ScatteredImages(torch.autograd.Function):
    """`masked_scatter` of image features into token embeddings, whose mask holds as many tokens as there are features."""

    @staticmethod
    def forward(context, embeds, mask, features):
        context.save_for_backward(mask)
        context.shape = features.shape
        return masked_scatter(embeds, mask, features)

    @staticmethod
    def backward(context, gradient):
        (mask,) = context.saved_tensors
        of_embeds = gradient.masked_fill(mask, 0)
        expanded = mask.expand(gradient.shape)
        of_features = None
        if context.needs_input_grad[2]:
            count = context.shape.numel()
            indices = torch.empty((gradient.dim(), count), dtype=torch.long, device="cuda")     # nonzero
            of_features = torch.empty(count, dtype=gradient.dtype, device="cuda").view(context.shape)
            del indices
        del expanded
        return of_embeds, None, of_features


def scatter(embeds, mask, features):
    """In place of `Tensor.masked_scatter`."""
    return ScatteredImages.apply(embeds, mask, features)


def install():
    """Take the answers into the models' code, and PyTorch's own convolutions where cuDNN can't run."""
    try:
        torch.nn.functional.conv2d(torch.zeros(1, 1, 2, 2, device="cuda"), torch.zeros(1, 1, 2, 2, device="cuda"))
    except RuntimeError:
        torch.backends.cudnn.enabled = False
    torch.Tensor.masked_scatter = scatter
    for name, module in list(sys.modules.items()):
        if name.startswith("transformers.models.") and hasattr(module, "torch_compilable_check"):
            module.torch_compilable_check = lambda condition, message="": None


def model_class(config, train):
    """The class of a model that reads images or sound; None for others."""
    if config.model_type in IMAGE_CLASSIFIERS:
        return transformers.AutoModelForImageClassification
    if config.model_type in SPEECH:
        return transformers.AutoModelForSpeechSeq2Seq
    if train.get("images"):
        return transformers.AutoModelForImageTextToText
    return None


def freeze(model, train):
    """Parts that the case freezes."""
    prefixes = tuple(prefix for part in train.get("frozen") or () for prefix in PARTS[part])
    for name, parameter in model.named_parameters():
        if any(f".{prefix}" in f".{name}" for prefix in prefixes):
            parameter.requires_grad_(False)


def batch(config, train, dtype):
    """What such a model gets; None for others."""
    rows, kind = train["micro_batch"], config.model_type
    if kind in IMAGE_CLASSIFIERS:
        return {"pixel_values": pixels(config, rows), "labels": torch.zeros(rows, dtype=torch.long, device="cuda")}
    if kind in SPEECH:
        frames = 2 * config.max_source_positions
        return {"input_features": torch.zeros((rows, config.num_mel_bins, frames), dtype=dtype, device="cuda"),
                "labels": torch.zeros((rows, train["seq_len"]), dtype=torch.long, device="cuda")}
    if train.get("images"):
        shape = (rows, train["seq_len"])
        return {"input_ids": torch.zeros(shape, dtype=torch.long, device="cuda"),
                "labels": torch.zeros(shape, dtype=torch.long, device="cuda"),
                "pixel_values": pixels(config.vision_config, rows * train["images"])}
    return None


def pixels(config, count):
    """Images in fp32, as a processor makes them."""
    return torch.zeros((count, config.num_channels, config.image_size, config.image_size), device="cuda")
