"""``torch.nn`` modules: constructors, containers, and what calling one does."""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Bound,
    Const,
    Function,
    Instance,
    Mapping,
    Object,
    Partial,
    Seq,
    Unknown,
    Value,
    is_const,
    python,
)
from ae_audit.static.interpreter import subscripts
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import heads
from ae_audit.static.knowledge.torch.layer_call import ACTIVATION_MODULES, library_call
from ae_audit.static.knowledge.torch.layers import LAYERS, WRAPPERS

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("torch modules")
MODULE = "torch.nn.Module"
SEQUENTIAL = "torch.nn.Sequential"

RETURNING_SELF = (
    "to", "cuda", "cpu", "float", "double", "half", "bfloat16", "train", "eval", "apply", "requires_grad_", "type",
    "share_memory", "xpu", "to_empty", "compile",
)  # fmt: skip
RETURNING_NOTHING = ("zero_grad", "load_state_dict", "register_forward_hook", "register_backward_hook", "extra_repr")


def constructor(name: str) -> Callable[[Run, Call], Value]:
    """A handler that makes an object of the class ``name``, to be understood when it is called."""

    def construct(run: Run, call: Call) -> Value:
        return Object(name, call)

    return construct


for _name in (*LAYERS, *ACTIVATION_MODULES, "Module"):
    TABLE.functions[f"torch.nn.{_name}"] = constructor(f"torch.nn.{_name}")
    if _name != "Module":
        TABLE.bases[f"torch.nn.{_name}"] = (MODULE,)
TABLE.bases[SEQUENTIAL] = (MODULE,)
TABLE.bases["torch.nn.ModuleList"] = (MODULE,)
TABLE.bases["torch.nn.ModuleDict"] = (MODULE,)
TABLE.aliases["torch.nn.modules.module.Module"] = MODULE
TABLE.aliases["torch.nn.modules"] = "torch.nn"
for _part in ("activation", "linear", "conv", "pooling", "batchnorm", "dropout", "container", "loss", "normalization"):
    TABLE.aliases[f"torch.nn.modules.{_part}"] = "torch.nn"


TABLE.functions["einops.layers.torch.Rearrange"] = constructor("einops.layers.torch.Rearrange")
TABLE.bases["einops.layers.torch.Rearrange"] = (MODULE,)


# -- containers ------------------------------------------------------------------------------------------------------


@TABLE.function(SEQUENTIAL)
def sequential(run: Run, call: Call) -> Value:
    """``nn.Sequential(a, b)``, ``nn.Sequential(OrderedDict(…))`` and ``nn.Sequential(*layers)``."""
    made = Object(SEQUENTIAL, call)
    made.state = _children(run, call)
    if len(call.args) == 1 and isinstance(call.args[0], Mapping):
        made.attrs.update({name: layer for name, layer in call.args[0].items.items() if isinstance(name, str)})
    return made


def _children(run: Run, call: Call) -> Seq:
    if len(call.args) == 1 and isinstance(call.args[0], Mapping):
        mapping = call.args[0]
        return Seq(list(mapping.items.values()), rest=mapping.rest)
    if len(call.args) == 1 and isinstance(call.args[0], (Seq, Unknown)):
        items, rest = run.iterate(call.args[0], call.where)
        return Seq([_second(item) for item in items], rest=rest)
    rest = Unknown("layers from a list whose contents are unknown", call.where) if call.open else None
    return Seq(list(call.args), rest=rest)


def _second(item: Value) -> Value:
    """Of a ``(name, layer)`` pair the layer."""
    if isinstance(item, Seq) and len(item.items) == 2 and is_const(item.items[0], str):
        return item.items[1]
    return item


@TABLE.method(SEQUENTIAL, "__init__")
def sequential_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__(a, b)`` in a user's subclass of Sequential."""
    receiver.state = _children(run, call)
    return NONE


def layers_of(receiver: Value) -> Seq | None:
    """The children of a Sequential (or of a user's subclass of it), as a list that may be changed in place."""
    if isinstance(receiver, (Object, Instance)):
        if receiver.state is None:
            receiver.state = Seq([])
        return receiver.state if isinstance(receiver.state, Seq) else None
    return None


@TABLE.method(SEQUENTIAL, "forward", "__call__")
def sequential_forward(run: Run, receiver: Any, call: Call) -> Value:
    """Each child in turn."""
    if isinstance(receiver, Instance) and receiver.cls.find("forward") is not None:
        return module_call(run, receiver, call)
    layers = layers_of(receiver)
    value: Value = call.args[0] if call.args else Unknown("the input of a Sequential", call.where)
    if layers is None:
        return Unknown("the layers of a Sequential", call.where)
    for layer in layers.items:
        value = call_module(run, layer, value, call.where)
    if layers.rest is not None:
        return heads.undetermined(run, value, "the layers come from a list whose contents are unknown", call.where)
    return value


def call_module(run: Run, layer: Value, value: Value, where: Where) -> Value:
    """One module, function or class applied to one value."""
    if is_const(layer, type(None)):
        return value
    return run.call(layer, Call(where, [value]))


