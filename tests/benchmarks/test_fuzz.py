"""A few inputs of every kind of the fuzzer: nothing fails, and what would fail is found."""

from __future__ import annotations

import json
import random
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fuzz
import fuzz_models
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
    signal.signal(signal.SIGPROF, fuzz.interrupt)
    found = [fuzz.wrong("a.py", source)[0] for source in (b"crash", b"hang", b"fine")]
    assert found[0] is not None
    assert found[0].startswith("ZeroDivisionError")
    assert found[1:] == ["hang in a library", None]


def test_what_fails_is_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def audited(name: str, source: bytes) -> None:
        json.loads(b"1" if b"bad" not in source else b"")

    monkeypatch.setattr(fuzz, "audited", audited)
    signal.signal(signal.SIGPROF, fuzz.interrupt)
    source = b"\n".join(b"line %d" % n for n in range(100)) + b"\nbad\n" + b"more\n" * 50
    key, _ = fuzz.wrong("a.py", source)
    assert key is not None
    assert fuzz.smallest("a.py", source, key) == b"bad"


@pytest.mark.parametrize("suffix", fuzz_models.SUFFIXES)
def test_an_altered_model_file_is_read_or_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    chance = random.Random(suffix)
    path = tmp_path / f"model{suffix}"
    for document in (fuzz_models.TORCH,) if suffix == ".pt2" else (fuzz_models.KERAS, fuzz_models.FUNCTIONAL):
        path.write_bytes(fuzz_models.file_of(suffix, json.dumps(document).encode()))
        assert read_model(str(path)).model is not None
    refused = 0
    for _ in range(60):
        path.write_bytes(fuzz_models.mutant(suffix, chance))
        result = read_model(str(path)).result
        assert [item for item in result.undecided if "please report it" in item.why] == []
        assert all(error.message.endswith(".") and not error.internal for error in result.errors)
        refused += bool(result.errors)
    assert refused > 5


def nested(depth: int) -> bytes:
    """A model whose loss stands in so many dictionaries."""
    text = json.dumps({**fuzz_models.KERAS, "compile_config": {"loss": "MARK"}})
    return text.replace('"MARK"', '{"a": ' * depth + "1" + "}" * depth).encode()


@pytest.mark.parametrize("depth", [300, 450, 900, 5000])
def test_a_model_that_is_nested_too_deeply_is_refused_in_a_sentence(tmp_path: Path, depth: int) -> None:
    """Python's JSON goes deeper than what writes the model down as a program."""
    (tmp_path / "model.json").write_bytes(nested(depth))
    result = read_model(str(tmp_path / "model.json")).result
    assert [error.internal for error in result.errors] == [False] * len(result.errors)
    assert result.errors or depth < 900  # 450 is beyond Python 3.12, and within 3.13


@pytest.mark.parametrize("begun", [b'{"name": ', b'{"name": "' + b"a" * 90, b'{"loss": ' + b"[" * 90])
def test_a_model_file_is_looked_through_a_few_times_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Where a text that describes a model begins again and again, each was read to the end of the file."""
    looked: list[int] = []
    decode = json.JSONDecoder.raw_decode

    def counted(self: json.JSONDecoder, text: str, index: int = 0) -> object:
        looked.append(len(text))
        return decode(self, text, index)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counted)
    source = fuzz_models.file_of(".h5", begun * 5000)
    (tmp_path / "model.h5").write_bytes(source)
    assert read_model(str(tmp_path / "model.h5")).result.errors
    assert 0 < sum(looked) <= 10 * len(source)


def test_an_archive_whose_lists_unfold_to_more_than_a_model_has_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "model.pt2"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/models/model.json", json.dumps(fuzz_models.TORCH))
        for number in range(3):
            archive.writestr(f"m/data/weights/{number}_config.json", b"{" + b" " * (30 << 20) + b"}")
    (error,) = read_model(str(packed)).result.errors
    assert error.message == "its lists of weights are too large for a model."


@pytest.mark.parametrize("packing", fuzz_models.PACKINGS)
@pytest.mark.parametrize("suffix", [".keras", ".pt2"])
def test_an_archive_with_wrong_bytes_is_refused_in_a_sentence(tmp_path: Path, suffix: str, packing: int) -> None:
    """Each method of packing has an exception of its own for them."""
    document = fuzz_models.TORCH if suffix == ".pt2" else fuzz_models.KERAS
    whole = fuzz_models.file_of(suffix, json.dumps(document).encode(), packing)
    path = tmp_path / f"model{suffix}"
    for position in range(30, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        assert not [error for error in read_model(str(path)).result.errors if error.internal]


@pytest.mark.parametrize("suffix", [".keras", ".pt2"])
def test_an_archive_with_a_password_is_said_to_be_one(tmp_path: Path, suffix: str) -> None:
    whole = bytearray(fuzz_models.file_of(suffix, json.dumps(fuzz_models.KERAS).encode()))
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        whole[whole.index(mark) + flags] |= 1
    (tmp_path / f"model{suffix}").write_bytes(whole)
    (error,) = read_model(str(tmp_path / f"model{suffix}")).result.errors
    assert error.message == "it is an archive with a password."
