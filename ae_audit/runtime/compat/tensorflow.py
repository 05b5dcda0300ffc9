"""TensorFlow 1: functions that have moved, and settings that told only where to work."""

from __future__ import annotations

from collections.abc import Callable

from ae_audit.runtime.compat.names import OldNames, Successor
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_MOVED = {
    "acos": "math.acos",
    "assert_equal": "debugging.assert_equal",
    "ceil": "math.ceil",
    "count_nonzero": "math.count_nonzero",
    "cumsum": "math.cumsum",
    "digamma": "math.digamma",
    "div": "math.divide",
    "erf": "math.erf",
    "imag": "math.imag",
    "is_inf": "math.is_inf",
    "is_nan": "math.is_nan",
    "lgamma": "math.lgamma",
    "log": "math.log",
    "log1p": "math.log1p",
    "log_sigmoid": "math.log_sigmoid",
    "matrix_inverse": "linalg.inv",
    "parse_single_example": "io.parse_single_example",
    "random_normal": "random.normal",
    "random_shuffle": "random.shuffle",
    "random_uniform": "random.uniform",
    "read_file": "io.read_file",
    "real": "math.real",
    "reciprocal": "math.reciprocal",
    "rsqrt": "math.rsqrt",
    "set_random_seed": "random.set_seed",
    "truncated_normal": "random.truncated_normal",
    "unsorted_segment_sum": "math.unsorted_segment_sum",
}
_V1 = (
    "ConfigProto",
    "GPUOptions",
    "Session",
    "get_default_graph",
    "get_default_session",
    "global_variables_initializer",
    "reset_default_graph",
    "to_float",
    "to_int32",
    "to_int64",
)

_TUTORIALS = Successor("ae_audit.runtime.compat.tensorflow_tutorials", "keras.datasets.mnist", "tensorflow.examples")
NAMES: dict[str, str | Successor] = {
    **{old: Successor(f"tensorflow:{new}", f"tf.{new}") for old, new in _MOVED.items()},
    **{name: Successor(f"tensorflow:compat.v1.{name}", f"tf.compat.v1.{name}") for name in _V1},
}


_WITH_V1 = ("image", "nn", "train", "random", "summary", "io", "math", "sparse", "strings")
"""modules of which TensorFlow 2 keeps the old names apart"""


def _of_version_1(module: str) -> Callable[[str], Successor | None]:
    """What ``tf.compat.v1`` has under a name that is gone from ``tf`` or one of its modules."""

    def find(name: str) -> Successor | None:
        path = f"compat.v1.{module}{name}"
        successor = Successor(f"tensorflow:{path}", f"tf.{path}")
        try:
            successor.get()
        except (AttributeError, ImportError):
            return None
        return successor

    return find


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what has moved."""
    names.names("tensorflow", NAMES)
    names.others("tensorflow", _of_version_1(""))
    for module in _WITH_V1:
        names.others(f"tensorflow._api.v2.{module}", _of_version_1(f"{module}."))
    for old in ("", ".tutorials", ".tutorials.mnist", ".tutorials.mnist.input_data"):
        names.module(f"tensorflow.examples{old}", _TUTORIALS)
