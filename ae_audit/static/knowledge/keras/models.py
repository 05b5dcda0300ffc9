"""Keras models: how they are put together (Sequential, functional, subclassed) and called."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import tensors, usage
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Instance, Mapping, Object, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.activations import ACTIVATION
from ae_audit.static.knowledge.keras.layers import RECURRENT, apply
from ae_audit.static.knowledge.keras.memory import LAYER_CALLS, Graph, remember
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras models")
KERAS = Framework.KERAS


def graph(run: Run, model: Value) -> Graph:
    """The model's graph; an empty one for a subclassed model."""
    if isinstance(model, (Object, Instance)):
        if isinstance(model.state, Graph):
            return model.state
        made = Graph()
        model.state = made
        return made
    return Graph()


@TABLE.function("keras.Input")
def _input(run: Run, call: Call) -> Value:
    shape = call.constant(0, "shape")
    batch = call.constant(None, "batch_shape", "batch_input_shape")
    if "tensor" in call.kwargs:
        return call.kwargs["tensor"]
    return placeholder(run, shape, batch, call.where)


def placeholder(run: Run, shape: object, batch: object, where: Where) -> Array:
    """An array that stands for data given later."""
    extents: tuple[int | None, ...] | None = None
    if isinstance(shape, int):
        extents = (None, shape)
    elif isinstance(shape, tuple):
        extents = (None, *(s if isinstance(s, int) else None for s in shape))
    elif isinstance(batch, tuple):
        extents = tuple(s if isinstance(s, int) else None for s in batch)
    return Array(shape=extents, root=run.fresh(), placeholder=True, where=where, why="an input of the model")


@TABLE.function("keras.Sequential")
def _sequential(run: Run, call: Call) -> Value:
    made = Object("keras.Sequential", call)
    layers, rest = run.iterate(call.get(0, "layers") or Seq(), call.where) if call.given(0, "layers") else ([], None)
    made.state = Graph(layers=list(layers), sequential=True,
                       why=None if rest is None else "its layers are put together at run time")  # fmt: skip
    return made


@TABLE.method("keras.Model", "__init__")
def _init(run: Run, receiver: Value, call: Call) -> Value:
    if isinstance(receiver, Instance):
        inputs, outputs = call.get(0, "inputs", "input"), call.get(1, "outputs", "output")
        bases = receiver.cls.library_bases()
        if "keras.Sequential" in bases:
            layers = run.iterate(inputs, call.where)[0] if inputs is not None else []
            receiver.state = Graph(layers=list(layers), sequential=True)
        elif inputs is not None and outputs is not None:
            receiver.state = _functional_graph(run, inputs, outputs, call)
    return Const(None)


@TABLE.function("keras.Model")
def _model(run: Run, call: Call) -> Value:
    made = Object("keras.Model", call)
    inputs, outputs = call.get(0, "inputs", "input"), call.get(1, "outputs", "output")
    if inputs is None or outputs is None:
        made.state = Graph(why="it is made without inputs and outputs")
    else:
        made.state = _functional_graph(run, inputs, outputs, call)
    return made


def _functional_graph(run: Run, inputs: Value, outputs: Value, call: Call) -> Graph:
    def listed(value: Value) -> tuple[list[Value], list[str]]:
        if isinstance(value, Seq):
            return list(value.items), []
        if isinstance(value, Mapping):
            return list(value.items.values()), [str(key) for key in value.items]
        return [value], []

    ends, names = listed(outputs)
    return Graph(inputs=listed(inputs)[0], outputs=ends, names=names)


@TABLE.method("keras.Sequential", "add")
def _add(run: Run, receiver: Value, call: Call) -> Value:
    state = graph(run, receiver)
    state.sequential = True
    layer = call.get(0, "layer")
    if layer is not None:
        state.layers.append(layer)
        state.outputs = None
    return Const(None)


