"""Keras' model files (``.keras``, HDF5, JSON): their configuration, and the program that would build the same model."""

from __future__ import annotations

import json
import mmap
import re
import zipfile

from ae_audit.static.model_files.program import LARGEST_CONFIG, NotReadable, SavedModel, Shape, identifier, literal
from ae_audit.theory.activation_names import canonical
from ae_audit.theory.loss_choice import loss_class

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

_HDF5 = b"\x89HDF\r\n\x1a\n"
_JSON_BEGINS = re.compile(rb'\{"(?:class_name|module|name|loss|optimizer_config|metrics|sample_weight_mode)": ')
"""the first key of what Keras 1, 2 and 3 store as JSON in attributes of an HDF5 file"""
_MOST_LOOKS = 8
"""how often each byte of an HDF5 file may be looked at for such a text"""
_MODELS = frozenset({"Sequential", "Functional", "Model"})
_PASSED_OVER = re.compile(
    r"^(name|trainable|dtype|quantization_config|build_config|.*_(initializer|regularizer|constraint))$"
)
_OPERATIONS = ("keras.src.ops", "keras.ops")
_ARITHMETIC = {"Add": "+", "Subtract": "-", "Multiply": "*", "TrueDivide": "/", "Divide": "/"}
_OF_KERAS = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "builtins")


def keras_archive(path: str) -> SavedModel:
    """A ``.keras`` file: a zip archive whose ``config.json`` describes the model.

    Raises:
        NotReadable: if it is none.
        OSError, zipfile.BadZipFile: if it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        raise NotReadable("it is no .keras archive, or one that is damaged or cut off.")
    with zipfile.ZipFile(path) as archive:
        try:
            entry = archive.getinfo("config.json")
        except KeyError:
            raise NotReadable("it is a zip archive without config.json, so it holds no Keras model.") from None
        if entry.file_size > LARGEST_CONFIG:
            raise NotReadable("its config.json is too large to describe a model.")
        return _model(_parsed(archive.read(entry)))


def keras_json(path: str) -> SavedModel:
    """A JSON file as ``model.to_json()`` writes it.

    Raises:
        NotReadable: if it is none.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return _model(_parsed(file.read(LARGEST_CONFIG)))


