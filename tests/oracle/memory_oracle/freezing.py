"""Which of a model's own parameters are trained: train["freeze"].

{"embedding": true}     what stands before the layers is frozen: token, position and type embeddings and their norm; a tied head with it
{"layers": [0, 1]}      these layers are frozen
{"head": true}          what stands after the layers is frozen: the last norm, the projection to the vocabulary where it isn't tied
{"only": "norms"}       of what isn't frozen, only norms are trained; "biases": only biases, norms' too (BitFit)
"""
from . import models


def freeze(model, wanted):
    """Take the gradient of every parameter that `wanted` freezes."""
    if not wanted:
        return
    only = wanted.get("only")
    for name, parameter in model.named_parameters():        # a tied head's weight comes once, as the embedding's
        place, layer = place_of(model, name, parameter)
        frozen = layer in wanted.get("layers", ()) if place == "layer" else wanted.get(place, False)
        owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
        if only == "norms":
            frozen = frozen or "Norm" not in owner
        elif only == "biases":
            frozen = frozen or not name.endswith("bias")
        parameter.requires_grad_(not frozen)


def place_of(model, name, parameter):
    """("embedding" | "layer" | "head", index of the layer)."""
    layers = models.layer_list_name(model) + "."
    if name.startswith(layers):
        return "layer", int(name[len(layers):].split(".")[0])
    if parameter is model.get_input_embeddings().weight:
        return "embedding", None
    first = next(at for at, (other, _) in enumerate(model.named_parameters()) if other.startswith(layers))
    before = [other for other, _ in list(model.named_parameters())[:first]]
    return ("embedding" if name in before else "head"), None
