"""``torchvision.models`` (and ``timm``): networks whose last layer is known though their inside is not in the file."""

from __future__ import annotations

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import NONE, Array, Mapping, Object, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.modules import MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("torchvision models")
PREFIX = "torchvision.models"
NETWORK = "torchvision.models.Network"
SEGMENTATION = "torchvision.models.Segmentation"

HEADS = {
    "resnet": "fc",
    "resnext": "fc",
    "wide_resnet": "fc",
    "inception": "fc",
    "googlenet": "fc",
    "shufflenet": "fc",
    "regnet": "fc",
    "vgg": "classifier",
    "alexnet": "classifier",
    "densenet": "classifier",
    "mobilenet": "classifier",
    "efficientnet": "classifier",
    "mnasnet": "classifier",
    "squeezenet": "classifier",
    "convnext": "classifier",
    "vit": "heads",
    "swin": "head",
    "maxvit": "classifier",
}
"""By the beginning of a network's name: the attribute that holds its last layers, which programs replace."""

CLASSES = 1000
"""of ImageNet, which the last layer tells apart unless ``num_classes`` says otherwise"""

TABLE.bases[NETWORK] = (MODULE,)
TABLE.bases[SEGMENTATION] = (MODULE,)
for _part in ("segmentation.deeplabv3", "segmentation.fcn", "segmentation.lraspp"):
    TABLE.aliases[f"{PREFIX}.{_part}"] = f"{PREFIX}.segmentation"


@TABLE.prefix(PREFIX)
def network(run: Run, name: str, call: Call) -> Value:
    """A network by its name: ``models.resnet18(pretrained=True)``."""
    last = name.rpartition(".")[2]
    if "segmentation" in name:
        return Object(SEGMENTATION, call, last)
    if any(last.startswith(beginning) for beginning in HEADS):
        return Object(NETWORK, call, last)
    return Unknown(f"what `{name}` returns is not known", call.where)


@TABLE.function("timm.create_model")
def timm_model(run: Run, call: Call) -> Value:
    """``timm.create_model("resnet18", num_classes=10)``: logits."""
    return Object(NETWORK, call, "timm")


@TABLE.method(NETWORK, "__call__", "forward")
def network_call(run: Run, receiver: Any, call: Call) -> Value:
    """The backbone, then whatever the program put in the place of its last layers; else a linear layer's logits."""
    value = heads.carried(run, call.args[0]) if call.args else None
    if value is None or not isinstance(receiver, Object):
        return Unknown("the input of a network", call.where)
    where = receiver.where or call.where
    name = str(receiver.state)
    features = heads.weighed(run, value, name, None, where)
    for beginning, attribute in HEADS.items():
        replaced = receiver.attrs.get(attribute) if name.startswith(beginning) else None
        if replaced is not None and not isinstance(replaced, (Seq, Unknown)):
            return run.call(replaced, Call(call.where, [features]))
    classes = receiver.call.constant(None, "num_classes", default=CLASSES) if receiver.call is not None else None
    shape = (None, classes if isinstance(classes, int) else None)
    return heads.weighed(run, value, name, shape, where)


@TABLE.attribute(NETWORK, "features", "layer1", "layer2", "layer3", "layer4", "conv1", "bn1", "avgpool", "maxpool")
def inner_layers(run: Run, receiver: Any) -> Value:
    """Layers inside: weights of some kind."""
    return Unknown("the layers of a pretrained network")


@TABLE.method(NETWORK, "children", "modules")
def children(run: Run, receiver: Any, call: Call) -> Value:
    """Its layers: some unknown ones."""
    return Seq([], rest=Unknown("the layers of a pretrained network", call.where))


@TABLE.method(SEGMENTATION, "__call__", "forward")
def segmentation_call(run: Run, receiver: Any, call: Call) -> Value:
    """A dictionary with class scores for each pixel under ``out``."""
    value = heads.carried(run, call.args[0]) if call.args else None
    if value is None or not isinstance(value, (Array, Tensor)):
        return NONE
    scores = heads.weighed(run, value, "segmentation", (None, None, None, None), receiver.where or call.where)
    return Mapping({"out": scores, "aux": scores})
