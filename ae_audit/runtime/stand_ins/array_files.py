"""Files of arrays that are not there, as who reads them sees them."""

from __future__ import annotations

import io
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class PickledArray(io.BytesIO):
    """An open file of pickled arrays, which are made when it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class Archive(dict[str, Array]):
    """Arrays by name, as ``np.load`` gives those of an ``.npz`` file."""

    @property
    def files(self) -> list[str]:
        return list(self)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...
