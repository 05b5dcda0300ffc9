"""Packages that a program imports and that are not installed here: plots, logs, progress bars, a notebook's host.

Most take no part in a training. A module that takes every call stands in for them, is told of, and refuses where the
program computes with what it gives (:mod:`~ae_audit.runtime.host.accommodations.inert`). An import that the program
itself guards (``try: import wandb`` with an ``except ImportError``) fails as it would anywhere: its author has said
what to do then.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, ModuleType
from typing import Any

from ae_audit.runtime.host.accommodations import absent_images, absent_sampling, absent_tuners, absent_words
from ae_audit.runtime.host.accommodations.inert import Inert
from ae_audit.runtime.host.scripts import NotebookShell
from ae_audit.runtime.host.user_code import UserCode

_HOSTS = frozenset({"google.colab", "IPython", "ipywidgets"})
"""what only a notebook's host provides: whatever they were given by hand there, here it is nothing"""
_NEVER = frozenset(
    # frameworks: without them there is nothing to audit
    {"torch", "tensorflow", "keras", "tf_keras", "jax", "numpy", "lightning", "pytorch_lightning"}
    # what runs or configures the program: one that does nothing would leave the program out
    | {"absl", "click", "configargparse", "docopt", "gin", "hydra", "jsonargparse", "omegaconf", "plac"}
    | {"sacred", "simple_parsing", "tap", "typer", "tyro", "yacs"}
)
_ONE_TRIAL = "one trial was run in its place, with the first value of each choice"
_PICTURES = "what it reads, resizes and recolours was done with NumPy and Pillow in its place"
_IN_PART = {
    **dict.fromkeys(("cv2", "skimage"), _PICTURES),
    **dict.fromkeys(("optuna", "keras_tuner", "kerastuner"), _ONE_TRIAL),
    "nltk": "texts were cut into words, and words into stems, by simple rules in its place",
    "imblearn": "samples of its own classes were drawn again in its place, as many of each",
    "fire": "a simple reader of arguments called the program in its place",
    "scikeras": "estimators of our own fitted the models in its place",
}
"""what stands in for some packages does a part of what they do"""
_PARTS = {**absent_tuners.NAMES, **absent_images.NAMES, **absent_sampling.NAMES, **absent_words.NAMES}
"""what each of their modules has besides what does nothing"""
_TOOLS = frozenset({"pip", "pkg_resources", "setuptools", "wheel"})
"""packages whose modules a program takes no more than a platform's name from, to install others"""
_BESIDE = {"torch.utils.tensorboard": "tensorboard"}
"""modules that a library has only where another package is installed"""
_ENDING = frozenset({"exit", "quit", "_exit"})
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class AbsentPackages:
    """The last finder: asked only for what no other finds.

    Args:
        user: tells the program's own imports from those of libraries, which know what to do without.
        on_absent: told of each package that something stands in for which does nothing.
        note: told in a sentence of one that something stands in for which does a part.
        made_up: what gives made-up data in the place of a package's downloads, and says so itself; by module.
    """

    def __init__(
        self,
        user: UserCode,
        on_absent: Callable[[str], None],
        note: Callable[[str], None],
        made_up: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._user = user
        self._made_up = made_up or {}
        self._on_absent = on_absent
        self._note = note
        self._guarded: dict[str, list[range]] = {}

    def install(self) -> None:
        """Be asked, after all who are asked now; of what a library has only beside another package, before them."""
        sys.meta_path.append(self)
        sys.meta_path.insert(0, _Beside(self))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The import system's question."""
        parent, _, _ = name.rpartition(".")
        within = isinstance(sys.modules.get(parent), _AbsentModule)
        if parent and not within and name not in _HOSTS and name.partition(".")[0] not in _TOOLS:
            return None
        if name in _NEVER or name in sys.stdlib_module_names:
            return None
        if not within and not self._is_wanted(sys._getframe(1)):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def stand_in(self, name: str, needed: str) -> importlib.machinery.ModuleSpec | None:
        """The same for a module that is there, but of no use without the package ``needed``."""
        if not self._is_wanted(sys._getframe(2)):
            return None
        self._on_absent(needed)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module that stands in."""
        root = "google.colab" if spec.name.startswith("google.colab") else spec.name.partition(".")[0]
        host = root in _HOSTS
        if spec.name == root and not host and root != "google":
            if root in self._made_up:
                pass
            elif root in _IN_PART:
                self._note(f"`{root}` is not installed here: {_IN_PART[root]}")
            else:
                self._on_absent(root)
        made = (_MODULES.get(spec.name) or _AbsentModule)(spec.name, self._user, empty=host)
        made.__dict__["_absent_parts"] = {*_PARTS, *self._made_up}
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Give the module what it has besides what does nothing."""
        module.__dict__.update(_PARTS.get(module.__name__, {}))
        module.__dict__.update(self._made_up.get(module.__name__, {}))
        if module.__name__ == "scikeras.wrappers":
            from ae_audit.runtime.host.accommodations import keras_wrappers

            module.__dict__.update(
                KerasClassifier=keras_wrappers.ScikerasClassifier, KerasRegressor=keras_wrappers.ScikerasRegressor
            )

    def _is_wanted(self, frame: FrameType | None) -> bool:
        """Whether the program's own code imports, and does not say what to do without."""
        while frame is not None and _is_importing(frame):
            if frame.f_code.co_name == "find_spec" and frame.f_globals.get("__name__") == "importlib.util":
                return False  # it asks whether there is one
            frame = frame.f_back
        if frame is None or self._user.place(frame.f_code.co_filename) is None:
            return False
        return not any(frame.f_lineno in lines for lines in self._guards(frame.f_code.co_filename))

    def _guards(self, filename: str) -> list[range]:
        """The lines on which an import may fail, or is one of ``*``, whose names nobody knows."""
        if filename not in self._guarded:
            found: list[range] = []
            try:
                tree = ast.parse("".join(linecache.getlines(filename)))
            except (SyntaxError, ValueError):  # a cell with a line for the shell
                tree = ast.Module([], [])
            for node in ast.walk(tree):
                if isinstance(node, ast.Try) and any(map(_goes_on, node.handlers)):
                    found.append(range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1))
                elif isinstance(node, ast.With) and any(map(_suppresses, node.items)):
                    found.append(range(node.lineno, (node.end_lineno or 0) + 1))
                elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                    found.append(range(node.lineno, node.lineno + 1))
            self._guarded[filename] = found
        return self._guarded[filename]


