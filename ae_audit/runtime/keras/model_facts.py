"""What rules need to know of a Keras model as a whole."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ae_audit.runtime.keras.losses import describe
from ae_audit.runtime.keras.trace import Watch
from ae_audit.schema.training_setup import MetricUse, ModelFacts
from ae_audit.theory import metric_names
from ae_audit.theory.loss_families import POINTWISE
from ae_audit.theory.ranges import Tri

_NORMALISING = ("Batch", "Layer", "Group", "Unit")
NORMALISERS = frozenset({"Rescaling", "Normalization", *(f"{name}Normalization" for name in _NORMALISING)})
_AUGMENTING = (
    "RandomFlip",
    "RandomRotation",
    "RandomCrop",
    "RandomTranslation",
    "RandomZoom",
    "CenterCrop",
    "Resizing",
)
_SHAPING = ("InputLayer", "Resizing", "Reshape", "Flatten", "Permute", "expand_dims", "squeeze", "cast", "reshape")
NEUTRAL = frozenset(
    {
        *_AUGMENTING,
        *_SHAPING,
        "Resizing",
        "Dropout",
        "GaussianNoise",
        "ZeroPadding2D",
        "Cropping2D",
        "Masking",
        "Identity",
    }
)
"""what may stand before the first weights without changing the scale of the data"""
ARITHMETIC = frozenset(["multiply", "divide", "true_divide", "subtract", "add"])
FIRST = 4
"""layers named in a report"""


def model_facts(model: Any, watch: Watch) -> ModelFacts:
    """Facts of a model whose training step was watched."""
    layers = [call for call in watch.calls if call.site == "operation" and not _composite(call.owner)]
    names = [call.symbol.rpartition(".")[2] for call in layers]
    shown = [type(call.owner).__name__ for call in layers if type(call.owner).__name__ != "InputLayer"]
    if layers:  # a network within the network is known by its name: what VGG16 takes, it was trained on
        shown = [*_networks_around(layers[0].owner, model, watch), *shown]
    return ModelFacts(
        name=str(model.name),
        first_layers=tuple(shown[:FIRST]),
        normalises_input=_normalises(names),
        variational=_variational(model, watch),
    )


def metric_uses(model: Any, output: int | None = None) -> tuple[MetricUse, ...]:
    """The metrics given to ``compile``; of a model with several outputs, those of output number ``output``."""
    import keras

    given = getattr(model, "_compile_config", None)
    config = getattr(given, "config", None) or {}
    user = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    metrics = user if user is not None else config.get("metrics") or ()
    losses = getattr(getattr(model, "_compile_loss", None), "_flat_losses", None) or ()
    shared = False
    if output is not None and len(losses) > 1:
        names = [describe(item.loss).name for item in losses]
        shared = names[output] in POINTWISE and any(name not in POINTWISE for name in names)
        outputs = getattr(model, "output_names", None) or ()
        if isinstance(metrics, dict):
            metrics, shared = metrics.get(outputs[output] if output < len(outputs) else None) or (), False
        elif any(isinstance(item, list | tuple) for item in metrics):
            metrics, shared = (metrics[output] if output < len(metrics) else ()), False
    found = []
    for item in keras.tree.flatten(metrics):
        if item is None:
            continue
        written = item if isinstance(item, str) else getattr(item, "name", None) or getattr(item, "__name__", "metric")
        found.append(MetricUse(_canonical_metric(str(written), item), str(written), shared=shared))
    return tuple(found)


def trainable_parameters(model: Any) -> int:
    """Number of trainable parameters."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def _normalises(names: list[str]) -> Tri:
    for name in names:
        if name in NORMALISERS:
            return Tri.YES
        if name in ARITHMETIC or name == "Lambda":
            return Tri.UNKNOWN
        if name not in NEUTRAL:
            return Tri.NO
    return Tri.UNKNOWN


def _networks_around(layer: Any, model: Any, watch: Watch) -> list[str]:
    """The names of the networks within ``model`` that ``layer`` belongs to."""
    inner = {id(call.owner): call.owner for call in watch.calls if call.site == "operation" and call.owner is not model}
    return [
        str(network.name)
        for network in inner.values()
        if _composite(network) and any(part is layer for part in network._flatten_layers())
    ]


def _composite(owner: Any) -> bool:
    return bool(getattr(owner, "_layers", ()))


def _variational(model: Any, watch: Watch) -> Tri:
    """Whether the model samples a latent, by the names that its layers and classes are given."""
    layers = model._flatten_layers()
    named = " ".join(f"{layer.name} {type(layer).__name__}" for layer in layers).lower()
    named = re.sub(r"(up|down|sub)_?sampling", "", named)
    if any(word in named for word in ("log_var", "logvar", "z_mean", "sampling", "variational", "reparam")):
        return Tri.YES
    return Tri.NO if watch.calls else Tri.UNKNOWN


def _canonical_metric(written: str, item: Any) -> str:
    """By its class where Keras has that, else by the name that it goes by."""
    known = metric_names.METRICS.get(type(item).__name__)
    return metric_names.canonical(written.lower()) if known is None else known