@TABLE.method(SEQUENTIAL, "append")
def sequential_append(run: Run, receiver: Any, call: Call) -> Value:
    """Add a layer at the end."""
    layers = layers_of(receiver)
    if layers is not None and call.args:
        layers.items.append(call.args[0])
    return receiver if isinstance(receiver, (Object, Instance)) else NONE


@TABLE.method(SEQUENTIAL, "extend")
def sequential_extend(run: Run, receiver: Any, call: Call) -> Value:
    """Add several layers at the end."""
    layers = layers_of(receiver)
    if layers is not None and call.args:
        items, rest = run.iterate(call.args[0], call.where)
        layers.items.extend(items)
        layers.rest = layers.rest or rest
    return receiver if isinstance(receiver, (Object, Instance)) else NONE


@TABLE.method(SEQUENTIAL, "insert")
def sequential_insert(run: Run, receiver: Any, call: Call) -> Value:
    """Add a layer somewhere."""
    layers, place = layers_of(receiver), call.constant(0, "index")
    if layers is not None and len(call.args) > 1:
        if isinstance(place, int):
            layers.items.insert(place, call.args[1])
        else:
            subscripts.loosen(layers)
    return receiver if isinstance(receiver, (Object, Instance)) else NONE


@TABLE.method(MODULE, "add_module", "register_module")
def add_module(run: Run, receiver: Any, call: Call) -> Value:
    """``self.add_module("fc", layer)``."""
    name, module = call.constant(0, "name"), call.get(1, "module")
    if isinstance(name, str) and module is not None and isinstance(receiver, (Object, Instance)):
        receiver.attrs[name] = module
    if module is not None and SEQUENTIAL in run.registry.kinds(receiver):
        layers = layers_of(receiver)
        if layers is not None:
            layers.items.append(module)
    return NONE


@TABLE.method(SEQUENTIAL, "__getitem__")
def sequential_item(run: Run, receiver: Any, call: Call) -> Value:
    """``net[0]``, ``net[-1]``; a slice is a Sequential again."""
    layers = layers_of(receiver)
    index = call.args[0] if call.args else None
    if layers is None or index is None:
        return Unknown("a layer of a Sequential", call.where)
    stretch, place = python(index), _place(layers, index)
    if isinstance(stretch, slice):
        made = Object(SEQUENTIAL, call)
        made.state = Seq(layers.items[stretch], rest=layers.rest)
        return made
    if place is not None:
        return layers.items[place]
    return Unknown("a layer of a Sequential", call.where)


@TABLE.method(SEQUENTIAL, "__setitem__")
def sequential_set_item(run: Run, receiver: Any, call: Call) -> Value:
    """``net[-1] = nn.Tanh()``."""
    layers = layers_of(receiver)
    if layers is not None and len(call.args) > 1:
        place = _place(layers, call.args[0])
        if place is None:
            subscripts.loosen(layers)
        else:
            layers.items[place] = call.args[1]
    return NONE


@TABLE.method(SEQUENTIAL, "__delitem__", "pop")
def sequential_delete_item(run: Run, receiver: Any, call: Call) -> Value:
    """``del net[-1]``, ``del net[2:]``, ``net.pop(0)``."""
    layers, key = layers_of(receiver), call.args[0] if call.args else NONE
    if layers is None:
        return NONE
    stretch, place = python(key), _place(layers, key)
    if isinstance(stretch, slice) and layers.rest is None:
        del layers.items[stretch]
    elif place is not None:
        return layers.items.pop(place)
    else:
        subscripts.loosen(layers)
    return NONE


def _place(layers: Seq, key: Value) -> int | None:
    """The index of a layer, where it is known which one stands there."""
    place = python(key)
    if not isinstance(place, int) or not -len(layers.items) <= place < len(layers.items):
        return None
    return place if layers.rest is None or place >= 0 else None


@TABLE.method(SEQUENTIAL, "__iter__")
def sequential_iter(run: Run, receiver: Any, call: Call) -> Value:
    """``for layer in net``."""
    return layers_of(receiver) or Unknown("the layers of a Sequential", call.where)


@TABLE.method(SEQUENTIAL, "__len__")
def sequential_len(run: Run, receiver: Any, call: Call) -> Value:
    """``len(net)``."""
    layers = layers_of(receiver)
    return Const(len(layers.items)) if layers is not None and layers.rest is None else Unknown("a length", call.where)


@TABLE.function("torch.nn.ModuleList", "torch.nn.ParameterList")
def module_list(run: Run, call: Call) -> Value:
    """A list; what else a module has is never asked of it in practice."""
    given = call.get(0, "modules", "values")
    if given is None:
        return Seq([])
    items, rest = run.iterate(given, call.where)
    return Seq(list(items), rest=rest)


