"""Stand-ins: data in place of a well-known data set that is not on this machine.

The library's own function is always tried first; only where it fails for want of the files (there is no network in the
sandbox) do stand-in data take their place, and :attr:`StandIns.used` says so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.stand_ins.torchvision import install_torchvision

_MISSING = (OSError, RuntimeError, ImportError)
_SEED = 113
"""any number: the same sequences stand in from run to run"""


@dataclass(frozen=True, slots=True)
class Used:
    """A data set that was replaced."""

    what: str
    """the call: ``keras.datasets.mnist.load_data()``"""
    made_of: str
    """``2,000 real digits, repeated``"""

    @property
    def text(self) -> str:
        """One sentence for the report."""
        return (
            f"{self.what} is not on this machine: data of the same shape, dtype and range stood in for it "
            f"({self.made_of}); figures measured on it are not those of the real data"
        )


Quietly = Callable[[], contextlib.AbstractContextManager[None]]


class StandIns:
    """Watches the libraries that load data sets."""

    def __init__(self, watch: ImportWatch, *, on_used: Callable[[Used], None], quietly: Quietly | None = None) -> None:
        self._watch = watch
        self._on_used = on_used
        self._quietly: Quietly = quietly or contextlib.nullcontext
        self._used: dict[Used, None] = {}

    @property
    def used(self) -> tuple[Used, ...]:
        """The data sets replaced so far, in order."""
        return tuple(self._used)

    def install(self) -> None:
        for name, load in _KERAS.items():
            for prefix in _KERAS_PACKAGES:
                self._watch.when_imported(f"{prefix}.{name}", functools.partial(self._keras, name, load))
        for module, functions in _SCIKIT_LEARN.items():
            for name, fetch in functions.items():
                self._watch.when_imported(module, functools.partial(self._replace, name=name, load=fetch))
        self._watch.when_imported("tensorflow_datasets", self._tensorflow_datasets)
        install_torchvision(self._watch, self.attempt, self.note)

    def note(self, what: str, made_of: str) -> None:
        """Say that ``what`` was replaced."""
        used = Used(what, made_of)
        if used not in self._used:
            self._used[used] = None
            self._on_used(used)

    def attempt(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The library's own way, without the progress that it prints and without a report of the refused download.

        Raises:
            OSError, RuntimeError, ImportError: if the data are not here.
        """
        with self._quietly(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return original(*args, **kwargs)

    def _keras(self, name: str, load: Callable[..., tuple[Any, str]], module: ModuleType) -> None:
        shown = f"{name}.load_data()"

        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(original)
            def load_data(*args: Any, **kwargs: Any) -> Any:
                try:
                    return self.attempt(original, *args, **kwargs)
                except Exception as error:  # Keras raises a bare Exception where a download fails
                    if not isinstance(error, _MISSING) and type(error) is not Exception:
                        raise
                bound = inspect.signature(original).bind(*args, **kwargs)
                bound.apply_defaults()
                data, made_of = load(**bound.arguments)
                self.note(shown, made_of)
                return data

            return load_data

        module.load_data = make(module.load_data)  # type: ignore[attr-defined]
        if hasattr(module, "get_word_index"):
            module.get_word_index = self._word_index(module.get_word_index)  # type: ignore[attr-defined]

    def _word_index(self, original: Callable[..., dict[str, int]]) -> Callable[..., dict[str, int]]:
        @functools.wraps(original)
        def get_word_index(*args: Any, **kwargs: Any) -> dict[str, int]:
            try:
                index: dict[str, int] = self.attempt(original, *args, **kwargs)
            except Exception:
                index = {f"word{i}": i for i in range(1, 20001)}
            return index

        return get_word_index

    def _replace(self, module: ModuleType, *, name: str, load: Callable[..., tuple[Any, str] | None]) -> None:
        original = getattr(module, name, None)
        if original is None:
            return
        signature = inspect.signature(original)

        @functools.wraps(original)
        def fetch(*args: Any, **kwargs: Any) -> Any:
            quick = {"n_retries": 1, "delay": 0.001} if "n_retries" in signature.parameters else {}
            try:
                return self.attempt(original, *args, **{**kwargs, **quick})
            except _MISSING:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                made = load(**bound.arguments)
                if made is None:
                    raise
            self.note(_call_text(name, args), made[1])
            return made[0]

        setattr(module, name, fetch)

    def _tensorflow_datasets(self, module: ModuleType) -> None:
        from ae_audit.runtime.stand_ins.tfds import replace_load

        replace_load(module, self.attempt, self.note)


def _call_text(name: str, args: tuple[Any, ...]) -> str:
    return f"{name}({args[0]!r})" if args and isinstance(args[0], str) else f"{name}()"


DIGITS = "2,000 real MNIST digits, repeated"
SYNTHETIC = "synthetic images"


def _mnist(**_: Any) -> tuple[Any, str]:
    from ae_audit.runtime.stand_ins.samples import digits

    parts = digits(60000, train=True), digits(10000, train=False)
    return tuple((part.all_images(), part.all_labels("uint8")) for part in parts), DIGITS


def _fashion_mnist(**_: Any) -> tuple[Any, str]:
    from ae_audit.runtime.stand_ins.samples import pictures

    parts = (pictures(n, 28, 28, 1, 10, seed=2, train=n == 60000, dark=True) for n in (60000, 10000))
    return tuple((part.all_images(), part.all_labels("uint8")) for part in parts), SYNTHETIC


def _cifar10(**_: Any) -> tuple[Any, str]:
    return _cifar(10, "uint8"), SYNTHETIC


def _cifar100(label_mode: str = "fine", **_: Any) -> tuple[Any, str]:
    return _cifar(100 if label_mode == "fine" else 20, "int64"), SYNTHETIC


def _cifar(classes: int, dtype: str) -> Any:
    from ae_audit.runtime.stand_ins.samples import pictures

    parts = (pictures(n, 32, 32, 3, classes, seed=classes, train=n == 50000) for n in (50000, 10000))
    return tuple((part.all_images(), part.all_labels(dtype)[:, None]) for part in parts)


def _words(sizes: tuple[int, int], classes: int, arguments: dict[str, Any]) -> tuple[Any, str]:
    from ae_audit.runtime.stand_ins.samples import word_sequences

    vocabulary = arguments.get("num_words") or 20000
    longest = arguments.get("maxlen")
    parts = []
    for size in sizes:
        start, offset = arguments.get("start_char", 1), arguments.get("index_from") or 0
        sequences, labels = word_sequences(size, classes, vocabulary, seed=_SEED, start=start, offset=offset)
        if longest:
            for i, sequence in enumerate(sequences):
                sequences[i] = sequence[: longest - 1]
        parts.append((sequences, labels))
    return tuple(parts), "synthetic sequences of word numbers"


def _imdb(**arguments: Any) -> tuple[Any, str]:
    return _words((25000, 25000), 2, arguments)


def _reuters(**arguments: Any) -> tuple[Any, str]:
    tests = round(11228 * arguments.get("test_split", 0.2))
    return _words((11228 - tests, tests), 46, arguments)


def _boston_housing(test_split: float = 0.2, **_: Any) -> tuple[Any, str]:
    import numpy as np

    from ae_audit.runtime.stand_ins.samples import table

    means = np.array([3.6, 11.4, 11.1, 0.07, 0.55, 6.3, 68.6, 3.8, 9.5, 408.0, 18.5, 356.7, 12.7])
    deviations = np.array([8.6, 23.3, 6.9, 0.25, 0.12, 0.7, 28.1, 2.1, 8.7, 168.5, 2.2, 91.3, 7.1])
    x, y = table(506, means, deviations, seed=5, target=(5.0, 50.0))
    cut = int(len(x) * (1 - test_split))
    return ((x[:cut], y[:cut]), (x[cut:], y[cut:])), "a synthetic table"


def _california_housing(version: str = "large", test_split: float = 0.2, **_: Any) -> tuple[Any, str]:
    x, y = _california(20640 if version == "large" else 600)
    x, y = x.astype("float32"), (y * 1e5).astype("float32")
    cut = int(len(x) * (1 - test_split))
    return ((x[:cut], y[:cut]), (x[cut:], y[cut:])), "a synthetic table"


def _california(length: int) -> tuple[Any, Any]:
    import numpy as np

    from ae_audit.runtime.stand_ins.samples import table

    means = np.array([3.9, 28.6, 5.4, 1.1, 1425.0, 3.1, 35.6, 119.6])
    deviations = np.array([1.9, 12.6, 2.5, 0.5, 1132.0, 1.4, 2.1, 2.0])
    x, y = table(length, means, deviations, seed=6, target=(0.15, 5.0))
    x[:, -1] *= -1
    return x, y


_KERAS: dict[str, Callable[..., tuple[Any, str]]] = {
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "imdb": _imdb,
    "reuters": _reuters,
    "boston_housing": _boston_housing,
    "california_housing": _california_housing,
}
_KERAS_PACKAGES = (
    "keras.src.datasets",
    "keras.datasets",
    "tf_keras.src.datasets",
    "tf_keras.datasets",
    "tensorflow.python.keras.datasets",
)


def _openml(name: str | None = None, data_id: int | None = None, **arguments: Any) -> tuple[Any, str] | None:
    from ae_audit.runtime.stand_ins.samples import digits, pictures

    if (name or "").lower() in {"mnist_784", "mnist"} or data_id == 554:
        parts, made_of = (digits(60000, train=True), digits(10000, train=False)), DIGITS
    elif (name or "").lower() == "fashion-mnist" or data_id == 40996:
        parts = (
            pictures(60000, 28, 28, 1, 10, seed=2, train=True, dark=True),
            pictures(10000, 28, 28, 1, 10, seed=2, train=False, dark=True),
        )
        made_of = SYNTHETIC
    else:
        return None
    import numpy as np

    data: Any = np.concatenate([part.all_images().reshape(part.length, 784) for part in parts]).astype("int64")
    target: Any = np.concatenate([part.all_labels() for part in parts]).astype(str).astype(object)
    names = [f"pixel{i}" for i in range(1, 785)]
    frame = None
    if arguments.get("as_frame", "auto") in {True, "auto"}:
        pd: Any = importlib.import_module("pandas")
        data = pd.DataFrame(data, columns=names)
        target = pd.Series(pd.Categorical(target), name="class")
        frame = pd.concat([data, target], axis=1) if not arguments.get("return_X_y") else None
    details = {"feature_names": names, "target_names": ["class"], "frame": frame}
    return _bunch(data, target, arguments.get("return_X_y", False), **details), made_of


def _olivetti(return_X_y: bool = False, **_: Any) -> tuple[Any, str]:
    from ae_audit.runtime.stand_ins.samples import pictures

    part = pictures(400, 64, 64, 1, 40, seed=8, train=True)
    images = part.images.astype("float32") / 255.0
    return _bunch(images.reshape(400, 4096), part.labels, return_X_y, images=images), SYNTHETIC


def _lfw(
    resize: float | None = 0.5,
    min_faces_per_person: int | None = 0,
    color: bool = False,
    slice_: Any = (slice(70, 195), slice(78, 172)),
    return_X_y: bool = False,
    **_: Any,
) -> tuple[Any, str]:
    import numpy as np

    from ae_audit.runtime.stand_ins.samples import pictures

    extents = [part.stop - part.start for part in slice_] if slice_ is not None else [250, 250]
    height, width = (int((resize or 1.0) * extent) for extent in extents)
    length, people = (1288, 7) if (min_faces_per_person or 0) >= 70 else (3023, 62)
    part = pictures(length, height, width, 3 if color else 1, people, seed=9, train=True)
    images = part.all_images().astype("float32") / 255.0
    names = np.array([f"Person {number}" for number in range(people)])
    data = images.reshape(length, -1)
    return _bunch(data, part.all_labels("int64"), return_X_y, images=images, target_names=names), SYNTHETIC


def _fetch_california(return_X_y: bool = False, as_frame: bool = False, **_: Any) -> tuple[Any, str]:
    x, y = _california(20640)
    names = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
    if as_frame:
        pd: Any = importlib.import_module("pandas")
        x, y = pd.DataFrame(x, columns=names), pd.Series(y, name="MedHouseVal")
    return _bunch(x, y, return_X_y, feature_names=names, target_names=["MedHouseVal"]), "a synthetic table"


def _bunch(data: Any, target: Any, as_pair: bool, **details: Any) -> Any:
    if as_pair:
        return data, target
    from sklearn.utils import Bunch

    return Bunch(data=data, target=target, DESCR="stand-in", **details)


_SCIKIT_LEARN: dict[str, dict[str, Callable[..., tuple[Any, str] | None]]] = {
    "sklearn.datasets._openml": {"fetch_openml": _openml},
    "sklearn.datasets._olivetti_faces": {"fetch_olivetti_faces": _olivetti},
    "sklearn.datasets._lfw": {"fetch_lfw_people": _lfw},
    "sklearn.datasets._california_housing": {"fetch_california_housing": _fetch_california},
}
