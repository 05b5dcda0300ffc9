"""A few inputs of every kind of the fuzzer: nothing fails, and what would fail is found."""

from __future__ import annotations

import json
import random
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fuzz
import fuzz_mutants
import pytest

from ae_audit.static.model_files.models import read_model

KINDS = tuple(kind for kind in fuzz.KINDS if kind != "syntax")  # hypothesmith is no dependency of ours


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGPROF)
    yield
    signal.signal(signal.SIGPROF, before)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "BATCH", dict.fromkeys(fuzz.BATCH, 3))
    monkeypatch.setattr(fuzz, "OFFSPRING", 1)


PROGRAMS = sorted(path for folder in fuzz.SEEDS for path in folder.rglob("*.py"))


@pytest.mark.usefixtures("_small")
def test_nothing_fails() -> None:
    tally = fuzz.fuzz(KINDS, 7, PROGRAMS, lambda tally: set(tally.tried) != set(KINDS))
    assert tally.failures == {}
    assert set(tally.tried) == set(KINDS)
    assert sum(tally.tried.values()) >= 18


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_inputs(kind: str) -> None:
    once, again, other = (list(fuzz.inputs(kind, seed, PROGRAMS)) for seed in (1, 1, 2))
    assert once == again != other


def test_a_crash_and_a_hang_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def audited(name: str, source: bytes) -> None:
        if b"crash" in source:
            raise ZeroDivisionError
        if b"hang" in source:
            while True:
                pass

    monkeypatch.setattr(fuzz, "audited", audited)
    monkeypatch.setattr(fuzz, "PATIENCE", 0.05)
    signal.signal(signal.SIGPROF, fuzz._interrupt)
    found = [fuzz.wrong("a.py", source)[0] for source in (b"crash", b"hang", b"fine")]
    assert found[0] is not None
    assert found[0].startswith("ZeroDivisionError")
    assert found[1:] == ["hang in a library", None]


def test_what_fails_is_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def audited(name: str, source: bytes) -> None:
        json.loads(b"1" if b"bad" not in source else b"")

    monkeypatch.setattr(fuzz, "audited", audited)
    signal.signal(signal.SIGPROF, fuzz._interrupt)
    source = b"\n".join(b"line %d" % n for n in range(100)) + b"\nbad\n" + b"more\n" * 50
    key, _ = fuzz.wrong("a.py", source)
    assert key is not None
    assert fuzz.smallest("a.py", source, key) == b"bad"


LAYERS = [
    {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 784], "name": "i"}},
    {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 784, "activation": "softmax"}},
]
KERAS = {
    "class_name": "Sequential",
    "config": {"name": "s", "layers": LAYERS},
    "compile_config": {"loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": False}}},
}
NODE = {
    "target": "torch.ops.aten.sigmoid.default",
    "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}}],
    "outputs": [{"as_tensor": {"name": "y"}}],
    "metadata": {},
}
SIZES = {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 784}]}
GRAPH = {
    "inputs": [{"as_tensor": {"name": "x"}}],
    "outputs": [{"as_tensor": {"name": "y"}}],
    "nodes": [NODE],
    "tensor_values": {"x": SIZES, "y": SIZES},
}
SIGNATURE = {
    "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
    "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}],
}
TORCH = {"graph_module": {"graph": GRAPH, "signature": SIGNATURE}, "schema_version": {"major": 8, "minor": 0}}


def written(folder: Path, suffix: str, config: bytes) -> str:
    """A model file of that kind around a description."""
    path = folder / f"model{suffix}"
    if suffix == ".json":
        path.write_bytes(config)
    elif suffix == ".h5":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50) + config + bytes(20))
    else:
        name = "config.json" if suffix == ".keras" else "m/models/model.json"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, config)
    return str(path)


@pytest.mark.parametrize("suffix", [".json", ".h5", ".keras", ".pt2"])
def test_an_altered_model_file_is_read_or_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    chance = random.Random(suffix)
    text = json.dumps(TORCH if suffix == ".pt2" else KERAS)
    assert read_model(written(tmp_path, suffix, text.encode())).model is not None
    refused = 0
    for _ in range(60):
        path = written(tmp_path, suffix, fuzz_mutants.of_json(text, chance).encode())
        if chance.random() < 0.2:
            Path(path).write_bytes(fuzz_mutants.of_bytes(Path(path).read_bytes(), chance))
        result = read_model(path).result
        assert [item for item in result.undecided if "please report it" in item.why] == []
        assert all(error.message.endswith(".") and not error.internal for error in result.errors)
        refused += bool(result.errors)
    assert refused > 5
