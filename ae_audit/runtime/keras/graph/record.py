"""A training step written by hand with ``tf.GradientTape``, as it ran: operations, layers, losses, gradients, updates.

A node is one TensorFlow operation outside any layer, one outermost call of a layer or of a known loss, one call of
``tape.gradient``, or one update of weights. What no node made (a batch, noise drawn outside the tape, a constant) is a
leaf, kept by value: eager tensors never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from ae_audit.runtime.host.user_code import Caller
from ae_audit.runtime.keras.trace import LossCall
from ae_audit.schema.location import Location

Play = Callable[[Sequence[Any]], Sequence[Any]]

READ = frozenset({"ReadVariableOp", "ResourceGather", "VarIsInitializedOp"})
ASSIGN = frozenset({"AssignVariableOp", "AssignSubVariableOp", "AssignAddVariableOp"})
RANDOM = frozenset(
    {"RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle", "Multinomial"}
    | {"StatelessRandomNormalV2", "StatelessRandomUniformV2", "StatelessTruncatedNormalV2", "StatefulStandardNormalV2"}
    | {"StatefulUniform", "StatelessRandomNormal", "StatelessRandomUniform"}
)

WITHOUT_GRADIENT = frozenset({"OnesLike", "ZerosLike", "Shape", "Size", "Rank"})
"""operations that take the form of their input, and none of its values"""


class Kind(IntEnum):
    """What a tensor depends on; a result has the greatest kind of what entered."""

    DATA = 0
    NOISE = 1
    MODEL = 2


@dataclass(slots=True, eq=False)
class OpNode:
    """One recorded call; tensors are the live ones, told apart by identity."""

    what: str
    """``operation``, ``layer``, ``loss``, ``gradient`` or ``update``"""
    name: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    play: Play | None = None
    """runs it again on other tensors, eagerly or in a graph"""
    location: Location | None = None
    callers: tuple[Caller, ...] = ()
    """the user's frames in which it ran"""
    layer: Any = None
    loss: LossCall | None = None
    sources: tuple[Any, ...] = ()
    """of gradients: what they are taken of; of an update: the variables"""
    optimizer: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    first_call: int = 0
    """how many calls the watch had seen when it began, and when it ended"""
    last_call: int = 0


@dataclass(slots=True, eq=False)
class Record:
    """The nodes of one step in the order in which they ran."""

    nodes: list[OpNode] = field(default_factory=list)
    makers: dict[int, OpNode] = field(default_factory=dict)
    """of a tensor's identity"""

    def add(self, node: OpNode) -> None:
        self.nodes.append(node)
        for output in node.outputs:
            if output is not None:
                self.makers[id(output)] = node

    def maker(self, tensor: Any) -> OpNode | None:
        return self.makers.get(id(tensor))

    def ancestors(self, tensors: Iterable[Any]) -> list[OpNode]:
        """Every node that the tensors depend on, in the order in which they ran."""
        found: set[int] = set()
        stack = [self.maker(tensor) for tensor in tensors]
        while stack:
            node = stack.pop()
            if node is not None and id(node) not in found:
                found.add(id(node))
                stack.extend(self.maker(item) for item in node.inputs if item is not None)
        return [node for node in self.nodes if id(node) in found]

    @property
    def gradients(self) -> list[OpNode]:
        return [node for node in self.nodes if node.what == "gradient"]

    @property
    def handles(self) -> set[int]:
        """The identities of the handles of the weights that gradients are taken of."""
        found = (handle_of(source) for node in self.gradients for source in node.sources)
        return {id(handle) for handle in found if handle is not None}

    def pruned(self) -> Record:
        """Without what neither gradients nor updates of the trained weights depend on."""
        handles = self.handles
        roots = [node for node in self.nodes if node.what in {"gradient", "update"} or _assigns(node, handles)]
        kept = {id(node) for node in self.ancestors([item for node in roots for item in node.inputs])}
        kept |= {id(node) for node in roots}
        read = {id(node.inputs[0]) for node in self.nodes if id(node) in kept and node.name in READ}
        states = [node for node in self.nodes if id(node) not in kept and _assigns(node, read)]
        kept |= {id(node) for node in self.ancestors([item for node in states for item in node.inputs])}
        kept |= {id(node) for node in states}
        result = Record()
        for node in self.nodes:
            if id(node) in kept:
                result.add(node)
        return result

    def leaves(self) -> Iterator[tuple[int, int, Any]]:
        """What no node made, at its first use: place of the node, place among its inputs, and the tensor itself."""
        seen: set[int] = set()
        for place, node in enumerate(self.nodes):
            for index, item in enumerate(node.inputs):
                if id(item) not in self.makers and id(item) not in seen:
                    seen.add(id(item))
                    yield place, index, item

    def signature(self) -> tuple[tuple[Any, ...], ...]:
        """Equal for two steps that did the same to other data."""
        return tuple(
            (node.what, node.name, len(node.inputs), tuple(shape_of(output) for output in node.outputs))
            for node in self.nodes
        )

    def kinds(self) -> dict[int, Kind]:
        """What each recorded tensor depends on."""
        handles = self.handles
        weights = {id(source) for node in self.gradients for source in node.sources}
        result: dict[int, Kind] = {}
        for node in self.nodes:
            kind = max((result.get(id(item), Kind.DATA) for item in node.inputs), default=Kind.DATA)
            if (node.name in READ and node.inputs and id(node.inputs[0]) in handles) or (
                node.what == "layer" and any(id(weight) in weights for weight in node.layer.trainable_variables)
            ):
                kind = Kind.MODEL
            elif node.name in RANDOM:
                kind = max(kind, Kind.NOISE)
            elif node.name in WITHOUT_GRADIENT:
                kind = Kind.DATA
            for output in node.outputs:
                if output is not None:
                    result[id(output)] = kind
        return result