@TABLE.function("torch.nn.ModuleDict", "torch.nn.ParameterDict")
def module_dict(run: Run, call: Call) -> Value:
    """A dictionary."""
    given = call.get(0, "modules", "parameters")
    if given is None:
        return Mapping({})
    if isinstance(given, Mapping):
        return Mapping(dict(given.items), given.rest)
    items, rest = run.iterate(given, call.where)
    made = {python(item.items[0]): item.items[1] for item in items if isinstance(item, Seq) and len(item.items) == 2}
    return Mapping(made, None if rest is None and len(made) == len(items) else Unknown("a module", call.where))


# -- what every module has -------------------------------------------------------------------------------------------


@TABLE.method(MODULE, "__init__")
def module_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__()``."""
    return NONE


@TABLE.method(MODULE, *RETURNING_SELF)
def module_self(run: Run, receiver: Any, call: Call) -> Value:
    """Methods that return the module."""
    return receiver if isinstance(receiver, (Object, Instance)) else NONE


@TABLE.method(MODULE, *RETURNING_NOTHING)
def module_nothing(run: Run, receiver: Any, call: Call) -> Value:
    """Methods called for their effect on the weights."""
    return NONE


@TABLE.method(MODULE, "parameters", "buffers")
def module_parameters(run: Run, receiver: Any, call: Call) -> Value:
    """Any number of weights."""
    return Seq([], "iterator", rest=heads.parameter())


@TABLE.method(MODULE, "named_parameters", "named_buffers")
def module_named_parameters(run: Run, receiver: Any, call: Call) -> Value:
    """Pairs of name and weights."""
    pair = Seq([Unknown("the name of a parameter", call.where), heads.parameter()], "tuple")
    return Seq([], "iterator", rest=pair)


@TABLE.method(MODULE, "children", "modules")
def module_children(run: Run, receiver: Any, call: Call) -> Value:
    """The modules in a module, in the order of their making."""
    if SEQUENTIAL in run.registry.kinds(receiver):
        return layers_of(receiver) or Unknown("the layers of a Sequential", call.where)
    if isinstance(receiver, (Object, Instance)):
        return Seq([item for item in receiver.attrs.values() if is_module(run, item)])
    return Unknown("the children of a module", call.where)


@TABLE.method(MODULE, "register_buffer", "register_parameter")
def register_buffer(run: Run, receiver: Any, call: Call) -> Value:
    """``self.register_buffer("mean", tensor)`` binds an attribute."""
    name, value = call.constant(0, "name"), call.get(1, "tensor", "param")
    if isinstance(name, str) and isinstance(receiver, (Object, Instance)):
        receiver.attrs[name] = value or NONE
    return NONE


@TABLE.attribute(MODULE, "weight", "bias")
def module_weight(run: Run, receiver: Any) -> Value:
    """``layer.weight``."""
    return heads.parameter()


@TABLE.attribute(MODULE, "training")
def module_training(run: Run, receiver: Any) -> Value:
    """Training is what is audited."""
    return Const(True)


@TABLE.function("torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.nn.Buffer")
def parameter(run: Run, call: Call) -> Value:
    """Weights of the user's own."""
    given = call.get(0, "data")
    if given is not None and call.constant(1, "requires_grad", default=True) is False:
        return run.as_array(given) or given  # a constant, kept as a parameter for its device
    shape = given.shape if isinstance(given, Array) else None
    return heads.parameter(shape)


def is_module(run: Run, value: Value) -> bool:
    """Whether a value is a torch module."""
    return isinstance(value, (Object, Instance)) and MODULE in run.registry.kinds(value)


@TABLE.method(MODULE, "__call__")
def module_call(run: Run, receiver: Any, call: Call) -> Value:
    """``model(x)`` is ``model.forward(x)``, hooks apart."""
    if isinstance(receiver, Object):
        return library_call(run, receiver, call)
    forward = run.attribute(receiver, "forward", call.where)
    if isinstance(forward, (Function, Bound, Partial)):
        return run.call(forward, call)
    given = [argument for argument in call.values() if run.find_tensors(argument) or isinstance(argument, Array)]
    value = given[0] if given else (call.args[0] if call.args else NONE)
    return heads.undetermined(run, value, f"`{receiver.cls.name}` has no `forward` that could be found", call.where)


@TABLE.method(MODULE, "forward")
def module_forward(run: Run, receiver: Any, call: Call) -> Value:
    """``layer.forward(x)``."""
    if isinstance(receiver, Object):
        return library_call(run, receiver, call)
    return Unknown("a module without forward", call.where)


@TABLE.function(*(f"torch.nn.{name}" for name in WRAPPERS), "torch.compile", "torch.jit.script",
                "torch.nn.SyncBatchNorm.convert_sync_batchnorm")  # fmt: skip
def wrapper(run: Run, call: Call) -> Value:
    """``nn.DataParallel(model)``, ``torch.compile(model)``: the module itself."""
    return call.get(0, "module", "model", "obj") or Unknown("a wrapped module", call.where)


@TABLE.attribute(MODULE, "module")
def wrapped_module(run: Run, receiver: Any) -> Value:
    """``DataParallel(model).module``."""
    return receiver if isinstance(receiver, (Object, Instance)) else Unknown("a wrapped module")
