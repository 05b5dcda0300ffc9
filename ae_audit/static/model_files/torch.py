"""Programs of ``torch.export`` (``.pt2``): their graph, and a program that computes the same."""

from __future__ import annotations

import json
import re
import zipfile

from ae_audit.static.model_files.program import LARGEST_CONFIG, NotReadable, SavedModel, Shape, UnsafeModel, identifier
from ae_audit.theory.loss_choice import loss_class

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

_EXPORT_INSTEAD = (
    "export the model with torch.export.save(torch.export.export(model, (example,)), 'model.pt2'), or audit it from "
    "Python with ae_audit.audit(model, x, loss=…)"
)
_NOT_PLAIN = re.compile(r"__|\b(?:import|eval|exec|open|getattr|compile|lambdify)\b|\.\s*[A-Za-z_]")
"""in an expression of shapes, which is evaluated when the program is loaded"""
_FUNCTIONAL = frozenset({"linear", "conv1d", "conv2d", "conv3d", "batch_norm", "layer_norm", "gelu", "silu", "elu",
                         "leaky_relu", "hardtanh", "softplus", "mish", "hardsigmoid", "hardswish", "relu6", "dropout",
                         "max_pool2d", "adaptive_avg_pool2d", "interpolate"})  # fmt: skip
"""operations that ``torch.nn.functional`` has, and ``torch`` under the same name has not or takes otherwise"""


