"""What a program leaves behind or shows - figures, checkpoints, tables, windows - made harmless, and noted.

A file that nothing in the program reads again (a figure, an exported graph) is not written. One that it may read again
(an array, a checkpoint) is written where the sandbox allows it; elsewhere the call does nothing, in place of the
``PermissionError`` that would end the program before its training. Windows never open; questions get an empty line, or
a yes.

The tables name the functions of each library; nothing here imports one.
"""

from __future__ import annotations

import builtins
import functools
import io
import linecache
import os
import pathlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch


@dataclass(frozen=True, slots=True)
class Skipped:
    """A call of the program that was not carried out."""

    call: str
    """as users know it: ``Figure.savefig``"""
    what: str = ""
    """the path it was to write"""


@dataclass(frozen=True, slots=True)
class _Writer:
    """A function that writes a file named by the argument at ``position`` (``self`` counts) or by ``keyword``."""

    modules: tuple[str, ...]
    names: tuple[str, ...]
    position: int
    keyword: str
    read_again: bool = True
    result: Any = None


_WRITERS = (
    _Writer(("matplotlib.figure",), ("Figure.savefig",), 1, "fname", read_again=False),
    _Writer(("matplotlib.animation",), ("Animation.save",), 1, "filename", read_again=False),
    _Writer(("matplotlib.image", "matplotlib.pyplot"), ("imsave",), 0, "fname", read_again=False),
    _Writer(
        (
            "keras.src.models.model",
            "tf_keras.src.engine.training",
            "keras.src.engine.training",
            "keras.engine.training",
        ),
        ("Model.save", "Model.save_weights", "Model.export"),
        1,
        "filepath",
    ),
    _Writer(
        ("keras.src.saving.saving_api", "tf_keras.src.saving.saving_api"), ("save_model", "save_weights"), 1, "filepath"
    ),
    _Writer(("keras.src.utils.image_utils",), ("save_img",), 0, "path", read_again=False),
    _Writer(
        ("keras.src.utils.model_visualization", "tf_keras.src.utils.vis_utils"),
        ("plot_model",),
        1,
        "to_file",
        read_again=False,
    ),
    _Writer(("torch.serialization", "torch"), ("save",), 1, "f"),
    _Writer(("torch.jit._serialization", "torch.jit"), ("save",), 1, "f"),
    _Writer(
        ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer"),
        ("Trainer.save_checkpoint",),
        1,
        "filepath",
    ),
    _Writer(("torch.onnx",), ("export", "dynamo_export"), 2, "f", read_again=False),
    _Writer(("torchvision.utils",), ("save_image",), 1, "fp", read_again=False),
    _Writer(("numpy",), ("save", "savez", "savez_compressed"), 0, "file"),
    _Writer(("numpy",), ("savetxt",), 0, "fname"),
    _Writer(
        ("pandas.core.generic",),
        ("NDFrame.to_csv", "NDFrame.to_json", "NDFrame.to_pickle", "NDFrame.to_hdf", "NDFrame.to_excel"),
        1,
        "path_or_buf",
    ),
    _Writer(("pandas.core.frame",), ("DataFrame.to_parquet", "DataFrame.to_feather", "DataFrame.to_html"), 1, "path"),
    _Writer(("joblib.numpy_pickle", "joblib"), ("dump",), 1, "filename"),
    _Writer(("imageio", "imageio.v2", "imageio.v3"), ("imwrite", "imsave", "mimsave", "mimwrite"), 0, "uri"),
    _Writer(("PIL.Image",), ("Image.save",), 1, "fp"),
    _Writer(("cv2",), ("imwrite",), 0, "filename", result=True),
    _Writer(("skimage.io",), ("imsave",), 0, "fname"),
    _Writer(("scipy.io",), ("savemat",), 0, "file_name"),
    _Writer(
        ("plotly.basedatatypes",), ("BaseFigure.write_html", "BaseFigure.write_image"), 1, "file", read_again=False
    ),
)

_SHOWN: tuple[tuple[str, str, Any], ...] = (
    ("matplotlib", "use", None),
    ("matplotlib.pyplot", "show", None),
    ("matplotlib.pyplot", "pause", None),
    ("matplotlib.pyplot", "waitforbuttonpress", None),
    ("matplotlib.pyplot", "ginput", []),
    ("matplotlib.figure", "Figure.show", None),
    ("PIL.Image", "Image.show", None),
    ("PIL.ImageShow", "show", True),
    ("cv2", "imshow", None),
    ("cv2", "namedWindow", None),
    ("cv2", "moveWindow", None),
    ("cv2", "resizeWindow", None),
    ("cv2", "destroyWindow", None),
    ("cv2", "destroyAllWindows", None),
    ("cv2", "waitKey", -1),
    ("plotly.basedatatypes", "BaseFigure.show", None),
    ("webbrowser", "open", False),
    ("webbrowser", "open_new", False),
    ("webbrowser", "open_new_tab", False),
    ("IPython.display", "display", None),
)
"""module, function, what it gives back: nothing is shown, and nothing is said of it"""

