"""What packages that are not installed would have downloaded: prices of shares, and data sets by their name."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from types import FrameType
from typing import Any, Protocol

import numpy as np

from ae_audit.runtime.host.imports import ImportWatch
from ae_audit.runtime.stand_ins.pretrained import ENDINGS

DAYS = 1024
"""of trading: four years, as much as windows of half a year need"""
_START = "2018-01-01"
_NAMES = {
    "pandas_datareader": ("DataReader", "get_data_yahoo", "get_data_tiingo", "get_data_stooq"),
    "pandas_datareader.data": ("DataReader", "get_data_yahoo", "get_data_tiingo", "get_data_stooq"),
    "yfinance": ("download",),
    "quandl": ("get",),
    "nsepy": ("get_history",),
    "FinanceDataReader": ("DataReader",),
}
_BY_NAME = {"kagglehub": ("dataset_download", "competition_download")}


_LIBRARIES = frozenset({"keras", "tf_keras", "tensorflow", "torch", "torchvision", "sklearn"})
"""whose own fetching fails as it would: for their data sets others stand in, of the same shape and range"""


class Files(Protocol):
    """What says that data are made up."""

    def say(self, path: str, what: str, *, guessed_rank: bool = True) -> None: ...


def packages(files: Files) -> dict[str, dict[str, Any]]:
    """What stands in for each package's functions, by the names of its modules."""
    made: dict[str, dict[str, Any]] = {
        package: {name: functools.partial(_prices, files, package) for name in names}
        for package, names in _NAMES.items()
    }
    made["yfinance"]["Ticker"] = functools.partial(_Ticker, files)
    for package, names in _BY_NAME.items():
        made[package] = dict.fromkeys(names, functools.partial(_folder, files))
    return made


def install(watch: ImportWatch) -> None:
    """Have what fetches a file of data by its address give the path that it would lie at, where it cannot."""
    for package in ("keras.src", "tf_keras.src"):
        for module in ("file_utils", "data_utils"):
            watch.when_imported(f"{package}.utils.{module}", _keras_files)
    watch.when_imported("urllib.request", _urls)
    for name in ("torchvision.datasets.utils", "torch.hub"):
        watch.when_imported(name, _of_torch)


def _keras_files(module: Any) -> None:
    original = getattr(module, "get_file", None)
    if original is None:
        return

    @functools.wraps(original)
    def get_file(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception:  # Keras raises a bare one where a download fails
            given = dict(zip(("fname", "origin"), args, strict=False)) | kwargs
            name = str(given.get("fname") or str(given.get("origin") or "").rpartition("/")[2])
            if not name or name.endswith(ENDINGS) or _asker() in _LIBRARIES:
                raise  # for Keras' own data sets others stand in, as they are
            if given.get("untar") or given.get("extract"):
                name = name.removesuffix(".gz").removesuffix(".tar").removesuffix(".zip").removesuffix(".tgz")
            return os.path.join("downloaded", os.path.basename(name))

    module.get_file = get_file


def _asker() -> str:
    """The package of the code that asks for a file, beyond what is ours."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("ae_audit."):
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _urls(module: Any) -> None:
    original = module.urlretrieve

    @functools.wraps(original)
    def urlretrieve(url: Any, filename: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(url, filename, *args, **kwargs)
        except OSError:  # of the connection
            if filename is None or _asker() in _LIBRARIES:
                raise
            return filename, None

    module.urlretrieve = urlretrieve


def _of_torch(module: Any) -> None:
    for name in ("download_url", "download_and_extract_archive", "download_url_to_file"):
        original = getattr(module, name, None)
        if original is None:
            continue

        @functools.wraps(original)
        def download(*args: Any, _original: Any = original, **kwargs: Any) -> Any:
            from_program = "torchvision" not in str(sys._getframe(1).f_globals.get("__name__", "")).partition(".")[0]
            try:
                return _original(*args, **kwargs)
            except OSError:
                if not from_program:
                    raise
                return None

        setattr(module, name, download)


def _prices(files: Files, package: str, symbol: Any = "", *_: Any, **__: Any) -> Any:
    """A row for each day of trading, with the columns that all of these sources have."""
    pandas: Any = importlib.import_module("pandas")
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, DAYS)))
    spread = 0.01 * close * random.random((4, DAYS))
    columns = {
        "Open": close - spread[0] + spread[1],
        "High": close + spread[0] + spread[2],
        "Low": close - spread[0] - spread[3],
        "Close": close,
        "Adj Close": close,
        "Volume": random.integers(10**5, 10**7, DAYS),
    }
    files.say(f"{package}: {symbol}", f"prices of {DAYS} days", guessed_rank=False)
    return pandas.DataFrame(columns, index=pandas.bdate_range(_START, periods=DAYS, name="Date"))


class _Ticker:
    """``yfinance.Ticker``."""

    def __init__(self, files: Files, ticker: Any = "", *_: Any, **__: Any) -> None:
        self._files = files
        self.ticker = ticker
        self.info: dict[str, Any] = {}

    def history(self, *_: Any, **__: Any) -> Any:
        """The prices."""
        return _prices(self._files, "yfinance", self.ticker)


def _folder(files: Files, handle: Any = "data", *_: Any, **__: Any) -> str:
    """A folder that is not there, so that what is read from it is made up in turn."""
    folder = os.path.join("downloaded", *str(handle).split("/"))
    files.say(str(handle), "a folder whose files are made up when they are read", guessed_rank=False)
    return folder