@TABLE.method("keras.Sequential", "pop")
def _pop(run: Run, receiver: Value, call: Call) -> Value:
    state = graph(run, receiver)
    if state.layers:
        state.layers.pop()
        state.outputs = None
    return Const(None)


def build(run: Run, model: Value, where: Where, data: Value | None = None) -> Graph:
    """The graph with inputs and outputs; those of a Sequential are computed on demand, for the shape of ``data``."""
    state = graph(run, model)
    _take_new_activations(run, state)
    if state.sequential and state.built_on is None and isinstance(data, Array) and data.shape:
        state.built_on = (None, *data.shape[1:])
        if any(isinstance(value, Array) and value.shape is None for value in state.inputs):
            state.outputs = None
    if state.sequential and state.outputs is None:
        inputs = _sequential_input(run, state.layers, where)
        if inputs.shape is None:
            inputs = replace(inputs, shape=state.built_on)
        state.inputs = [inputs]
        value: Value = inputs
        for layer in state.layers:
            if isinstance(layer, Array):
                value = state.inputs[0] = layer
                continue
            if isinstance(layer, (Object, Instance)) and layer is not model:
                value = run.call(layer, Call(layer.where or where, [value]))
            elif isinstance(layer, Unknown):
                value = tensors.opaque(run, KERAS, [value], layer.reason)
            else:
                value = run.call(layer, Call(where, [value]))
        if state.why is not None:
            value = tensors.opaque(run, KERAS, [value], state.why)
        state.outputs = [value] if state.layers else []
    return state


def _take_new_activations(run: Run, state: Graph) -> None:
    """Compute the outputs again where a layer was given another activation since (``layer.activation = …``)."""
    layers = state.layers if state.sequential else layers_of(run, state)
    given = tuple(
        (each, each.attrs[ACTIVATION]) for each in layers if isinstance(each, Object) and ACTIVATION in each.attrs
    )
    if len(given) == len(state.set_anew) and all(
        a is c and b is d for (a, b), (c, d) in zip(given, state.set_anew, strict=True)
    ):
        return
    state.set_anew = given
    if state.sequential:
        state.outputs = None
        return
    known = LAYER_CALLS.of(run)
    changed = {id(layer) for layer, _ in given}

    def now(value: Value) -> Value:
        if isinstance(value, Seq):
            items = [now(item) for item in value.items]
            return (
                value
                if all(a is b for a, b in zip(items, value.items, strict=True))
                else Seq(items, value.kind, value.rest)
            )
        entry = known.get(value)
        if entry is None:
            return value
        layer, before = entry.layer, now(entry.inputs)
        if (before is entry.inputs and id(layer) not in changed) or not layer.cls.startswith("keras.layers."):
            return value
        made = apply(run, layer, before, layer.where or _where(layer))
        remember(run, made, layer, before)
        return made

    state.outputs = [now(output) for output in state.outputs or []]


def _sequential_input(run: Run, layers: list[Value], where: Where) -> Array:
    if layers and isinstance(layers[0], Array):
        return layers[0]
    first = layers[0] if layers else None
    entered: set[int] = set()
    while isinstance(first, Object) and first.cls in {"keras.Sequential", "keras.Model"}:
        if id(first) in entered:  # a model that was added to itself
            return placeholder(run, None, None, where)
        entered.add(id(first))
        state = graph(run, first)
        if not state.sequential or not state.layers:
            return _fresh_input(run, state.inputs, where)
        first = state.layers[0]
    if isinstance(first, Object) and first.call is not None:
        call = first.call
        shape = call.constant(None, "input_shape")
        if shape is None:
            shape = _by_dimension(first.cls.rpartition(".")[2], call)
        if first.cls.endswith(("Input", "InputLayer")):
            shape = call.constant(0, "input_shape", "shape")
        batch = call.constant(None, "batch_input_shape", "batch_shape")
        return placeholder(run, shape, batch, first.where or where)
    return placeholder(run, None, None, where)


