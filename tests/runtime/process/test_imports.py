from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ae_audit.runtime.host.imports import ImportWatch


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: list[str]) -> Iterator[ImportWatch]:
    package = tmp_path / "watched_package"
    package.mkdir()
    (package / "__init__.py").write_text("from watched_package.inner import value\n")
    (package / "inner.py").write_text("def value():\n    return 'original'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    watch = ImportWatch(lambda name, error: errors.append(f"{name}: {error}"))
    watch.install()
    yield watch
    watch.remove()
    for name in [name for name in sys.modules if name.startswith("watched_package")]:
        del sys.modules[name]


def test_nothing_is_imported_for_its_own_sake(watch: ImportWatch) -> None:
    watch.when_imported("watched_package", lambda module: None)
    assert "watched_package" not in sys.modules


def test_a_callback_comes_before_the_importing_code_sees_the_module(watch: ImportWatch) -> None:
    def patch(module: ModuleType) -> None:
        module.value = lambda: "patched"  # type: ignore[attr-defined]

    watch.when_imported("watched_package.inner", patch)
    import watched_package  # type: ignore[import-not-found]

    assert watched_package.value() == "patched"
    assert Path(watched_package.inner.__spec__.loader.path).name == "inner.py"


def test_a_module_that_is_there_is_handed_over_at_once(watch: ImportWatch) -> None:
    import watched_package  # noqa: F401

    seen: list[str] = []
    watch.when_imported("watched_package.inner", lambda module: seen.append(module.__name__))
    assert seen == ["watched_package.inner"]


def test_several_callbacks_run_in_order_and_a_broken_one_harms_nobody(watch: ImportWatch, errors: list[str]) -> None:
    seen: list[int] = []

    def broken(module: ModuleType) -> None:
        raise KeyError("oh")

    watch.when_imported("watched_package", lambda module: seen.append(1))
    watch.when_imported("watched_package", broken)
    watch.when_imported("watched_package", lambda module: seen.append(2))
    import watched_package  # noqa: F401

    assert seen == [1, 2]
    assert errors == ["watched_package: 'oh'"]


def test_a_module_that_does_not_exist_still_does_not(watch: ImportWatch) -> None:
    watch.when_imported("watched_package.missing", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r"watched_package\.missing"):
        __import__("watched_package.missing")
