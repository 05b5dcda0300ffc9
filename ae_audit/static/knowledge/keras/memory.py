"""What the tables of Keras keep in a run: models, the layers that were called, and the losses that layers add."""

from __future__ import annotations

from ae_audit.base.records import dataclass, field
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.stores import ByIdentity, ListsByIdentity, Store
from ae_audit.static.domain.values import Object, Tensor, Value
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


@dataclass(slots=True)
class Graph:
    """A Keras model: its layers where it is a Sequential, its ends where it is functional, and what compile() said."""

    layers: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] | None = None
    sequential: bool = False
    why: str | None = None
    """why its outputs are unknown (loaded from a file)"""
    names: list[str] = field(default_factory=list)
    """of the outputs, where they are given by name"""
    built_on: tuple[int | None, ...] | None = None
    """the shape of the data that a Sequential without one of its own was first used on"""
    set_anew: tuple[tuple[Value, Value], ...] = ()
    """layers that were given another activation after they were made, and which: the outputs have it"""


@dataclass(slots=True)
class Compiled:
    """What ``compile`` was given."""

    call: Call
    loss: Value | None
    metrics: Value | None
    optimizer: str | None
    weights: Value | None
    fitted: bool = False
    uncalled: int | None = None
    """the function that was entered although nothing calls it, where it was compiled in one"""


@dataclass(frozen=True, slots=True)
class LayerCall:
    """The layer, or model, that made a tensor, and what it was called with."""

    layer: Object
    inputs: Value


AddedLoss = tuple[Value, Where]
"""a loss given to ``add_loss``, and where"""

COMPILED: Store[ByIdentity[Compiled]] = Store(ByIdentity)
"""by model"""
LAYER_CALLS: Store[ByIdentity[LayerCall]] = Store(ByIdentity)
"""by the tensor that the call made, in the order of the calls"""
ADDED_LOSSES: Store[ListsByIdentity[AddedLoss]] = Store(ListsByIdentity)
"""by the layer or model that adds them"""
ALL_ADDED_LOSSES: Store[list[AddedLoss]] = Store(list)
"""those that compare something, whatever adds them"""
ADDED_DIVERGENCES: Store[list[AddedLoss]] = Store(list)
"""divergences of a code, whatever adds them: a layer of its own often does"""
UNKNOWN_TRAINED: Store[list[Value]] = Store(list)
"""models out of reach that were trained: any compiled one may be one of them"""


def remember(run: Run, made: Value, layer: Object, inputs: Value) -> None:
    """Keep which layer made which tensor, for ``model.layers`` and ``get_layer``."""
    if isinstance(made, Tensor):
        LAYER_CALLS.of(run).put(made, LayerCall(layer, inputs))