def _by_dimension(layer: str, call: Call) -> object:
    """The shape of one sample as older programs give it: ``input_dim``, of sequences with ``input_length``."""
    extent, length = call.constant(None, "input_dim"), call.constant(None, "input_length")
    if layer == "Embedding":  # whose input_dim is the size of its vocabulary
        return None if length is None else (length,)
    if extent is not None and (layer in RECURRENT or layer.endswith("1D")):
        return (length, extent)
    return extent


def _fresh_input(run: Run, inputs: list[Value], where: Where) -> Array:
    first = inputs[0] if inputs else None
    made = placeholder(run, None, None, where)
    return replace(made, shape=first.shape) if isinstance(first, Array) else made


@TABLE.method("keras.Model", "__call__")
def _call(run: Run, receiver: Value, call: Call) -> Value:
    inputs = call.get(0, "inputs", "x")
    if isinstance(receiver, Instance) and receiver.cls.find("call") is not None:
        made = run.call_method(receiver, "call", call)
        return named(run, made, receiver) if made is not None else Unknown("a model without call()", call.where)
    state = graph(run, receiver)
    if inputs is None:
        return Unknown("a model called without an input", call.where)
    if state.sequential:
        return named(run, _through_layers(run, receiver, state, inputs, call), receiver)
    if state.outputs is None:
        why = state.why or "the model's layers are not known"
        return tensors.opaque(run, KERAS, [inputs], why)
    _take_new_activations(run, state)
    made = applied(run, state, inputs)
    if isinstance(receiver, Object):
        remember(run, made, receiver, inputs)
    return named(run, made, receiver)


def named(run: Run, value: Value, model: Value) -> Value:
    """The outputs of a model, marked with its name."""
    name = model_name(model)
    if isinstance(value, Tensor) and name is not None and value.model is None:
        made = replace(value, model=name)
        entry = LAYER_CALLS.of(run).get(value)
        if entry is not None:
            LAYER_CALLS.of(run).put(made, entry)
        return made
    return value


def model_name(model: Value) -> str | None:
    """The name by which the program knows the model: its class, or the variable that it is bound to."""
    if isinstance(model, Instance):
        return model.cls.name
    if isinstance(model, Object):
        variable = model.attrs.get("variable")
        return variable.value if isinstance(variable, Const) else None
    return None


def _through_layers(run: Run, model: Value, state: Graph, inputs: Value, call: Call) -> Value:
    value = inputs
    for layer in state.layers:
        if isinstance(layer, Array) or layer is model:
            continue
        if isinstance(layer, Object) and layer.cls.endswith("InputLayer"):
            continue
        where = layer.where if isinstance(layer, (Object, Instance)) and layer.where is not None else call.where
        value = run.call(layer, Call(where, [value]))
    return value if state.why is None else tensors.opaque(run, KERAS, [value], state.why)


def applied(run: Run, state: Graph, inputs: Value) -> Value:
    """A functional model's outputs on other inputs: the same heads, fed by what these are fed by."""
    base = tensors.entering(run, KERAS, [inputs])
    made: list[Value] = []
    for output in state.outputs or []:
        if isinstance(output, Tensor):
            own = output.fed
            roots = {value.root for value in state.inputs if isinstance(value, Array)}
            kept = tuple(array for array in own if array.root not in roots)
            made.append(
                replace(
                    output, fed=(*base.fed, *kept)[:8],
                    first_layers=(*base.first_layers, *output.first_layers)[:3],
                    normalises=base.normalises if base.first_layers else output.normalises,
                    variational=Tri.YES if base.variational is Tri.YES else output.variational,
                )
            )  # fmt: skip
        elif isinstance(output, Array):
            array = run.as_array(inputs)
            made.append(inputs if array is None else array)
        else:
            made.append(output)
    return made[0] if len(made) == 1 else Seq(made, "list")