def _is_importing(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name in {"importlib", "importlib.util", "importlib._bootstrap", "importlib._bootstrap_external"} or (
        frame.f_code.co_filename.startswith("<frozen importlib")
    )


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches that a module is missing, and the program goes on after it."""
    kind = handler.type
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    names = {getattr(each, "attr", getattr(each, "id", None)) for each in kinds}
    if kind is not None and _CATCHING.isdisjoint(names):
        return False
    last = handler.body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        called = last.value.func
        return getattr(called, "attr", getattr(called, "id", None)) not in _ENDING
    return not isinstance(last, ast.Raise)


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call) or getattr(call.func, "attr", getattr(call.func, "id", None)) != "suppress":
        return False
    return any(getattr(each, "attr", getattr(each, "id", None)) in _CATCHING for each in call.args)


class _AbsentModule(ModuleType):
    """A module of an absent package."""

    def __init__(self, name: str, user: UserCode, *, empty: bool) -> None:
        super().__init__(name)
        self.__dict__.update(_absent_user=user, _absent_empty=empty, __version__="0.0.0")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        if full in self.__dict__.get("_absent_parts", ()):  # a module of the package that does something
            return importlib.import_module(full)
        value = Inert(full, empty=self.__dict__.get("_absent_empty", False))
        self.__dict__[name] = value
        return value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A package that is itself called (``tqdm`` of ``from tqdm import tqdm`` is none)."""
        return Inert(self.__name__)(*args, **kwargs)


class _Beside:
    """The first finder, of modules whose own import needs a package that is absent."""

    def __init__(self, absent: AbsentPackages) -> None:
        self._absent = absent

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The import system's question."""
        needed = _BESIDE.get(name)
        if needed is None or importlib.util.find_spec(needed) is not None:
            return None
        return self._absent.stand_in(name, needed)


class _IPython(_AbsentModule):
    """IPython: a shell for the program, and none for libraries that would hang themselves on its events."""

    version_info = (8, 37, 0, "")

    def get_ipython(self) -> Any:
        caller = sys._getframe(1).f_code.co_filename
        return NotebookShell() if self.__dict__["_absent_user"].place(caller) is not None else None


class _Settings(dict[str, Any]):
    """``wandb.config``: what the program put there, by key or by attribute."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *args: Any, allow_val_change: bool = True, **kwargs: Any) -> None:
        """As of a dictionary; the result of a parser is taken too."""
        super().update(*(vars(each) if isinstance(each, argparse.Namespace) else each for each in args), **kwargs)

    def setdefaults(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.setdefault(name, value)


class _Wandb(_AbsentModule):
    """Weights & Biases: programs read their settings from it, and sweeps call them."""

    def __init__(self, name: str, user: UserCode, *, empty: bool) -> None:
        super().__init__(name, user, empty=empty)
        settings = self.__dict__["config"] = _Settings()
        self.__dict__["run"] = Inert("wandb.run")
        self.__dict__["run"].config = settings

    def init(self, *args: Any, config: Any = None, **kwargs: Any) -> Any:
        if config is not None and not isinstance(config, Inert):
            self.config.update(config)
        return self.run

    def sweep(self, sweep: Any = None, *args: Any, **kwargs: Any) -> str:
        parameters = (sweep or kwargs.get("sweep_config") or {}).get("parameters", {})
        for name, given in parameters.items():
            values = given.get("values") or [given.get("value", given.get("min"))]
            self.config.setdefault(name, values[0])
        return "sweep"

    def agent(self, *args: Any, function: Callable[[], Any] | None = None, **kwargs: Any) -> None:
        if callable(function):
            function()


_MODULES: dict[str, type[_AbsentModule]] = {"IPython": _IPython, "wandb": _Wandb}
