"""Networks and losses of MONAI, ``segmentation_models_pytorch`` and ``timm``: what comes out, and what is compared."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import LossUse, Structure
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Object, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.criteria import LOSS, compared, loss_use
from ae_audit.static.knowledge.torch.layer_call import activation_of
from ae_audit.static.knowledge.torch.modules import MODULE
from ae_audit.theory.intervals import UNIT
from ae_audit.theory.ranges import Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("networks of other libraries")
SMP, MONAI = "segmentation_models_pytorch", "monai"
SEGMENTS = f"{SMP}.Network"
NETWORK = f"{MONAI}.networks.nets.Network"
TABLE.bases[SEGMENTS] = (MODULE,)
TABLE.bases[NETWORK] = (MODULE,)
OF_CLASSES = f"{MONAI}.losses.OverlapOfClasses"
TABLE.bases[OF_CLASSES] = (LOSS,)
for _module in ("unet", "basic_unet", "attentionunet", "segresnet", "unetr", "swin_unetr", "vnet", "autoencoder",
                "varautoencoder", "densenet", "dynunet", "flexible_unet", "efficientnet", "classifier", "regressor",
                "autoencoderkl", "vqvae", "diffusion_model_unet", "patchgan_discriminator", "spade_autoencoderkl",
                "spade_diffusion_model_unet", "discriminator", "critic",
                "generator", "resnet", "senet", "highresnet", "ahnet"):  # fmt: skip
    TABLE.aliases[f"{MONAI}.networks.nets.{_module}"] = f"{MONAI}.networks.nets"
for _module in ("dice", "focal_loss", "tversky"):
    TABLE.aliases[f"{MONAI}.losses.{_module}"] = f"{MONAI}.losses"

# -- networks --------------------------------------------------------------------------------------------------------


@TABLE.function(*(f"{SMP}.{name}" for name in (
    "Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3", "DeepLabV3Plus", "UPerNet",
    "Segformer", "DPT", "create_model")))  # fmt: skip
def _segments(run: Run, call: Call) -> Value:
    """``smp.Unet("resnet34", classes=3, activation=None)``."""
    return Object(SEGMENTS, call)


@TABLE.method(SEGMENTS, "__call__", "forward")
def _segment(run: Run, receiver: Any, call: Call) -> Value:
    value = heads.carried(run, call.args[0]) if call.args else None
    made = receiver.call if isinstance(receiver, Object) else None
    if value is None or made is None:
        return Unknown("the input of a network", call.where)
    where = receiver.where or call.where
    classes = made.constant(None, "classes", default=1)
    shape = (None, classes if isinstance(classes, int) else None, *_sides(value, 2))
    scores = heads.weighed(run, value, "segmentation head", shape, where)
    return _activated(run, scores, made.get(None, "activation"), where)


_ACTIVATIONS = {"softmax2d": "Softmax2d", "softmax": "Softmax2d", "logsoftmax": "LogSoftmax", "sigmoid": "Sigmoid",
                "tanh": "Tanh", "relu": "ReLU", "leakyrelu": "LeakyReLU", "prelu": "PReLU",
                "swish": "SiLU"}  # fmt: skip


def _activated(run: Run, scores: Tensor, given: Value | None, where: Where) -> Value:
    """After an activation by name, as these libraries take them; None and ``"identity"`` leave the scores."""
    name = _named(given)
    if given is None or (isinstance(given, Const) and given.value is None) or name in {"identity", "none"}:
        return scores
    found = activation_of(f"torch.nn.{_ACTIVATIONS[name]}") if name in _ACTIVATIONS else None
    if found is None:
        return heads.undetermined(run, scores, "the activation of its last layer is not known", where)
    parameters = dict(found[1])
    if name in {"softmax", "softmax2d", "logsoftmax"}:
        parameters["axis"] = 1
    return heads.activated(run, scores, found[0], parameters, where)


def _named(value: Value | None) -> str:
    if isinstance(value, Seq) and value.items:  # ("leakyrelu", {"inplace": True})
        value = value.items[0]
    text = value.value if isinstance(value, Const) else getattr(value, "name", "")
    return str(text).rpartition(".")[2].casefold() if isinstance(text, str) else ""


def _sides(value: Array | Tensor, count: int) -> tuple[int | None, ...]:
    """The spatial extents of what goes in, which these networks give back."""
    shape = heads.shape_of(value)
    return shape[2:] if shape is not None and len(shape) == count + 2 else (None,) * count


_MAPS = ("UNet", "Unet", "BasicUNet", "BasicUnet", "BasicUNetPlusPlus", "AttentionUnet", "DynUNet", "DynUnet",
         "SegResNet", "SegResNetVAE", "UNETR", "SwinUNETR", "VNet", "AutoEncoder", "FlexibleUNet", "HighResNet",
         "AHNet", "DiffusionModelUNet", "SPADEDiffusionModelUNet")  # fmt: skip
"""networks of MONAI that give a map of scores as large as what goes in"""
_CODED = {"VarAutoEncoder": 3, "AutoencoderKL": 2, "SPADEAutoencoderKL": 2, "VQVAE": 1}
"""networks of MONAI that give their codes, or what these cost, besides the picture, and how many such things"""
_JUDGES = ("PatchDiscriminator", "MultiScalePatchDiscriminator")
"""networks of MONAI that give the outputs of their layers, the scores last"""
_SCORES = ("DenseNet", "DenseNet121", "Densenet121", "DenseNet169", "DenseNet201", "EfficientNetBN", "ResNet",
           "resnet10", "resnet18", "resnet34", "resnet50", "SEResNet50", "SENet154", "Classifier",
           "Discriminator", "Critic", "Regressor")  # fmt: skip
"""networks of MONAI that give scores for each sample"""


@TABLE.function(*(f"{MONAI}.networks.nets.{name}" for name in (*_MAPS, *_SCORES, *_CODED, *_JUDGES)))
def _network(run: Run, call: Call) -> Value:
    return Object(NETWORK, call, call.name)


@TABLE.method(NETWORK, "__call__", "forward")
def _through(run: Run, receiver: Any, call: Call) -> Value:
    value = heads.carried(run, call.args[0]) if call.args else None
    made = receiver.call if isinstance(receiver, Object) else None
    if value is None or made is None:
        return Unknown("the input of a network", call.where)
    name, where = str(receiver.state), receiver.where or call.where
    axes = made.constant(0, "spatial_dims", "dimensions", default=3)
    by_shape = name in {"Classifier", "Regressor"}  # in_shape, classes or out_shape
    channels = made.constant(1 if by_shape else 2, "out_channels", "num_classes", "classes", "out_shape", default=2)
    units = channels if isinstance(channels, int) else None
    if name in _SCORES:
        scores = heads.weighed(run, value, name, (None, units if name != "Critic" else 1), where)
        last = made.get(None, "last_act")
        return _activated(run, scores, Const("sigmoid") if name == "Discriminator" and last is None else last, where)
    sides = _sides(value, axes) if isinstance(axes, int) and 0 < axes <= 3 else ()
    out = heads.weighed(run, value, name, (None, units, *sides) if sides else None, where)
    if name in _JUDGES:
        scores = heads.weighed(run, value, name, None, where)
        return Seq([scores] if name == "PatchDiscriminator" else [Seq([scores]), Seq([scores])], "tuple")
    if name not in _CODED:
        return out
    code = heads.weighed(run, value, name, None, where)
    if name != "VarAutoEncoder":
        return Seq([out, *[code] * _CODED[name]], "tuple")
    shown: Value = out
    if made.constant(None, "use_sigmoid", default=True) is True:
        shown = _activated(run, out, Const("sigmoid"), where)
    return Seq([shown, code, code, code], "tuple")


# -- losses ----------------------------------------------------------------------------------------------------------


@TABLE.function(*(f"{MONAI}.losses.{name}" for name in (
    "DiceLoss", "DiceCELoss", "DiceFocalLoss", "GeneralizedDiceLoss", "TverskyLoss")))  # fmt: skip
def _monai_overlap(run: Run, call: Call) -> Value:
    """An overlap, of scores or (``sigmoid=True``, ``softmax=True``) of what their activation gives."""
    flags = [call.constant(None, flag, default=False) for flag in ("sigmoid", "softmax")]
    logits = Tri.YES if True in flags else Tri.UNKNOWN if None in flags or call.given(None, "other_act") else Tri.NO
    name = "tversky" if call.name == "TverskyLoss" else "dice"
    alone = Tri.YES if call.name in {"DiceLoss", "GeneralizedDiceLoss", "TverskyLoss"} else Tri.NO
    use = LossUse(name, call.where.written, logits, location=call.where.location, alone=alone)
    return Object(OF_CLASSES if call.constant(None, "to_onehot_y") is True else LOSS, call, use)


@TABLE.method(OF_CLASSES, "__call__", "forward")
def _compared_with_classes(run: Run, receiver: Any, call: Call) -> Value:
    """``DiceLoss(to_onehot_y=True)(scores, labels)``: what is compared are one-hot vectors of the labels."""
    target = call.get(1, "target")
    labels = None if target is None or isinstance(target, Tensor) else run.as_array(target)
    if labels is None:
        return compared(run, receiver.state, call)
    made = replace(labels, values=ValueRange.exactly(UNIT), structure=Structure.ONE_HOT, structure_axis=1, why=None,
                   scale=None, shift=None, shape=None)  # fmt: skip
    return compared(run, receiver.state, Call(call.where, [call.args[0], made]))


@TABLE.function(f"{SMP}.losses.DiceLoss", f"{SMP}.losses.TverskyLoss")
def _smp_overlap(run: Run, call: Call) -> Value:
    given = call.get(None, "from_logits")
    logits = Tri.YES if given is None else Tri.of(getattr(given, "value", None))
    name = "tversky" if call.name == "TverskyLoss" else "dice"
    return Object(LOSS, call, LossUse(name, call.where.written, logits, location=call.where.location))


_AS_TORCH = {
    f"{SMP}.losses.SoftBCEWithLogitsLoss": "torch.nn.BCEWithLogitsLoss",
    f"{SMP}.losses.SoftCrossEntropyLoss": "torch.nn.CrossEntropyLoss",
    "timm.loss.LabelSmoothingCrossEntropy": "torch.nn.CrossEntropyLoss",
    "timm.loss.SoftTargetCrossEntropy": "torch.nn.CrossEntropyLoss",
    "timm.loss.BinaryCrossEntropy": "torch.nn.BCEWithLogitsLoss",
}
"""losses under another name; smoothing moves their least value, and not the encoding of their target"""


@TABLE.function(*_AS_TORCH)
def _as_torch(run: Run, call: Call) -> Value:
    use = loss_use(run, _AS_TORCH[call.qualified], Call(call.where), call.where.written)
    return Unknown("a loss", call.where) if use is None else Object(LOSS, call, use)