@TABLE.attribute("keras.Model", "input", "inputs")
def _inputs(run: Run, receiver: Value) -> Value:
    state = build(run, receiver, _where(receiver))
    return state.inputs[0] if len(state.inputs) == 1 else Seq(list(state.inputs))


@TABLE.attribute("keras.Model", "output", "outputs")
def _outputs(run: Run, receiver: Value) -> Value:
    state = build(run, receiver, _where(receiver))
    if state.outputs is None:
        return Unknown(state.why or "the outputs of the model are not known")
    return state.outputs[0] if len(state.outputs) == 1 else Seq(list(state.outputs))


@TABLE.attribute("keras.Model", "input_shape", "output_shape")
def _shapes(run: Run, receiver: Value) -> Value:
    return Unknown("the shape of a model's input or output")


def _where(model: Value) -> Where:
    where = model.where if isinstance(model, (Object, Instance)) else None
    if where is None:
        import ast

        from ae_audit.static.source.sources import Text

        return Where(Text("", ""), ast.Pass())
    return where


@TABLE.attribute("keras.Model", "layers")
def _layers(run: Run, receiver: Value) -> Value:
    state = build(run, receiver, _where(receiver))
    if state.sequential:
        return Seq([layer for layer in state.layers if not isinstance(layer, Array)])
    found = layers_of(run, state)
    return Seq(found) if found else Unknown("the layers of the model are not known")


def layers_of(run: Run, state: Graph) -> list[Value]:
    """The layers of a functional model in the order in which they were called, input layers first."""
    known = LAYER_CALLS.of(run)
    order = {id(made): index for index, (made, _) in enumerate(known.items())}
    found: dict[int, tuple[int, Value]] = {}
    pending: list[Value] = list(state.outputs or [])
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Seq):
            pending.extend(value.items)
        entry = known.get(value)
        if entry is not None:
            found.setdefault(id(entry.layer), (order[id(value)], entry.layer))
            pending.append(entry.inputs)
    ordered = [layer for _, layer in sorted(found.values(), key=lambda item: item[0])]
    return [*(Object("keras.layers.InputLayer") for _ in state.inputs), *ordered] if ordered else []


@TABLE.method("keras.Model", "get_layer")
def _get_layer(run: Run, receiver: Value, call: Call) -> Value:
    layers = _layers(run, receiver)
    wanted, index = call.constant(0, "name"), call.constant(1, "index")
    if isinstance(wanted, int):
        wanted, index = None, wanted
    if isinstance(layers, Seq):
        if isinstance(index, int) and -len(layers.items) <= index < len(layers.items):
            return layers.items[index]
        for layer in layers.items:
            if isinstance(layer, Object) and layer.call is not None and layer.call.constant(None, "name") == wanted:
                return layer
    return Unknown(f"the layer `{wanted}` of a model", call.where)


@TABLE.function("keras.models.load_model", "keras.models.model_from_json", "keras.models.model_from_yaml",
                "keras.saving.load_model", "tensorflow.saved_model.load", "tensorflow_hub.KerasLayer")  # fmt: skip
def _load(run: Run, call: Call) -> Value:
    return Object("keras.Model", call, state=Graph(why="the model is loaded from a file"))


@TABLE.function("keras.models.clone_model")
def _clone(run: Run, call: Call) -> Value:
    return call.args[0] if call.args else Unknown("an unknown model", call.where)


@TABLE.function("keras.utils.multi_gpu_model")
def _multi_gpu(run: Run, call: Call) -> Value:
    return call.args[0] if call.args else Unknown("an unknown model", call.where)


_SIGNED = (".inception_", ".xception.", ".mobilenet.", ".mobilenet_v2.", ".nasnet.", ".resnet_v2.")
"""libraries whose ``preprocess_input`` takes [0, 255] to [-1, 1]"""
_UNCHANGED = (".efficientnet", ".mobilenet_v3.", ".convnext.")
"""libraries whose models scale their input themselves, and whose ``preprocess_input`` does nothing"""


