"""How the frameworks name a thing: a dotted symbol taken apart into a namespace and a last component."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ae_audit.base.records import dataclass, field

Default = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Spelling:
    """One spelling's meaning: the canonical name, the defaults it implies, and its positional arguments.

    ``arguments`` are canonical parameter names in the order of the call; ``input`` (``prediction``, ``target``) stands
    for a tensor, and a name that the theory does not use keeps its place.
    """

    name: str
    defaults: Mapping[str, Default] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


_KERAS_ROOTS = (
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tf.compat.v1.keras",
    "tf.compat.v2.keras",
    "tensorflow.python.keras",
    "tensorflow.keras",
    "tf.keras",
    "tf_keras",
    "keras.api._v2.keras",
    "keras.api._v1.keras",
    "keras.api",
    "keras.src",
    "keras",
)


@lru_cache(maxsize=4096)
def split(symbol: str) -> tuple[str, str]:
    """Namespace and last component, the namespace in its shortest usual form.

    ``tensorflow.keras.activations.relu`` gives ``("keras.activations", "relu")``, ``torch.nn.functional.relu_`` gives
    ``("torch.nn.functional", "relu")``, a bare string gives an empty namespace.
    """
    symbol = symbol.strip()
    for root in _KERAS_ROOTS:
        if symbol.startswith(root + "."):
            symbol = "keras" + symbol[len(root) :]
            break
    else:
        if symbol.startswith("tensorflow."):
            symbol = "tf" + symbol[len("tensorflow") :]
    namespace, _, last = symbol.rpartition(".")
    for short, full in (("F", "torch.nn.functional"), ("nn", "torch.nn"), ("K", "keras.backend")):
        if namespace == short or namespace.startswith(short + "."):
            namespace = full + namespace[len(short) :]
            break
    if namespace.startswith("torch") or namespace == "Tensor":
        last = last.rstrip("_") or last
    if namespace.startswith("torch.nn.modules"):
        namespace = "torch.nn"
    for public in ("activations", "layers", "losses", "metrics", "ops"):
        if namespace.startswith(f"keras.{public}."):
            namespace = f"keras.{public}"
    return namespace, last
