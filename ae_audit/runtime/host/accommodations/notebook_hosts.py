"""Modules that only a notebook's host provides: taken for granted there, absent here, and no reason to stop.

``google.colab``, ``IPython`` and ``ipywidgets`` show, mount and upload; a stub that takes every call stands for them
where they are not installed. Nothing else is stubbed: a missing library is the user's to know of.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_HOSTS = ("google.colab", "IPython", "ipywidgets")


class _Anything:
    """Takes every attribute, call and ``with``, and can be derived from; iterating over it gives nothing."""

    def __init__(self, *_: Any, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        return (_Anything,)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter(())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...


class _Stub(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything()


def _is_stub(host: str) -> bool:
    """Whether the host was stubbed: what an installed one lacks, it lacks."""
    return isinstance(sys.modules.get(host), _Stub)


class _AbsentHosts:
    """The last finder: asked only for what no other finds."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        wanted = any(
            host == name or host.startswith(f"{name}.") or (name.startswith(f"{host}.") and _is_stub(host))
            for host in _HOSTS
        )
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None: ...


def install_absent_hosts() -> None:
    """Let programs import the hosts' modules."""
    sys.meta_path.append(_AbsentHosts())
