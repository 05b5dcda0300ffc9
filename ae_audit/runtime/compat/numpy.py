"""NumPy: names that left with 1.20 to 2.4."""

from __future__ import annotations

from typing import Any

from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_HERE = "ae_audit.runtime.compat.numpy"

_BUILTINS = {
    "bool": "bool",
    "complex": "complex",
    "float": "float",
    "int": "int",
    "long": "int",
    "object": "object",
    "str": "str",
    "unicode": "str",
}
_NUMPY = {
    "ComplexWarning": "exceptions.ComplexWarning",
    "Inf": "inf",
    "Infinity": "inf",
    "NAN": "nan",
    "NaN": "nan",
    "PINF": "inf",
    "VisibleDeprecationWarning": "exceptions.VisibleDeprecationWarning",
    "alltrue": "all",
    "bool8": "bool_",
    "cfloat": "complex128",
    "clongfloat": "clongdouble",
    "complex_": "complex128",
    "cumproduct": "cumprod",
    "float_": "float64",
    "infty": "inf",
    "int0": "intp",
    "longcomplex": "clongdouble",
    "longfloat": "longdouble",
    "mat": "asmatrix",
    "object0": "object_",
    "product": "prod",
    "round_": "round",
    "row_stack": "vstack",
    "singlecomplex": "complex64",
    "sometrue": "any",
    "str0": "str_",
    "string_": "bytes_",
    "trapz": "trapezoid",
    "uint0": "uintp",
    "unicode_": "str_",
}
_OWN = {
    "NINF": "-numpy.inf",
    "NZERO": "-0.0",
    "PZERO": "0.0",
    "asfarray": "numpy.asarray(…, dtype=float)",
    "asscalar": "array.item()",
    "cast": "numpy.asarray(…).astype(…)",
    "in1d": "numpy.isin of both, flattened,",
    "msort": "numpy.sort(…, axis=0)",
    "rank": "numpy.ndim",
    "sctypes": "the same lists of its types",
}

NAMES: dict[str, str | Successor] = {
    **{old: Successor(f"builtins:{new}", f"the built-in {new}") for old, new in _BUILTINS.items()},
    **{old: f"numpy:{new}" for old, new in _NUMPY.items()},
    **{name: Successor(f"{_HERE}:{name}", shown) for name, shown in _OWN.items()},
}
RANDOM: dict[str, str | Successor] = {
    "random_integers": Successor(f"{_HERE}:random_integers", "numpy.random.randint up to and with the last")
}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what NumPy no longer has; what it has again (``np.bool``) stays its own."""
    names.names("numpy", NAMES)
    names.names("numpy.random", RANDOM)


NINF = -float("inf")
NZERO = -0.0
PZERO = 0.0


def asfarray(a: Any, dtype: Any = float) -> Any:
    """An array of floats."""
    import numpy as np

    return np.asarray(a, dtype=dtype if np.issubdtype(dtype, np.inexact) else float)


def asscalar(a: Any) -> Any:
    """The one number of an array."""
    return a.item()


def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False, *, kind: str | None = None) -> Any:
    """Of one axis whatever the shape of ``ar1``, where ``isin`` keeps it."""
    import numpy as np

    return np.isin(np.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert, kind=kind)  # type: ignore[arg-type]


def msort(a: Any) -> Any:
    """Sorted along the first axis."""
    import numpy as np

    return np.sort(a, axis=0)


def rank(a: Any) -> int:
    """How many axes: never the rank of a matrix."""
    import numpy as np

    return int(np.ndim(a))


def random_integers(low: int, high: int | None = None, size: Any = None) -> Any:
    """With the last one."""
    import numpy as np

    first, last = (1, low) if high is None else (low, high)
    return np.random.randint(first, last + 1, size)


class _Casts:
    """``np.cast[dtype](array)``."""

    def __getitem__(self, dtype: Any) -> Any:
        import numpy as np

        return lambda array: np.asarray(array).astype(dtype)


cast = _Casts()


def _sctypes() -> dict[str, list[Any]]:
    import numpy as np

    return {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "complex": [np.complex64, np.complex128, np.clongdouble],
        "others": [bool, object, bytes, str, np.void],
    }


def __getattr__(name: str) -> Any:
    if name == "sctypes":
        return _sctypes()
    raise AttributeError(name)