_TENSORBOARD_WRITERS = ("torch.utils.tensorboard.writer", "tensorboardX.writer")


_YES_OR_NO = re.compile(r"\by(?:es)?\s*[/|]\s*no?\b", re.IGNORECASE)
_PROPOSED = re.compile(
    r"(?:\be\.g\.?|\bfor example|\bdefault(?:s to| is)?|\bsuch as)[,:=]?\s*['\"`]?([\w.+-]*\w)"
    r"|[\[(]\s*['\"`]?([\w-]+)['\"`]?\s*(?:[/|,]|or\b)",
    re.IGNORECASE,
)
"""an answer that stands in the question: ``(e.g., 0.2)``, ``[default: 5]``, ``[adam/sgd]``"""
_MADE_A_NUMBER = re.compile(r"\b(int|float)\(\s*input\(")
_NUMBERS = {"int": "2", "float": "0.1"}


class Artefacts:
    """Replaces the writers of the libraries that the program imports."""

    def __init__(
        self,
        watch: ImportWatch,
        *,
        may_write: Callable[[str], bool],
        on_skipped: Callable[[Skipped], None],
        on_asked: Callable[[str], None],
    ) -> None:
        self._watch = watch
        self._may_write = may_write
        self._on_skipped = on_skipped
        self._on_asked = on_asked
        self._seen: set[Skipped] = set()

    def install(self) -> None:
        for writer in _WRITERS:
            for module in writer.modules:
                self._watch.when_imported(module, functools.partial(self._replace_writer, writer))
        for module, name, result in _SHOWN:
            self._watch.when_imported(module, functools.partial(_replace, name=name, make=_nothing(result)))
        self._watch.when_imported(
            "matplotlib.pyplot", functools.partial(_replace, name="switch_backend", make=_always_agg)
        )
        for module in _TENSORBOARD_WRITERS:
            self._watch.when_imported(module, _silence_tensorboard)
        self._watch.when_imported("tqdm.notebook", _plain_bars)
        self._watch.when_imported("keras.src.utils.model_visualization", _draw_nothing)
        self._watch.when_imported("getpass", functools.partial(_replace, name="getpass", make=_nothing("")))
        builtins.input = self._answer
        builtins.open = io.open = self._careful_open(builtins.open)  # one function under two names
        os.mkdir = self._careful_mkdir(os.mkdir)
        of_paths = getattr(pathlib, "_NormalAccessor", None)
        if of_paths is not None:  # Python 3.10, whose paths hold the functions of os as they were at their import
            of_paths.mkdir = staticmethod(os.mkdir)

    def _answer(self, prompt: object = "", /) -> str:
        """What the question proposes, yes where yes or no is asked (whether to train, mostly), else nothing.

        Where the program makes a number of it at once, a number.
        """
        text = str(prompt)
        proposed = _PROPOSED.search(text)
        if _YES_OR_NO.search(text):
            answer = "y"
        elif proposed is not None:
            answer = next(group for group in proposed.groups() if group)
        else:
            caller = sys._getframe(1)
            line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
            number = _MADE_A_NUMBER.search(line)
            answer = "" if number is None else _NUMBERS[number[1]]
        self._on_asked(answer)
        return answer

    def _careful_mkdir(self, original: Callable[..., None]) -> Callable[..., None]:
        """A folder outside scratch is not made, and the program goes on (``makedirs`` and ``Path.mkdir`` come here)."""

        @functools.wraps(original)
        def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
            if "dir_fd" not in kwargs and isinstance(path, (str, bytes, os.PathLike)):
                name = os.fsdecode(path)
                if not os.path.lexists(name) and not self._may_write(name):
                    self._note(Skipped("os.mkdir", name))
                    return
            original(path, *args, **kwargs)

        return mkdir

    def _careful_open(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Who writes into a folder of the program's that only its author has (``logs/``) finds one there."""

        @functools.wraps(original)
        def open_(file: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> Any:
            try:
                return original(file, mode, *args, **kwargs)
            except FileNotFoundError:
                named = isinstance(file, (str, os.PathLike)) and isinstance(mode, str) and set(mode) & set("wax")
                path = os.path.abspath(os.fsdecode(file)) if named else ""
                folder = os.path.dirname(path)
                if not named or os.path.isdir(folder) or not path.startswith(os.path.join(os.getcwd(), "")):
                    raise
                if not self._may_write(path):
                    raise
                os.makedirs(folder, exist_ok=True)
            return original(file, mode, *args, **kwargs)

        return open_

    def _note(self, skipped: Skipped) -> None:
        if skipped not in self._seen and len(self._seen) < 200:
            self._seen.add(skipped)
            self._on_skipped(skipped)

    def _replace_writer(self, writer: _Writer, module: ModuleType) -> None:
        for name in writer.names:
            _replace(module, name=name, make=functools.partial(self._careful, writer, _shown(module, name)))

    def _careful(self, writer: _Writer, call: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def write(*args: Any, **kwargs: Any) -> Any:
            target = args[writer.position] if len(args) > writer.position else kwargs.get(writer.keyword)
            if not isinstance(target, (str, bytes, os.PathLike)):
                return original(*args, **kwargs)  # an open file or a buffer is the program's own affair
            path = os.fsdecode(target)
            if writer.read_again and self._may_write(path):
                try:
                    return original(*args, **kwargs)
                except (OSError, RuntimeError) as error:  # torch raises the other where there is no such folder
                    if not isinstance(error, PermissionError) and os.path.isdir(os.path.dirname(path) or "."):
                        raise
            self._note(Skipped(call, path))
            return writer.result

        return write


def _shown(module: ModuleType, name: str) -> str:
    return name if "." in name else f"{module.__name__.partition('.')[0]}.{name}"


def _nothing(result: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def nothing(*_: Any, **__: Any) -> Any:
            return result

        return nothing

    return make


def _always_agg(original: Callable[..., Any]) -> Callable[..., Any]:
    """pyplot calls this itself at its first figure: it must do its work, but without a window."""

    @functools.wraps(original)
    def switch_backend(*_: Any, **__: Any) -> Any:
        return original("Agg")

    return switch_backend


def _replace(module: ModuleType, *, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace ``module.name`` (or ``module.Class.method``) by ``make`` of it, once, where it is there."""
    owner: Any = module
    *path, last = name.split(".")
    for step in path:
        owner = getattr(owner, step, None)
    original = getattr(owner, last, None)
    if original is None or getattr(original, "_ae_audit_replaced", False):
        return
    replacement = make(original)
    replacement._ae_audit_replaced = True  # type: ignore[attr-defined]
    setattr(owner, last, replacement)


def _plain_bars(module: ModuleType) -> None:
    """Progress bars of text in place of a notebook's, which need widgets."""
    text = sys.modules["tqdm.std"]
    for name, bar in {"tqdm": "tqdm", "tqdm_notebook": "tqdm", "trange": "trange", "tnrange": "trange"}.items():
        setattr(module, name, getattr(text, bar))


class _NoFile:
    """The file of a writer that writes none: Lightning hands it its hyperparameters."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


class _Drawing:
    """What stands for a graph's drawing that nobody looks at."""

    def create(self, *_: Any, **__: Any) -> bytes:
        return b'<svg xmlns="http://www.w3.org/2000/svg"/>'

    create_svg = create_png = create

    def write(self, *_: Any, **__: Any) -> bool:
        return True

    write_png = write_svg = write_pdf = write


def _draw_nothing(module: ModuleType) -> None:
    """``model_to_dot``, where what it draws with is not installed."""
    original = module.model_to_dot

    @functools.wraps(original)
    def model_to_dot(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except ImportError:
            return _Drawing()

    module.model_to_dot = model_to_dot  # type: ignore[attr-defined]


def _silence_tensorboard(module: ModuleType) -> None:
    """A ``SummaryWriter`` that takes everything and writes nothing."""
    cls = getattr(module, "SummaryWriter", None)
    if cls is None:
        return

    def begin(self: Any, logdir: Any = None, *_: Any, log_dir: Any = None, **__: Any) -> None:
        self.log_dir = self.logdir = str(log_dir or logdir or "runs")
        self.all_writers = {}
        self.file_writer = _NoFile()

    cls.__init__ = begin
    cls._get_file_writer = lambda self: self.file_writer
    for name in dir(cls):
        if name.startswith("add_") or name in {"flush", "close", "export_scalars_to_json"}:
            setattr(cls, name, _nothing(None)(getattr(cls, name)))