def keras_hdf5(path: str) -> SavedModel:
    """An HDF5 file of Keras.

    Its attributes ``model_config`` and ``training_config`` are JSON texts that stand in it in one piece, so that no
    HDF5 library is needed, and none is trusted with a stranger's file outside the sandbox.

    Raises:
        NotReadable: if it holds no model.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            raise NotReadable("it is no HDF5 file, or one that is damaged.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            found = _json_objects(text)
    config = next((item for item in found if "class_name" in item and "config" in item), None)
    if config is None:
        raise NotReadable("it holds weights without an architecture; save the whole model with model.save().")
    training = next((item for item in found if "loss" in item and "class_name" not in item), None)
    return _model(config if training is None else {**config, "compile_config": training})


def _json_objects(text: mmap.mmap) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    position, left = 0, _MOST_LOOKS * len(text)
    while len(found) < 8 and left > 0:
        begin = _JSON_BEGINS.search(text, position)
        if begin is None:
            break
        position = begin.end()
        end = text.find(b"\0", position, begin.start() + LARGEST_CONFIG)
        piece = text[begin.start() : end if end >= 0 else begin.start() + LARGEST_CONFIG]
        left -= len(piece)  # a file that only begins such texts would be looked through from each on
        try:
            item, end = json.JSONDecoder().raw_decode(piece.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(item, dict):
            found.append(item)
            position = begin.start() + end
    return found


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        config = json.loads(text)
        if isinstance(config, str):  # json.dump(model.to_json(), file) quotes the text once more
            config = json.loads(config)
    except (ValueError, RecursionError):
        raise NotReadable("its configuration is no JSON, or is cut off.") from None
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str) or "config" not in config:
        raise NotReadable("it is JSON, but no configuration of a Keras model (as model.to_json() writes it).")
    return config


def _model(config: dict[str, Any]) -> SavedModel:
    compiled = config.get("compile_config")
    compiled = compiled if isinstance(compiled, dict) else {}
    layers = config["config"] if isinstance(config["config"], dict) else {"layers": config["config"]}
    name = str(config["class_name"])
    own = layers.get("layers")
    if not isinstance(own, list) and name in _MODELS:
        raise NotReadable("its configuration lists no layers.")
    outputs = _histories(layers.get("output_layers")) if isinstance(own, list) else []
    return SavedModel(
        "keras",
        {**config, "config": layers},
        _input_shapes(config, layers),
        max(1, len(outputs)),
        compiled.get("loss"),
        compiled,
        str(layers.get("name") or name),
        _foreign(config),
    )


def _foreign(config: object) -> str | None:
    """What of ``config`` only code could load: a Lambda layer, or a class that is not Keras' own."""
    if isinstance(config, list):
        return next((why for item in config if (why := _foreign(item)) is not None), None)
    if not isinstance(config, dict):
        return None
    name, module = config.get("class_name"), config.get("module")
    inner = config.get("config")
    named = inner.get("name") if isinstance(inner, dict) else None
    if name in {"Lambda", "__lambda__"}:
        layer = f"a Lambda layer (`{named}`)" if named else "a Lambda layer"
        return f"{layer}, whose Python code would run when the model is loaded"
    if name == "function" and isinstance(inner, str) and module == "builtins":
        return f"a function of its author's, `{inner}`, which is not in the file"
    if isinstance(name, str) and isinstance(inner, dict):
        registered = config.get("registered_name")
        of_keras = str(module).startswith(_OF_KERAS) if module is not None else "module" not in config
        if not of_keras or (isinstance(registered, str) and ">" in registered and not registered.startswith("keras")):
            return f"a class of its author's, `{name}`, which is not in the file"
    return next((why for value in config.values() if (why := _foreign(value)) is not None), None)


def _input_shapes(config: dict[str, Any], layers: dict[str, Any]) -> tuple[Shape | None, ...]:
    named = {_layer_name(layer): layer for layer in layers.get("layers", ()) if isinstance(layer, dict)}
    inputs = _histories(layers.get("input_layers"))
    if inputs:
        return tuple(_shape_of(named.get(name)) for name, _, _ in inputs)
    first = _shape_of(next(iter(named.values()), None))
    if first is not None:
        return (first,)
    built = config.get("build_config")
    candidates = (layers.get("build_input_shape"), built.get("input_shape") if isinstance(built, dict) else None)
    return (next((shape for item in candidates if (shape := _shape(item)) is not None), None),)


def _shape_of(layer: dict[str, Any] | None) -> Shape | None:
    inner = layer.get("config") if layer is not None else None
    if not isinstance(inner, dict):
        return None
    return _shape(inner.get("batch_shape") or inner.get("batch_input_shape"))


def _shape(value: object) -> Shape | None:
    if not isinstance(value, list) or not all(item is None or isinstance(item, int) for item in value):
        return None
    return tuple(value)


def _layer_name(layer: dict[str, Any]) -> str:
    inner = layer.get("config")
    return str(layer.get("name") or (inner.get("name") if isinstance(inner, dict) else None))


def _histories(value: object) -> list[tuple[str, int, int]]:
    """``(layer, node, tensor)`` of each entry, of which one alone may stand without its list, or in dictionaries."""
    if isinstance(value, dict):
        return [history for item in value.values() for history in _histories(item)]
    if not isinstance(value, list):
        return []
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int) and isinstance(value[2], int):
        return [(value[0], value[1], value[2])]
    return [history for item in value for history in _histories(item)]


