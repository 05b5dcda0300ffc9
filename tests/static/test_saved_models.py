"""Model files by reading alone: no framework, no weights, nothing run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.rules.runner import check
from ae_audit.static.model_files.models import read_model
from ae_audit.theory.loss_choice import check_loss, loss_class
from ae_audit.theory.ranges import Tri


def layer(name: str, kind: str, inbound: str | None = None, **config: Any) -> dict[str, Any]:
    """A layer as Keras 3 writes it; ``inbound`` is the layer that it is called on."""
    written: dict[str, Any] = {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
    }
    if inbound is not None:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [inbound, 0, 0]}}
        written["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}]
    return written


def sequential(*layers: dict[str, Any], loss: Any = None, **compiled: Any) -> dict[str, Any]:
    first = layer("in", "InputLayer", batch_shape=[None, 16])
    config: dict[str, Any] = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "made", "layers": [first, *layers]},
        "registered_name": None,
    }
    if loss is not None:
        config["compile_config"] = {"loss": loss, **compiled}
    return config


def saved(folder: Path, config: dict[str, Any], name: str = "model.keras") -> str:
    path = folder / name
    if name.endswith(".json"):
        path.write_text(json.dumps(config))
    elif name.endswith(".h5"):
        # attributes of an HDF5 file stand in it as text, between binary tables
        training = config.pop("compile_config", None)
        parts = [b"\x89HDF\r\n\x1a\n", b"\0" * 100, json.dumps(config).encode(), b"\0" * 9]
        parts += [json.dumps(training).encode(), b"\0\1\2"] if training else []
        path.write_bytes(b"".join(parts))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
    return str(path)


@pytest.mark.parametrize("name", ["model.keras", "model.json", "model.h5"])
def test_head_and_compiled_loss(tmp_path: Path, name: str) -> None:
    config = sequential(layer("d", "Dense", units=16, activation="softmax"), loss="binary_crossentropy")
    read = read_model(saved(tmp_path, config, name))
    (setup,) = read.result.setups
    assert (setup.head.activation, setup.head.units, setup.loss.name) == ("softmax", 16, "bce")
    assert setup.location.line == 1
    assert setup.model.name == "made"
    assert [item.what for item in read.result.undecided] == ["target range"]
    assert "--data FILE" in read.result.undecided[0].why


def test_a_loss_object_and_what_follows_the_activation(tmp_path: Path) -> None:
    loss = {"module": "keras.losses", "class_name": "BinaryCrossentropy", "config": {"from_logits": True}}
    layers = [layer("d", "Dense", units=16, activation="linear"), layer("a", "Activation", activation="sigmoid")]
    layers.append(layer("r", "Reshape", target_shape=[4, 4]))
    read = read_model(saved(tmp_path, sequential(*layers, loss=loss)))
    (setup,) = read.result.setups
    assert (setup.head.activation, setup.head.after, setup.loss.from_logits) == ("sigmoid", ("Reshape",), Tri.YES)
    findings, _ = check(read.result.setups)
    assert {finding.code for finding in findings} == {"AE104"}


def test_a_functional_model_with_two_heads_and_a_nested_decoder(tmp_path: Path) -> None:
    inner = sequential(layer("out", "Dense", units=16, activation="sigmoid"))
    decoder = {**inner, "name": "decoder", "config": {**inner["config"], "name": "decoder"}}
    decoder["inbound_nodes"] = layer("x", "Dense", "code")["inbound_nodes"]
    config = {
        "class_name": "Functional",
        "config": {
            "name": "two",
            "layers": [
                layer("in", "InputLayer", batch_shape=[None, 16]),
                layer("code", "Dense", "in", units=16, activation="relu"),
                decoder,
                layer("kind", "Dense", "code", units=3, activation="softmax"),
            ],
            "input_layers": ["in", 0, 0],
            "output_layers": [["decoder", 0, 0], ["kind", 0, 0]],
        },
        "compile_config": {"loss": ["mse", "sparse_categorical_crossentropy"]},
    }
    read = read_model(saved(tmp_path, config))
    heads = [(setup.head.activation, setup.head.units, setup.loss.name) for setup in read.result.setups]
    assert heads == [("sigmoid", 16, "mse"), ("softmax", 3, "sparse_cce")]
    assert check(read.result.setups)[0] == ()


def test_models_of_keras_2(tmp_path: Path) -> None:
    def old(name: str, kind: str, before: str | None, **config: Any) -> dict[str, Any]:
        nodes = [] if before is None else [[[before, 0, 0, {}]]]
        return {"class_name": kind, "config": {"name": name, **config}, "name": name, "inbound_nodes": nodes}

    layers = [
        old("in", "InputLayer", None, batch_input_shape=[None, 16]),
        old("d", "Dense", "in", units=16, activation="relu"),
    ]
    config = {"layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]]}
    read = read_model(saved(tmp_path, {"class_name": "Model", "config": config, "keras_version": "2.2.4"}), "bce")
    assert read.model is not None
    assert read.model.inputs == ((None, 16),)
    assert {finding.code for finding in check(read.result.setups)[0]} == {"AE105"}


def test_without_a_loss_the_sentence_says_how_to_give_it(tmp_path: Path) -> None:
    path = saved(tmp_path, sequential(layer("d", "Dense", units=16, activation="linear")))
    read = read_model(path)
    assert read.result.setups[0].loss.name is None
    assert "--loss binary_crossentropy" in next(item.why for item in read.result.undecided if item.what == "loss")
    assert {finding.code for finding in check(read_model(path, "BCELoss").result.setups)[0]} == {"AE105"}
    assert check(read_model(path, "BCEWithLogitsLoss").result.setups)[0] == ()
    with pytest.raises(UsageError, match="no counterpart in Keras"):
        read_model(path, "CrossEntropyLoss")


def operation(
    name: str, kind: str, *arguments: Any, module: str = "keras.src.ops.numpy", **settings: Any
) -> dict[str, Any]:
    """A function on tensors, as Keras 3 writes it; texts are names of layers."""
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [item, 0, 0]}} if isinstance(item, str) else item
        for item in arguments
    ]
    nodes = [{"args": tensors, "kwargs": {}}]
    config = {"name": name, **settings}
    return {"module": module, "class_name": kind, "config": config, "name": name, "inbound_nodes": nodes}


@pytest.mark.parametrize(
    ("operations", "activation", "low", "high"),
    [
        ([operation("s", "Sigmoid", "d"), operation("m", "Multiply", "s", 2), operation("o", "Subtract", "m", 1)],
         "sigmoid", -1, 1),
        ([operation("s", "Tanh", "d"), operation("o", "Subtract", 1, "s")], "tanh", 0, 2),
        ([operation("o", "Softmax", "d", module="keras.src.ops.nn")], "softmax", 0, 1),
        ([operation("o", "HardSigmoid", "d", module="keras.src.ops.nn")], "hard_sigmoid", 0, 1),
        ([operation("o", "Elu", "d", module="keras.src.ops.nn", alpha=0.5)], "elu", -0.5, math.inf),
        ([operation("o", "Swirl", "d")], None, -math.inf, math.inf),
    ],
)  # fmt: skip
def test_functions_on_tensors(
    tmp_path: Path, operations: list[dict[str, Any]], activation: str | None, low: float, high: float
) -> None:
    layers = [layer("in", "InputLayer", batch_shape=[None, 16]), layer("d", "Dense", "in", units=16), *operations]
    inner = {"layers": layers, "input_layers": ["in", 0, 0], "output_layers": ["o", 0, 0]}
    read = read_model(saved(tmp_path, {"class_name": "Functional", "config": inner}), "mse")
    head = read.result.setups[0].head
    assert (head.activation, head.range.values.hull.lo, head.range.values.hull.hi) == (activation, low, high)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (layer("l", "Lambda", function={"class_name": "__lambda__", "config": {"code": "4w"}}), "Lambda layer (`l`)"),
        ({**layer("v", "Own"), "module": None, "registered_name": "Own"}, "class of its author's, `Own`"),
        ({**layer("m", "Mine"), "module": "mine", "registered_name": "mine>Mine"}, "class of its author's, `Mine`"),
        (
            layer("d", "Dense", activation={"module": "builtins", "class_name": "function", "config": "swirl"}),
            "`swirl`",
        ),
    ],
)
def test_what_is_not_keras_own_is_seen_and_never_guessed_at(tmp_path: Path, part: dict[str, Any], words: str) -> None:
    read = read_model(saved(tmp_path, sequential(part, loss="mse")))
    assert read.model is not None
    assert words in str(read.model.foreign)
    assert read.result.setups[0].head.activation is None
    assert "output activation" in [item.what for item in read.result.undecided]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.keras", b"PK\x03\x04 cut off", "damaged or cut off"),
        ("a.h5", b"junk", "no HDF5 file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "weights without an architecture"),
        ("a.json", b"[1, 2]", "no configuration of a Keras model"),
        ("a.json", b'{"class_name": "Seq', "no JSON, or is cut off"),
        ("a.json", b'{"class_name": "Sequential", "config": {}}', "lists no layers"),
        ("a.pt2", b"junk", "no archive of PyTorch"),
        ("a.pt", b"\x80\x02junk", "a pickle"),
    ],
)
def test_files_that_hold_no_model(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (error,) = read_model(str(path)).result.errors
    assert sentence in error.message
    assert error.message.endswith(".")


def exported(folder: Path, *nodes: dict[str, Any], sizes: list[dict[str, Any]], weights: dict[str, Any]) -> str:
    last = nodes[-1]["outputs"][0]["as_tensor"]["name"]
    spec = {"arg": {"as_tensor": {"name": "x"}}}
    program = {
        "graph_module": {
            "graph": {"nodes": nodes, "tensor_values": {"x": {"sizes": sizes}}},
            "signature": {
                "input_specs": [{"user_input": spec}],
                "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": last}}}}],
            },
        }
    }
    path = folder / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/models/model.json", json.dumps(program))
        archive.writestr("model/data/weights/model_weights_config.json", json.dumps({"config": weights}))
    return str(path)


def node(target: str, result: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"name": "self", "arg": argument, "kind": 1} for argument in arguments]
    return {"target": target, "inputs": inputs, "outputs": [{"as_tensor": {"name": result}}]}


X, DIM = {"as_tensor": {"name": "x"}}, {"as_int": 1}
WEIGHT = {"as_tensor": {"name": "p_weight"}}
LINEAR = node("torch.ops.aten.linear.default", "linear", X, WEIGHT)
SOFTMAX = node("torch.ops.aten.softmax.int", "softmax", {"as_tensor": {"name": "linear"}}, DIM)


def test_a_program_of_torch_export(tmp_path: Path) -> None:
    read = read_model(exported(tmp_path, LINEAR, SOFTMAX, sizes=[{"as_int": 4}, {"as_int": 16}], weights={}), "bce")
    (setup,) = read.result.setups
    assert (setup.head.activation, setup.head.axis, setup.loss.name) == ("softmax", 1, "bce")
    assert read.model is not None
    assert (read.model.inputs, read.model.foreign) == (((4, 16),), None)


def test_what_an_exported_program_could_run_is_refused(tmp_path: Path) -> None:
    sizes: list[dict[str, Any]] = [{"as_expr": {"expr_str": "Symbol('s0', positive=True)"}}, {"as_int": 16}]
    assert read_model(exported(tmp_path, LINEAR, SOFTMAX, sizes=sizes, weights={})).model.foreign is None  # type: ignore[union-attr]
    sizes[0]["as_expr"]["expr_str"] = "__import__('os').system('true')"
    read = read_model(exported(tmp_path, LINEAR, SOFTMAX, sizes=sizes, weights={}))
    assert read.model is not None
    assert "more than arithmetic" in str(read.model.foreign)
    pickled = {"w": {"path_name": "weight_0", "use_pickle": True}}
    (error,) = read_model(exported(tmp_path, LINEAR, SOFTMAX, sizes=[], weights=pickled)).result.errors
    assert "pickled object" in error.message
    own = read_model(exported(tmp_path, node("torch.ops.mine.swirl.default", "y", X), sizes=[], weights={})).model
    assert own is not None
    assert "`torch.ops.mine.swirl.default`" in str(own.foreign)


def test_reading_needs_the_standard_library_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, sequential(layer("d", "Dense", units=16, activation="softmax"), loss="mse"))
    code = (
        "import sys\nfrom ae_audit.cli.command import main\n"
        f"main([{path!r}, '--static'])\n"
        "print('loaded:', [name for name in ('numpy', 'h5py', 'keras', 'torch', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("loaded: []")


@pytest.mark.parametrize(
    ("framework", "written", "expected"),
    [
        ("keras", "BCEWithLogitsLoss", ("BinaryCrossentropy", True)),
        ("keras", "mse", ("MeanSquaredError", False)),
        ("torch", "binary_crossentropy", ("BCELoss", False)),
        ("torch", "CrossEntropyLoss", ("CrossEntropyLoss", True)),
    ],
)
def test_losses_in_the_words_of_either_framework(framework: str, written: str, expected: tuple[str, bool]) -> None:
    assert loss_class(framework, written) == expected


@pytest.mark.parametrize(
    ("framework", "written"), [("torch", "categorical_crossentropy"), ("keras", "PoissonNLLLoss"), ("keras", "ctc")]
)
def test_losses_without_a_counterpart(framework: str, written: str) -> None:
    """PyTorch's Poisson loss takes the logarithm of a rate, Keras' the rate: none stands for the other."""
    with pytest.raises(UsageError):
        check_loss(written) if written == "ctc" else loss_class(framework, written)
