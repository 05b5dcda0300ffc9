"""Model files for :mod:`fuzz`: descriptions as Keras and ``torch.export`` write them, altered, nested and cut."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import Any

import fuzz_mutants

PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
SUFFIXES = (".json", ".h5", ".keras", ".pt2")

_LAYERS = [
    {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 784], "name": "i"}},
    {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"name": "d", "units": 784, "activation": "softmax"},
        "inbound_nodes": [
            {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["i", 0, 0]}}], "kwargs": {}}
        ],
    },
]
_LOSS = {"class_name": "BinaryCrossentropy", "module": "keras.losses", "config": {"from_logits": False}}
_COMPILED = {"loss": _LOSS, "metrics": ["accuracy"], "loss_weights": None, "optimizer": {"class_name": "Adam"}}
KERAS: dict[str, Any] = {
    "class_name": "Sequential",
    "config": {"name": "s", "layers": _LAYERS},
    "compile_config": _COMPILED,
}
FUNCTIONAL: dict[str, Any] = {
    "class_name": "Functional",
    "config": {"name": "f", "layers": _LAYERS, "input_layers": [["i", 0, 0]], "output_layers": [["d", 0, 0]]},
    "compile_config": _COMPILED,
}
_NODE = {
    "target": "torch.ops.aten.sigmoid.default",
    "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}}],
    "outputs": [{"as_tensor": {"name": "y"}}],
    "metadata": {},
}
_SIZES = {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 784}]}
TORCH: dict[str, Any] = {
    "graph_module": {
        "graph": {
            "inputs": [{"as_tensor": {"name": "x"}}],
            "outputs": [{"as_tensor": {"name": "y"}}],
            "nodes": [_NODE],
            "tensor_values": {"x": _SIZES, "y": _SIZES},
        },
        "signature": {
            "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
            "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}],
        },
    },
    "schema_version": {"major": 8, "minor": 0},
}


def file_of(suffix: str, config: bytes, packing: int = zipfile.ZIP_STORED) -> bytes:
    """A model file of that kind around a description; archives are packed as :mod:`zipfile` calls it."""
    if suffix == ".json":
        return config
    if suffix == ".h5":
        return b"\x89HDF\r\n\x1a\n" + bytes(50) + config + bytes(20)
    name = "config.json" if suffix == ".keras" else "m/models/model.json"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), config, packing)
    return packed.getvalue()


def mutant(suffix: str, chance: random.Random) -> bytes:
    """A file whose description is altered, now and then nested hundreds deep or repeated; bytes of some are, too."""
    document = TORCH if suffix == ".pt2" else chance.choice((KERAS, FUNCTIONAL))
    text = fuzz_mutants.of_json(json.dumps(document), chance)
    if chance.random() < 0.15:
        text = _nested(text, chance)
    source = text.encode()
    if suffix == ".h5" and chance.random() < 0.1:
        source = source[: chance.randrange(1, len(source))] * chance.choice((2, 50, 2000))
    packed = file_of(suffix, source, chance.choice(PACKINGS))
    return fuzz_mutants.of_bytes(packed, chance) if chance.random() < 0.2 else packed


def _nested(text: str, chance: random.Random) -> str:
    """One of the values, many lists, dictionaries or models deep: in the text, since JSON's own writer gives up."""
    marks = [position for position, letter in enumerate(text) if letter in "{["]
    if not marks:
        return text
    at, depth = chance.choice(marks), chance.choice((50, 300, 450, 900, 5000))
    before, after = chance.choice(
        (("[", "]"), ('{"a": ', "}"), ('{"class_name": "Sequential", "config": {"layers": [', "]}}"))
    )
    end = _close(text, at)
    return text[:at] + before * depth + text[at:end] + after * depth + text[end:]


def _close(text: str, at: int) -> int:
    """The end of the value that begins at ``at``; quotes hold no brackets in what :mod:`fuzz_mutants` writes."""
    depth = 0
    for position in range(at, len(text)):
        depth += (text[position] in "{[") - (text[position] in "}]")
        if depth == 0:
            return position + 1
    return len(text)
