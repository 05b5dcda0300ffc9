"""A few inputs of every kind of the fuzzer: nothing fails, and what would fail is found."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import fuzz
import pytest

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