def torch_archive(path: str) -> SavedModel:
    """A ``.pt2`` file; ``.pt`` and ``.pth`` are told from it by what the archive holds, not by their names.

    Raises:
        NotReadable: if it holds no model.
        UnsafeModel: if only unpickling or running the file's own code could load it.
        OSError, zipfile.BadZipFile: if it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            begin = file.read(2)
        if begin[:1] == b"\x80":
            raise UnsafeModel(f"it is a pickle, whose loading runs code that it names; {_EXPORT_INSTEAD}.")
        raise NotReadable("it is no archive of PyTorch, or one that is damaged or cut off.")
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if any(name.startswith("code/") for name in names):
            raise UnsafeModel(f"it is a TorchScript program, which is not loaded here; {_EXPORT_INSTEAD}.")
        models = [name for name in names if re.fullmatch(r"models/[^/]+\.json", name)]
        if not models and "data.pkl" in names:
            raise UnsafeModel(
                f"it is a pickle (a whole model, or weights without one), which is not loaded here; {_EXPORT_INSTEAD}."
            )
        if not models:
            raise NotReadable("it is a zip archive, but holds no program of torch.export.")
        payloads = [names[name] for name in names if re.match(r"data/(weights|constants)/.*config\.json$", name)]
        # many entries of an archive may share what is packed, each of which unfolds to the full
        if sum(archive.getinfo(name).file_size for name in payloads) > LARGEST_CONFIG:
            raise NotReadable("its lists of weights are too large for a model.")
        for name in payloads:
            _check_payload(_json(archive, name))
        program = _json(archive, names[models[0]])
    return _model(program)


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > LARGEST_CONFIG:
        raise NotReadable(f"its {name} is too large to describe a model.")
    try:
        value = json.loads(archive.read(name))
    except (ValueError, RecursionError):
        raise NotReadable(f"its {name} is no JSON, or is cut off.") from None
    if not isinstance(value, dict):
        raise NotReadable(f"its {name} describes no model.")
    return value


def _check_payload(config: dict[str, Any]) -> None:
    for entry in (config.get("config") or {}).values():
        name = str(entry.get("path_name", ""))
        if entry.get("use_pickle") or not name.startswith(("weight_", "tensor_")):
            raise UnsafeModel(f"it holds a pickled object ({name}), which would run code on loading: it is refused.")


def _model(program: dict[str, Any]) -> SavedModel:
    try:
        module = program["graph_module"]
        graph, signature = module["graph"], module["signature"]
        values = graph["tensor_values"]
        inputs = [
            item["user_input"]["arg"]["as_tensor"]["name"] for item in signature["input_specs"] if "user_input" in item
        ]
        outputs = [
            item["user_output"]["arg"]["as_tensor"]["name"]
            for item in signature["output_specs"]
            if "user_output" in item
        ]
        shapes = tuple(_shape(values[name]) for name in inputs)
        graph["nodes"][0]["target"]
    except (KeyError, TypeError, IndexError):
        raise NotReadable("its graph is of a version of torch.export that is not known here.") from None
    foreign = next((f"an expression that is more than arithmetic ({text[:60]})" for text in _expressions(program)
                    if _NOT_PLAIN.search(text)), None)  # fmt: skip
    own = next((str(node["target"]) for node in graph["nodes"] if not _of_torch(str(node["target"]))), None)
    if own is not None:
        foreign = foreign or f"an operation of its author's, `{own}`, which is not in the file"
    return SavedModel(
        "torch",
        {"graph": graph, "inputs": inputs, "outputs": outputs},
        shapes,
        len(outputs),
        foreign=foreign,
    )


def _of_torch(target: str) -> bool:
    return target.startswith(("torch.ops.aten.", "torch.ops.prims.", "torch.ops.higher_order.", "torch.sym_")) or bool(
        re.fullmatch(r"_operator\.\w+|math\.\w+", target)
    )


def _expressions(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [str(value["expr_str"])] if "expr_str" in value else []
        return own + [text for item in value.values() for text in _expressions(item)]
    if isinstance(value, list):
        return [text for item in value for text in _expressions(item)]
    return []


def _shape(value: dict[str, Any]) -> Shape:
    return tuple(size.get("as_int") for size in value["sizes"])


def torch_program(model: SavedModel, loss: str | None) -> str:
    """A program that computes and trains the model, for the static stage.

    Raises:
        UsageError: if ``loss`` has no counterpart in torch.
    """
    symbol = loss_class("torch", loss)[0] if loss is not None else "MSELoss"
    inputs = [identifier(name) for name in model.config["inputs"]]
    outputs = [identifier(name) for name in model.config["outputs"]]
    body = [line for node in model.config["graph"]["nodes"] if (line := _statement(node)) is not None]
    lines = [
        "import torch",
        "import torch.nn.functional as F",
        "from torch import nn",
        "class Exported(nn.Module):",
        f"    def forward(self, {', '.join(inputs)}):",
        *(f"        {line}" for line in body),
        f"        return {', '.join(outputs)}",
        "model = Exported()",
        f"criterion = nn.{symbol}()",
        "for data, target in given:",
        "    optimizer.zero_grad()",
        f"    {', '.join(outputs)} = model(data)",
        f"    loss = criterion({outputs[0]}, target)",
        "    loss.backward()",
        "    optimizer.step()",
    ]
    return "\n".join(lines) + "\n"


def _statement(node: dict[str, Any]) -> str | None:
    """One operation of the graph; None where it gives nothing."""
    results = [identifier(output["as_tensor"]["name"]) for output in node["outputs"] if "as_tensor" in output]
    if not results:
        return None
    parts = str(node["target"]).split(".")
    name = parts[3] if len(parts) > 3 and parts[:3] == ["torch", "ops", "aten"] else None
    if name is None:
        return f"{', '.join(results)} = unknown"
    name = re.sub(r"^_(?=softmax$|log_softmax$)", "", name).rstrip("_")
    room = "F" if name in _FUNCTIONAL else "torch"
    arguments = [_argument(argument["arg"]) for argument in node["inputs"]]
    if name == "softmax" or name == "log_softmax":
        arguments = arguments[:2]
    return f"{', '.join(results)} = {room}.{identifier(name)}({', '.join(arguments)})"


def _argument(value: dict[str, Any]) -> str:
    (kind, inner), *_ = value.items()
    if kind == "as_tensor":
        name = identifier(inner["name"])
        return f"self.{name}" if re.match(r"^[pbc]_", name) else name
    if kind in {"as_int", "as_float", "as_bool", "as_string"}:
        return repr(inner)
    if kind in {"as_ints", "as_floats", "as_bools"}:
        return repr(list(inner))
    if kind == "as_none":
        return "None"
    if kind == "as_tensors":
        return f"[{', '.join(_argument({'as_tensor': item}) for item in inner)}]"
    return "unknown"