def _assigns(node: OpNode, handles: set[int]) -> bool:
    return node.name in ASSIGN and bool(node.inputs) and id(node.inputs[0]) in handles


def handle_of(source: Any) -> Any:
    """The handle of a weight, of Keras or of TensorFlow alone; None for a tensor."""
    return source.handle if hasattr(source, "assign") and hasattr(source, "handle") else None


def shape_of(tensor: Any) -> tuple[int | None, ...] | None:
    """Its extents; None for what is no tensor."""
    shape = getattr(tensor, "shape", None)
    try:
        return None if shape is None else tuple(shape)
    except ValueError:  # of unknown rank
        return None


def operation(op_type: str, attributes: Sequence[Any], count: int) -> Play | None:
    """How an operation runs again on ``count`` inputs; None where TensorFlow offers no way.

    Args:
        attributes: names and values in turn, as TensorFlow tells them.
    """
    import inspect

    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    function = getattr(tf.raw_ops, op_type, None)
    definition = op_def_registry.get(op_type)
    if function is None or definition is None:
        return None
    accepted = [name for name in inspect.signature(function).parameters if name != "name"]
    given = dict(zip(attributes[::2], attributes[1::2], strict=False))
    names = _parameter_names([argument.name for argument in definition.input_arg], accepted, definition)
    if names is None:
        return None
    lists = [bool(argument.number_attr or argument.type_list_attr) for argument in definition.input_arg]
    if lists.count(True) > 1:
        return None
    long = count - (len(names) - 1)
    fixed = {key: value for key, value in given.items() if key in accepted and key not in names and value is not None}

    def play(inputs: Sequence[Any]) -> Sequence[Any]:
        rest = list(inputs)
        arguments = dict(fixed)
        for name, is_list in zip(names, lists, strict=True):
            arguments[name] = [rest.pop(0) for _ in range(long)] if is_list else rest.pop(0)
        if "seed" in accepted and "seed2" in accepted:
            arguments |= _seeds()
        return outputs_of(function(**arguments))

    return play


def play_again(op_type: str, attributes: Sequence[Any], count: int, inputs: Sequence[Any]) -> Sequence[Any]:
    """Run an operation again on other inputs.

    Raises:
        NotImplementedError: where TensorFlow offers no way.
    """
    play = operation(op_type, attributes, count)
    if play is None:
        raise NotImplementedError(f"TensorFlow's {op_type} cannot be played again")
    return play(inputs)


def _parameter_names(inputs: Sequence[str], accepted: Sequence[str], definition: Any) -> list[str] | None:
    """What the Python function calls the operation's inputs, some of which it has other names for."""
    attributes = {attribute.name for attribute in definition.attr}
    free = [name for name in accepted if name not in inputs and name not in attributes]
    missing = [name for name in inputs if name not in accepted]
    if len(free) != len(missing):
        return None
    renamed = dict(zip(missing, free, strict=True))
    return [renamed.get(name, name) for name in inputs]


def _seeds() -> dict[str, int]:
    from tensorflow.python.framework import random_seed

    first, second = random_seed.get_seed(None)
    return {"seed": first or 0, "seed2": second or 0}


def outputs_of(result: Any) -> tuple[Any, ...]:
    """The tensors that a call returned, flat."""
    import tensorflow as tf

    return () if result is None or isinstance(result, tf.Operation) else tuple(tf.nest.flatten(result))


def layer_again(layer: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], Play]:
    """The arrays among the arguments of a layer's call, and how it is called again on others."""
    import tensorflow as tf

    flat = tf.nest.flatten((args, kwargs))
    places = [place for place, item in enumerate(flat) if _is_array(item)]

    def play(inputs: Any) -> Any:
        again = list(flat)
        for place, item in zip(places, inputs, strict=True):
            again[place] = item
        new_args, new_kwargs = tf.nest.pack_sequence_as((args, kwargs), again)
        outputs = outputs_of(layer(*new_args, **new_kwargs))
        return (*outputs, *added_losses(layer))

    return tuple(flat[place] for place in places), play


def _is_array(item: Any) -> bool:
    import tensorflow as tf

    return isinstance(item, tf.Tensor) or (isinstance(item, np.ndarray) and item.ndim > 0)


def added_losses(layer: Any) -> tuple[Any, ...]:
    """What ``add_loss`` collected in the layer and those inside it."""
    return tuple(loss for inner in layer._flatten_layers() for loss in getattr(inner, "_losses", ()))


def hiding_losses(layer: Any) -> dict[int, Any]:
    """The program's own layers that compute losses in their ``call``, and those round them, by identity."""
    inner = list(layer._flatten_layers())
    adding = [one for one in inner if getattr(one, "_losses", ()) and _looked_into(one)]
    around = [one for one in inner if any(any(part is own for part in one._flatten_layers()) for own in adding)]
    return {id(one): one for one in around}


def _looked_into(layer: Any) -> bool:
    """Whether a layer is the program's own and built of others, or of functions alone."""
    return not type(layer).__module__.startswith("keras.") and bool(layer._layers or not layer.weights)