@TABLE.prefix("keras.applications", "efficientnet")
def _application(run: Run, name: str, call: Call) -> Value:
    short = name.rpartition(".")[2]
    if short == "preprocess_input":
        array = run.as_array(call.args[0]) if call.args else None
        if array is None:
            return Unknown("a preprocessed image", call.where)
        from ae_audit.static.domain import arrays
        from ae_audit.theory.ranges import UNKNOWN_RANGE

        if any(mode in name for mode in _SIGNED):
            return arrays.affine(array, 1 / 127.5, -1.0, "preprocess_input()", call.where)
        if any(mode in name for mode in _UNCHANGED):
            return array
        return arrays.recast(array, UNKNOWN_RANGE, "preprocess_input()", call.where, why=f"what `{name}` makes of it")
    if not short[:1].isupper():
        return Unknown(f"what `{name}` returns is not known", call.where)
    given = call.get(None, "input_tensor")
    shape = call.constant(None, "input_shape")
    start = given if given is not None else placeholder(run, shape, None, call.where)
    if isinstance(start, Array) and _scales_itself(short) and call.constant(None, "include_preprocessing") is not False:
        from ae_audit.static.domain import arrays

        start_inside: Value = arrays.affine(start, 1 / 255, 0.0, f"the layer inside {short}", call.where)
    else:
        start_inside = start
    if call.constant(None, "include_top", default=True) is False:
        out: Value = tensors.opaque(run, KERAS, [start_inside], f"the features of `{short}`", short)
    else:
        base = tensors.through_weights(run, KERAS, start_inside, short, call.where)
        out = tensors.activated(run, base, "softmax", call.where, framework=KERAS, axis=-1)
    made = Object("keras.Model", call, state=Graph(inputs=[start], outputs=[out]))
    return made


def _scales_itself(name: str) -> bool:
    """Whether a model of the library divides bytes by 255 in its first layer, or does the like."""
    return name.startswith(("EfficientNet", "MobileNetV3", "ConvNeXt", "RegNet"))


@TABLE.method("keras.Model", "predict", "predict_on_batch", "predict_generator")
def _predict(run: Run, receiver: Value, call: Call) -> Value:
    """What a trained model makes of data: data again, within the range of the head."""
    inputs = call.get(0, "x") or Unknown("a missing input", call.where)
    where = call.where
    usage.note_asked(run, receiver, inputs)
    made = run.call(receiver, Call(where, [inputs]))

    def as_data(value: Value) -> Value:
        if isinstance(value, Tensor):
            from ae_audit.theory.ranges import ValueRange

            hull = value.head.range.values.hull
            return Array(ValueRange(hull), "float32", value.head.shape, root=run.fresh(), where=where,
                         source="predictions of a model", why="they are predictions of a model",
                         predicted=value.head if hull.bounded else None)  # fmt: skip
        if isinstance(value, Seq):
            return Seq([as_data(item) for item in value.items], value.kind)
        return value

    return as_data(made)


@TABLE.method("keras.Model", "evaluate", "evaluate_generator", "test_on_batch")
def _evaluate(run: Run, receiver: Value, call: Call) -> Value:
    """A loss of data: what they are counts, not what it is."""
    usage.note_asked(run, receiver, call.get(0, "x", "generator"))
    return Unknown(f"what `{call.name}` gives", call.where)


@TABLE.method("keras.Model", "summary", "save", "save_weights", "load_weights", "to_json", "get_config", "count_params",
              "reset_states", "export")  # fmt: skip
def _aside(run: Run, receiver: Value, call: Call) -> Value:
    return Unknown(f"what `{call.name}` gives", call.where)


@TABLE.attribute("keras.Model", "trainable_variables", "trainable_weights", "weights", "variables", "losses",
                 "metrics", "history", "metrics_names", "optimizer", "stop_training")  # fmt: skip
def _properties(run: Run, receiver: Value) -> Value:
    return Unknown("a property of a model")
