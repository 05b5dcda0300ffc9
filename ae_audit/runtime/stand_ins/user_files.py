"""Stand-ins for a person's own data files, where ``--stand-in`` asks for them and the files do not exist.

Their shape is what the program's model takes. Their values are made up and mean nothing, so nothing may be concluded
from them: :attr:`FileStandIns.used` says that there are any. Of a table at least the number of axes is no guess.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import io
import os
import pickle
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.stand_ins import containers, downloads, keras_frames, read_options, tensorflow_files, torch_splits
from ae_audit.runtime.stand_ins.array_files import Archive, PickledArray
from ae_audit.runtime.stand_ins.lessons import NOTHING, SAMPLES, Lessons
from ae_audit.runtime.stand_ins.pretrained import AbsentWeights
from ae_audit.runtime.stand_ins.shape_clues import Clues, is_label
from ae_audit.runtime.stand_ins.unpacking import Parts, line_of, unpacked_by
from ae_audit.runtime.stand_ins.virtual_paths import PICTURES, InventedPaths, asked_by_a_library

_PICKLED = (".pkl", ".pickle", ".p", ".pck", ".joblib")
_MASK = re.compile(r"mask|annotation|segmentation|ground_?truth", re.IGNORECASE)
_PROSE = re.compile(
    r"^(?!.*(score|count|len|num|rating|_id|flag)).*(text|sentence|question|review|comment|tweet|headline|description)",
    re.IGNORECASE,
)
"""a column that is named like one of lines of text"""
_TABLES = (".csv", ".tsv")
_TEXTS = (".txt", ".vec")
_WEIGHTS = re.compile(r"model|weight|checkpoint|ckpt|state|best|epoch|net(?![a-z])", re.IGNORECASE)
USUAL_WIDTH = 16
"""columns of a table, besides those that the program names"""
_USUAL_DAY = "2020-01-01"
_SEED = 20
"""any number: the same data stand in from run to run"""

Array = NDArray[Any]


class FileStandIns:
    """Replaces arrays, tables and folders of images that are not there."""

    def __init__(
        self, watch: ImportWatch, clues: Clues, on_used: Callable[[str], None], lessons: Lessons = NOTHING
    ) -> None:
        self._watch = watch
        asked = [name for name in lessons.names if name not in clues.names]
        beside = [name for names in clues.lists if set(asked) & set(names) for name in names]
        names = tuple(dict.fromkeys((*clues.names, *asked, *beside)))
        self.clues = replace(clues, names=names, seen=lessons.picture or clues.seen)
        self.count = lessons.rows or SAMPLES
        """of samples in an array, and of rows in a table"""
        self._lessons = lessons
        self._on_used = on_used
        self._random = np.random.default_rng(_SEED)
        # who only reads names takes no values: how many axes a file has is guessed where one is opened
        self._paths = InventedPaths(functools.partial(self.say, guessed_rank=False))
        self._paths.believed = lessons.there
        self._folders: dict[str, str] = {}
        self._told_folders: set[str] = set()
        self._weights: set[str] = set()
        self.used: list[str] = []
        self.guessed_ranks = False
        """whether any of them may have another number of axes than the file that it stands in for"""

    def install(self) -> None:
        """Begin; before the program is run."""
        self._paths.install()
        whole = functools.partial(self._replace, name="load", make=self._array, several=True)
        self._watch.when_imported("numpy", whole)
        for name in ("loadtxt", "genfromtxt"):
            numbers = functools.partial(self._replace, name=name, make=self._numbers, options=True)
            self._watch.when_imported("numpy", numbers)
        self._watch.when_imported("pandas", self._web_tables)
        self._watch.when_imported("pandas", functools.partial(read_options.install, files=self))
        self._watch.when_imported("pandas", functools.partial(self._replace, name="read_pickle", make=self._array))
        for module in ("joblib.numpy_pickle", "joblib"):
            self._watch.when_imported(module, whole)
        for module in ("torch.serialization", "torch"):
            tensors = functools.partial(self._replace, name="load", make=self._tensor, several=True)
            self._watch.when_imported(module, tensors)
        self._opened()
        downloads.install(self._watch)
        containers.install(self, self._watch)
        tensorflow_files.install(self, self._watch)
        for name in ("matplotlib.image", "skimage.io", "imageio.v2"):
            self._watch.when_imported(name, lambda module: self._replace(module, "imread", self.picture))
        self._watch.when_imported("PIL.Image", lambda module: self._replace(module, "open", self._pil_picture))
        self._watch.when_imported("cv2", self._opencv)
        for name in ("torch.utils.data.dataset", "torch.utils.data"):
            self._watch.when_imported(name, lambda module: torch_splits.install(module, lambda: bool(self.used)))
        self._watch.when_imported("torchvision.datasets.folder", lambda module: self._folder_of(module.DatasetFolder))
        for package in ("keras.src", "tf_keras.src"):
            self._watch.when_imported(f"{package}.utils.dataset_utils", self._keras_index)
            for module in ("legacy.preprocessing.image", "preprocessing.image"):
                self._watch.when_imported(f"{package}.{module}", self._keras_iterators)
            for module in ("models.model", "engine.training"):
                self._watch.when_imported(f"{package}.{module}", self._keras_weights)

    @property
    def invented(self) -> bool:
        """Whether there are names of files that are not there."""
        return self._paths.any

    def names(self, pattern: str) -> list[str]:
        """Of files that are not there, for a pattern."""
        return self._paths.matching(pattern)

    def packages(self) -> dict[str, dict[str, Any]]:
        """What stands in for functions of packages that download data, by module."""
        return downloads.packages(self)

    def _replace(
        self, module: ModuleType, name: str, make: Callable[..., Any], *, several: bool = False, options: bool = False
    ) -> None:
        """Have ``make`` make what ``module.name`` does not find.

        Args:
            module: the module of a function that reads a file.
            name: its name there.
            make: gets the path; with ``several`` also the names that the program takes the result apart into.
            several: whether one file may hold several arrays.
            options: whether ``make`` also gets the other arguments, by their names.
        """
        original = getattr(module, name, None)
        if original is None or hasattr(original, "makes_up"):  # the same function under another module's name
            return
        first = next(iter(inspect.signature(original).parameters))

        @functools.wraps(original)
        def read(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            except OSError as error:
                file: Any = args[0] if args else kwargs.get(first)
                named = isinstance(file, (str, os.PathLike))
                absent = named and (isinstance(error, FileNotFoundError) or "://" in os.fspath(file))
                parts = (unpacked_by(sys._getframe(1)),) if several else ()
                more = (read_options.options_of(original, args, kwargs),) if options else ()
                made = make(os.fspath(file), *parts, *more) if absent else None
                if made is None:
                    raise
                return made

        read.makes_up = True  # type: ignore[attr-defined]
        setattr(module, name, read)

    def _web_tables(self, module: ModuleType) -> None:
        """``read_html`` of an address: the tables of a page, which may also want another package."""
        original = module.read_html

        @functools.wraps(original)
        def read_html(io: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(io, *args, **kwargs)
            except (OSError, ImportError):
                if not isinstance(io, str) or "://" not in io:
                    raise
                return [self.table(io)]

        module.read_html = read_html  # type: ignore[attr-defined]

    def _opened(self) -> None:
        """Files that are opened and not there: pickled arrays, tables and texts."""
        original_open, original_load = builtins.open, pickle.load

        @functools.wraps(original_open)
        def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            try:
                return original_open(file, mode, *args, **kwargs)
            except FileNotFoundError:
                named = isinstance(file, (str, os.PathLike)) and "r" in mode and not asked_by_a_library()
                made = self._contents(os.fspath(file), binary="b" in mode) if named else None
                if made is None:
                    raise
                return made

        @functools.wraps(original_load)
        def load(file: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(file, PickledArray):
                return original_load(file, *args, **kwargs)
            return self._array(file.path, unpacked_by(sys._getframe(1)))

        builtins.open = io.open = open_  # one function under two names
        pickle.load = load

    def _contents(self, path: str, *, binary: bool) -> Any:
        """An open file, of a kind that can be made up."""
        ending = os.path.splitext(path)[1].lower()
        if binary and ending in _PICKLED:
            return PickledArray(path) if self._can_be_made(path) else None
        if binary or ending not in {*_TABLES, *_TEXTS}:
            return None
        if ending in _TABLES:
            return io.StringIO(self.table(path).to_csv(index=False, sep="\t" if ending == ".tsv" else ","))
        text = containers.text(path, self.clues.line, self.clues.classes)
        self.say(path, f"a text of {len(text.splitlines())} lines")
        return io.StringIO(text)

    def _tensor(self, path: str, parts: Parts = ()) -> Any:
        """Data that were saved as tensors; for what is named like weights, a mark that leaves a network as it is."""
        if _WEIGHTS.search(os.path.basename(path)) or "state_dict" in line_of(sys._getframe(2)):
            self._say_weights(path)
            return AbsentWeights()
        torch: Any = importlib.import_module("torch")

        def tensors(made: Any) -> Any:
            return tuple(map(tensors, made)) if isinstance(made, tuple) else torch.as_tensor(made)

        made = self._array(path, parts)
        return tensors(made) if isinstance(made, (np.ndarray, tuple)) else None

    def _say_weights(self, path: str) -> None:
        text = f"{path} does not exist: the weights stayed as they were made (--stand-in)"
        if text not in self._weights:
            self._weights.add(text)
            self._on_used(text)

    def _keras_weights(self, module: ModuleType) -> None:
        """``load_weights`` of a file that is not there leaves the network as it is."""
        model = getattr(module, "Model", None)
        original = getattr(model, "load_weights", None)
        if model is None or original is None:
            return

        @functools.wraps(original)
        def load_weights(network: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
            path = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
            if type(filepath) is str and path and not (os.path.exists(path) or os.path.exists(f"{path}.index")):
                self._say_weights(path)
                return None
            return original(network, filepath, *args, **kwargs)

        model.load_weights = load_weights

    def _keras_iterators(self, module: ModuleType) -> None:
        self._folder_of(getattr(module, "DirectoryIterator", None))
        keras_frames.install(module, self)

    def _can_be_made(self, path: str) -> bool:
        """Whether it is known what an array of that name holds."""
        return self.clues.sample is not None or is_label(os.path.basename(path))

    def _array(self, path: str, parts: Parts = ()) -> Any:
        """Samples or labels; several arrays where the program takes them apart into ``parts``."""
        if not self._can_be_made(path):
            return None
        if parts:
            self.say(path, f"arrays for {', '.join(_flat(parts))}")
            return self._several(parts)
        if path.lower().endswith(".npz"):
            names = self.clues.names or ("arr_0",)
            self.say(path, f"the arrays {', '.join(names)}")
            return Archive({name: self.values(name) for name in names})
        values = self.values(os.path.basename(path))
        shown = f"{self.count} samples of the shape {values.shape[1:]}" if values.ndim > 1 else f"{self.count} labels"
        self.say(path, shown)
        return values

    def _several(self, parts: Parts) -> tuple[Any, ...]:
        return tuple(self.values(part) if isinstance(part, str) else self._several(part) for part in parts)

    def _numbers(self, path: str, options: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """What ``loadtxt`` gives: samples for the model, else the numbers of a table with its target."""
        chosen = "usecols" in options or options.get("dtype", float) is None or self._lessons.columns != 0
        if not chosen and (self.clues.sample is not None or is_label(os.path.basename(path))):
            made = self._array(path)
            return made.T if options.get("unpack") else made
        try:
            table = self.table(path, read_options.asked_by(options))
            return read_options.columns_of_numbers(table, options, prose=self._lessons.prose)
        except (ImportError, ValueError, TypeError):  # no pandas, or columns of words
            return None

    def values(self, name: str) -> Array:
        """Labels for what is named like them, else samples as the program's model takes them."""
        if is_label(name) or self.clues.sample is None:
            return self.labels(self.count)
        return self._random.random((self.count, *self.clues.sample), dtype=np.float32)

    def labels(self, count: int) -> Array:
        """Every class, evenly."""
        return np.arange(count) % self.clues.classes

    def table(self, path: str, asked: read_options.Asked = read_options.ANYTHING) -> Any:
        """A frame with the columns that the program names or takes by their place, and that a call asks for."""
        pandas = importlib.import_module("pandas")
        if asked.whole:
            made = {
                name: self._column(pandas, name, dated=name in asked.dates or place in asked.dates)
                for place, name in enumerate(asked.whole)
            }
            self.say(path, f"a table of {self.count} rows and {len(made)} columns", guessed_rank=False)
            return pandas.DataFrame(made)
        # a program that writes no width takes that of the table
        width = USUAL_WIDTH if self.clues.sample is None else int(np.prod(self.clues.sample))
        width = max(1, width + self._lessons.columns)
        numbers = self._random.random((self.count, width), dtype=np.float32)
        frame = pandas.DataFrame(numbers, columns=[f"c{number}" for number in range(width)])
        label_at = self.clues.columns.label_at
        if label_at is not None and not self.clues.names:
            frame.insert(0 if label_at == 0 else width, "label", self.labels(self.count))
        elif label_at == -1:  # where columns are named, some of them are dropped again: nobody can tell how many
            frame[frame.columns[-1]] = self.labels(self.count)
        for name in reversed(tuple(dict.fromkeys((*asked.some, *self.clues.names)))):
            frame.insert(0, name, self._column(pandas, name, dated=name in asked.dates))
        columns = self.clues.columns
        lacking = (
            max(columns.reached, asked.reached, width + columns.left_out if columns.left_out else 0) - frame.shape[1]
        )
        for number in range(lacking):
            frame.insert(int(label_at == 0), f"more{number}", self._random.random(self.count))
        for name in frame.columns if self._lessons.all_prose else ():
            if re.fullmatch(r"(c|more)\d+", name):
                frame[name] = self._lines(name)
        for at in asked.index:
            frame.insert(min(at, frame.shape[1]), f"row{at}", np.arange(self.count))
        for place in asked.dates:
            if isinstance(place, int) and place < frame.shape[1]:
                frame.isetitem(place, _days(pandas, (), self.count).strftime("%Y-%m-%d"))
        self.say(path, f"a table of {self.count} rows and {frame.shape[1]} columns", guessed_rank=False)
        return frame

    def _column(self, pandas: Any, name: str, *, dated: bool = False) -> Any:
        """Values of the kind that the program takes those of the column for."""
        columns = self.clues.columns
        if name in columns.dates or dated:
            days = _days(pandas, columns.dates.get(name, ()), self.count)
            return days if name in columns.parsed else days.strftime("%Y-%m-%d")
        if name in columns.words:
            words = columns.words[name]
            return [words[number % len(words)] for number in range(self.count)]
        prose = self._lessons.prose or (_PROSE.search(name) and not self._lessons.numbers)
        if prose and not (name in columns.labels or is_label(name)):
            return self._lines(name)
        return self.labels(self.count) if is_label(name) or name in columns.labels else self._random.random(self.count)

    def _lines(self, name: str) -> list[str]:
        lines = containers.text(name).splitlines()
        return [lines[number % len(lines)] for number in range(self.count)]

    def picture(self, path: str) -> Array:
        """Pixels for a file: uint8, (height, width) or (height, width, 3)."""
        height, width, channels = self.clues.picture
        folder = os.path.normpath(os.path.dirname(path))
        self.guessed_ranks = True
        self._paths.admit()
        if folder not in self._paths.folders:  # one picture stands for all of a folder
            self._paths.folders.add(folder)
            self.say(path, f"an image of {height} × {width}")
        if _MASK.search(path):  # few values, of the classes of its pixels
            several = np.arange(self.clues.classes) if self.clues.classes > 2 else np.array([0, 255])
            pixels = self._random.choice(several.astype(np.uint8), (height, width, channels))
        else:
            pixels = self._random.integers(0, 256, (height, width, channels), dtype=np.uint8)
        return pixels[..., 0] if channels == 1 else pixels[..., :3]

    def _pil_picture(self, path: str) -> Any:
        from PIL import Image

        return Image.fromarray(self.picture(path))

    def _opencv(self, module: ModuleType) -> None:
        original = module.imread

        @functools.wraps(original)
        def imread(filename: Any, flags: int = 1, *args: Any, **kwargs: Any) -> Any:
            if self.used and isinstance(filename, (int, float, np.number)):
                filename = f"{filename}"  # from a column of names in a table that is made up itself
            if not isinstance(filename, (str, os.PathLike)) or os.path.exists(filename):
                return original(filename, flags, *args, **kwargs)
            made = self.picture(os.fspath(filename))
            if made.ndim == 2 and flags != 0:
                return np.stack([made] * 3, axis=-1)
            return made if flags or made.ndim == 2 else made[..., 0]

        module.imread = imread  # type: ignore[attr-defined]

    def _folder_of(self, cls: Any) -> None:
        """Have a class of data sets, whose first argument is a folder, find one."""
        if cls is None:
            return
        original = cls.__init__
        name = next(iter(list(inspect.signature(original).parameters)[1:]), "root")

        @functools.wraps(original)
        def init(instance: Any, *args: Any, **kwargs: Any) -> None:
            if name in kwargs:
                kwargs[name] = self._existing(kwargs[name])
            elif args:
                args = (self._existing(args[0]), *args[1:])
            original(instance, *args, **kwargs)

        cls.__init__ = init

    def _keras_index(self, module: ModuleType) -> None:
        original = module.index_directory

        @functools.wraps(original)
        def index_directory(directory: Any, *args: Any, **kwargs: Any) -> Any:
            formats = args[1] if len(args) > 1 else kwargs.get("formats", ())
            return original(self._existing(directory, texts=".txt" in formats), *args, **kwargs)

        module.index_directory = index_directory  # type: ignore[attr-defined]

    def _existing(self, folder: Any, *, texts: bool = False) -> Any:
        if not isinstance(folder, (str, os.PathLike)) or os.path.isdir(folder):
            return folder
        asked = os.fspath(folder)
        if asked not in self._folders:
            if texts:
                self._folders[asked] = containers.folder_of_texts(self.clues.classes)
                self.say(asked, f"texts in {self.clues.classes} folders")
                return self._folders[asked]
            made = self.pictures()
            if made is None:
                return folder
            self._folders[asked] = made
            height, width, _ = self.clues.picture
            self.say(asked, f"{PICTURES} pictures of {height} × {width} in {self.clues.classes} classes")
        return self._folders[asked]

    def pictures(self) -> str | None:
        """A folder with a folder of pictures for each class; None where nothing can write pictures."""
        try:
            from PIL import Image
        except ImportError:
            return None
        folder = tempfile.mkdtemp(prefix="stand-in-")
        height, width, channels = self.clues.picture
        for number in range(PICTURES):
            place = os.path.join(folder, f"class_{number % self.clues.classes}")
            os.makedirs(place, exist_ok=True)
            pixels = self._random.integers(0, 256, (height, width, channels), dtype=np.uint8)
            image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels[..., :3])
            with open(
                os.path.join(place, f"{number}.png"), "wb"
            ) as file:  # a file of ours is no artefact of the program
                image.save(file, "png")
        return folder

    def say(self, path: str, what: str, *, guessed_rank: bool = True) -> None:
        """Tell, once, what stood in for a file."""
        self.guessed_ranks |= guessed_rank
        folder = os.path.normpath(path)
        if what.startswith("a folder"):  # what is listed within one that was told of says nothing new
            if os.path.dirname(folder) in self._told_folders:
                return
            self._told_folders.add(folder)
        text = (
            f"{path} does not exist: {what}, made to suit the model, stood in for it (--stand-in); their values are "
            "made up, so nothing is said of the data"
        )
        if text not in self.used:
            self.used.append(text)
            self._on_used(text)


def _days(pandas: Any, limits: Sequence[str], count: int) -> Any:
    """A row for each day, in order, so that as many are before the first of ``limits`` as after the last."""
    known = sorted(pandas.to_datetime(list(limits) or [_USUAL_DAY]))
    first = known[0] - pandas.Timedelta(days=count // 2)
    return pandas.date_range(first, known[-1] + pandas.Timedelta(days=count // 2), periods=count).normalize()


def _flat(parts: Parts) -> Iterator[str]:
    for part in parts:
        yield from (part,) if isinstance(part, str) else _flat(part)
