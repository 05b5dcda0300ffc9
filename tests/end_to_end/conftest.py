"""Frameworks that are imported once for all tests that go through the command."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from .warm import WarmCommand


def _needs(framework: str) -> None:
    if importlib.util.find_spec(framework) is None:  # not imported here: a process of its own does
        pytest.skip(f"{framework} is not installed")


@pytest.fixture(scope="session")
def warm_keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommand]:
    """``ae-audit`` beside a Keras that is loaded already; it works in ``folder``."""
    _needs("keras")
    server = WarmCommand("keras", tmp_path_factory.mktemp("keras"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def warm_torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommand]:
    """``ae-audit`` beside a torch that is loaded already; it works in ``folder``."""
    _needs("torch")
    server = WarmCommand("torch", tmp_path_factory.mktemp("torch"))
    yield server
    server.close()
