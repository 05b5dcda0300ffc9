"""Frameworks that are imported once for all tests that go through the command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .warm import WarmCommand


@pytest.fixture(scope="session")
def warm_keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommand]:
    """``ae-audit`` beside a Keras that is loaded already; it works in ``folder``."""
    server = WarmCommand("keras", tmp_path_factory.mktemp("keras"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def warm_torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommand]:
    """``ae-audit`` beside a torch that is loaded already; it works in ``folder``."""
    server = WarmCommand("torch", tmp_path_factory.mktemp("torch"))
    yield server
    server.close()