def keras_program(model: SavedModel, loss: str | None) -> str:
    """A program that builds, compiles and fits the model, for the static stage.

    Raises:
        UsageError: if ``loss`` has no counterpart in Keras.
    """
    writer = _Writer()
    name = writer.model(model.config)
    if loss is not None:
        symbol, from_logits = loss_class("keras", loss)
        chosen = f"keras.losses.{symbol}({'from_logits=True' if from_logits else ''})"
    else:
        chosen = writer.value(model.loss) if model.loss is not None else '"mse"'
    arguments = [f"loss={chosen}"]
    for key in ("loss_weights", "metrics"):
        value = model.compiled.get(key)
        if value is not None:
            arguments.append(f"{key}={writer.value(value)}")
    optimizer = model.compiled.get("optimizer") or model.compiled.get("optimizer_config")
    if isinstance(optimizer, dict):
        arguments.append(f"optimizer={str(optimizer.get('class_name')).lower()!r}")
    lines = ["import keras", *writer.lines, f"{name}.compile({', '.join(arguments)})", f"{name}.fit(data, target)"]
    return "\n".join(lines) + "\n"


class _Writer:
    """Writes configurations as expressions; what takes statements goes to ``lines`` first."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def model(self, config: dict[str, Any]) -> str:
        """The variable that holds the model."""
        inner = config["config"]
        layers = inner.get("layers") if isinstance(inner, dict) else inner
        if not isinstance(layers, list):
            return self._assigned(f"{identifier(config['class_name'])}()")
        items = [layer for layer in layers if isinstance(layer, dict)]
        if config["class_name"] == "Sequential" or not isinstance(inner, dict) or "output_layers" not in inner:
            return self._sequential(items, config)
        return self._functional(items, inner)

    def value(self, value: Any) -> str:
        """An expression for any value of a configuration."""
        plain = literal(value)
        if plain is not None:
            return plain
        if isinstance(value, list):
            return f"[{', '.join(self.value(item) for item in value)}]"
        if not isinstance(value, dict):
            return "unknown"
        if "class_name" in value:
            return self._object(value)
        return "{" + ", ".join(f"{key!r}: {self.value(item)}" for key, item in value.items()) + "}"

    def _object(self, config: dict[str, Any]) -> str:
        name, inner = str(config["class_name"]), config.get("config")
        module = str(config.get("module") or "keras.layers")
        if name in _MODELS and isinstance(inner, (dict, list)):
            return self.model(config)
        if name == "function" or not isinstance(inner, dict):
            return identifier(inner if isinstance(inner, str) else name)
        if not module.startswith("keras") or (">" in str(config.get("registered_name") or "")):
            return f"{identifier(name)}()"
        room = module if module in {"keras.losses", "keras.metrics", "keras.activations"} else "keras.layers"
        arguments = [
            f"{key}={self.value(value)}"
            for key, value in inner.items()
            if key.isidentifier() and not _PASSED_OVER.match(key) and value is not None
        ]
        return f"{room}.{identifier(name)}({', '.join(arguments)})"

    def _sequential(self, layers: list[dict[str, Any]], config: dict[str, Any]) -> str:
        parts = []
        shape = next((found for found in _input_shapes(config, {"layers": layers}) if found is not None), None)
        if shape is not None:
            parts.append(_input(shape))
        parts += [self._object(layer) for layer in layers if layer.get("class_name") != "InputLayer"]
        return self._assigned(f"keras.Sequential([{', '.join(parts)}])")

    def _functional(self, layers: list[dict[str, Any]], inner: dict[str, Any]) -> str:
        graph = _Graph(self, {_layer_name(layer): layer for layer in layers})
        inputs = [graph.tensor(*history) for history in _histories(inner.get("input_layers"))]
        outputs = [graph.tensor(*history) for history in _histories(inner["output_layers"])]
        shown = [items[0] if len(items) == 1 else f"[{', '.join(items)}]" for items in (inputs, outputs)]
        return self._assigned(f"keras.Model(inputs={shown[0]}, outputs={shown[1]})")

    def _assigned(self, expression: str) -> str:
        return self.assign(f"value_{self._count}", expression)

    def assign(self, name: str, expression: str) -> str:
        """Have ``name`` hold ``expression``."""
        self._count += 1
        self.lines.append(f"{name} = {expression}")
        return name


class _Graph:
    """The tensors of a functional model, each written when it is first asked for."""

    def __init__(self, writer: _Writer, layers: dict[str, dict[str, Any]]) -> None:
        self._writer = writer
        self._layers = layers
        self._objects: dict[str, str] = {}
        self._tensors: dict[tuple[str, int], str] = {}

    def tensor(self, name: str, node: int, index: int) -> str:
        """The variable of one output of a layer's call."""
        key = (name, node)
        if key not in self._tensors:
            self._tensors[key] = "unknown"  # of a graph that leads back to itself
            self._tensors[key] = self._written(name, node)
        return self._tensors[key] if index == 0 else f"{self._tensors[key]}[{index}]"

    def _written(self, name: str, node: int) -> str:
        layer = self._layers.get(name)
        if layer is None:
            return "unknown"
        variable = f"{identifier(name)}_{node}"
        if layer.get("class_name") == "InputLayer":
            return self._writer.assign(variable, _input(_shape_of(layer) or (None,)))
        nodes = layer.get("inbound_nodes")
        if not isinstance(nodes, list) or not nodes:
            return "unknown"
        # a shared layer's calls are numbered over all models that it is in; those of others are left out of the file
        call = nodes[min(node, len(nodes) - 1)]
        if str(layer.get("module")).startswith(_OPERATIONS):
            return self._writer.assign(variable, self._operation(layer, call))
        calls = _call_arguments(call)
        given = [self.tensor(*history) for history in calls]
        if name not in self._objects:
            self._objects[name] = self._writer.assign(f"layer_{identifier(name)}", self._writer._object(layer))
        arguments = given[0] if len(given) == 1 else f"[{', '.join(given)}]"
        return self._writer.assign(variable, f"{self._objects[name]}({arguments})")

    def _operation(self, layer: dict[str, Any], call: object) -> str:
        """A function of ``keras.ops`` on tensors and numbers."""
        name, inner = str(layer["class_name"]), layer.get("config")
        given = call.get("args") if isinstance(call, dict) else None
        arguments = [self._operand(item) for item in given] if isinstance(given, list) else []
        if name in _ARITHMETIC and len(arguments) == 2:
            return f"{arguments[0]} {_ARITHMETIC[name]} {arguments[1]}"
        function = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        if canonical("keras", f"keras.ops.{function}") is not None and arguments:
            settings = inner.items() if isinstance(inner, dict) else ()
            numbers = [f", {key}={value!r}" for key, value in settings if isinstance(value, (int, float))]
            return f"keras.ops.{function}({arguments[0]}{''.join(numbers)})"
        return f"operation_{identifier(name)}({', '.join(arguments)})"

    def _operand(self, value: object) -> str:
        histories = _tensors_in(value)
        if len(histories) == 1:
            return self.tensor(*histories[0])
        return literal(value) or "unknown"


def _call_arguments(node: object) -> list[tuple[str, int, int]]:
    """The tensors that a layer was called with: of Keras 3 by their histories, of Keras 2 as lists."""
    if isinstance(node, dict):
        found: list[tuple[str, int, int]] = []
        for part in (node.get("args"), node.get("kwargs")):
            found += _tensors_in(part)
        return found
    return _histories(node)


def _tensors_in(value: object) -> list[tuple[str, int, int]]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__" and isinstance(value.get("config"), dict):
            return _histories(value["config"].get("keras_history"))
        return [history for item in value.values() for history in _tensors_in(item)]
    if isinstance(value, list):
        return [history for item in value for history in _tensors_in(item)]
    return []


def _input(shape: Shape) -> str:
    return f"keras.Input(shape={tuple(shape[1:])!r})"
