"""The ``segmentation_models`` package for Keras (and its 3D sibling): networks with a head, and losses that add up."""

from __future__ import annotations

from ae_audit.schema.training_setup import Framework, LossUse
from ae_audit.static.domain import tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Library, LossFunction, Object, Tensor, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.memory import Graph
from ae_audit.static.knowledge.keras.models import placeholder

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("segmentation models")
KERAS = Framework.KERAS
ROOT = "segmentation_models"
TABLE.aliases["segmentation_models_3D"] = ROOT

NETWORKS = {
    "Unet": (1, "sigmoid"), "Linknet": (1, "sigmoid"), "FPN": (21, "softmax"), "PSPNet": (21, "softmax"),
}  # fmt: skip
"""number of classes and activation where none is given"""

CLASSES = {
    "BinaryCELoss": "bce", "CategoricalCELoss": "cce", "BinaryFocalLoss": "binary_focal",
    "CategoricalFocalLoss": "categorical_focal", "DiceLoss": "dice",
}  # fmt: skip
"""losses as classes, a fact of this library, by the theory's names; the Jaccard loss is none of them"""

SUMS = {
    "binary_crossentropy": "bce", "bce_dice_loss": "bce", "bce_jaccard_loss": "bce",
    "categorical_crossentropy": "cce", "cce_dice_loss": "cce", "cce_jaccard_loss": "cce",
    "binary_focal_loss": "binary_focal", "binary_focal_dice_loss": "binary_focal",
    "binary_focal_jaccard_loss": "binary_focal",
    "categorical_focal_loss": "categorical_focal", "categorical_focal_dice_loss": "categorical_focal",
    "categorical_focal_jaccard_loss": "categorical_focal", "dice_loss": "dice",
}  # fmt: skip
"""ready-made losses, by the part that compares value with value: a set overlap adds no demand of its own"""

OTHERS = {
    "focal_loss.BinaryFocalLoss": "binary_focal", "focal_loss.SparseCategoricalFocalLoss": "sparse_cce",
}  # fmt: skip
"""losses of packages that are used beside these networks; focusing does not move where a loss is least"""

for _name, _known in SUMS.items():
    TABLE.constants[f"{ROOT}.losses.{_name}"] = LossFunction(
        LossUse(name=_known, written=f"sm.losses.{_name}"), KERAS, order="target, prediction"
    )


@TABLE.function(*(f"{ROOT}.losses.{name}" for name in CLASSES), *OTHERS)
def _loss(run: Run, call: Call) -> Value:
    name = OTHERS.get(call.qualified) or CLASSES[call.name]
    use = LossUse(name=name, written=call.where.written, location=call.where.location)
    return LossFunction(use, KERAS, order="target, prediction")


@TABLE.function(*(f"{ROOT}.{name}" for name in NETWORKS))
def _network(run: Run, call: Call) -> Value:
    classes, activation = NETWORKS[call.name]
    given, named = call.get(2, "classes"), call.get(3, "activation")
    units = classes if given is None else call.constant(2, "classes")
    start = placeholder(run, call.constant(1, "input_shape", default=(None, None, 3)), None, call.where)
    out: Tensor = _last_layer(run, start, units if isinstance(units, int) else None, call)
    if named is not None:
        name = call.constant(3, "activation")
        if isinstance(named, Const) and isinstance(name, str):
            activation = name
        elif not (isinstance(named, Const) and name is None):
            return Object("keras.Model", call, state=Graph(why=f"the activation of `{call.name}` is not known"))
        else:
            activation = "linear"
    axis = -1 if activation == "softmax" else None
    out = tensors.activated(run, out, activation, call.where, framework=KERAS, axis=axis, written=call.where.written)
    return Object("keras.Model", call, state=Graph(inputs=[start], outputs=[out]))


def _last_layer(run: Run, start: Array, units: int | None, call: Call) -> Tensor:
    shape = None if start.shape is None else (*start.shape[:-1], units)
    return tensors.through_weights(run, KERAS, start, call.name, call.where, units=units, shape=shape)


@TABLE.function(f"{ROOT}.get_preprocessing")
def _preprocessing(run: Run, call: Call) -> Value:
    """What prepares images for a backbone: standardised, centred or left alone, as the backbone wants."""
    return Library("keras.applications.preprocess_input")
