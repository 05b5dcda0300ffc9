"""Plain values: what the interpreter knows of constants, containers, library objects' names and arrays of data."""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.schema.location import TrailStep
from ae_audit.schema.training_setup import DataFacts, Head, Structure
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any


class Value:
    """Base of all abstract values."""

    __slots__ = ()


class Unknown(Value):
    """Anything may be here; ``reason`` says why, for the report.

    An unknown has an identity: reading the same attribute or element of it twice gives the same unknown, so that
    ``fit(batch["x"], batch["x"])`` is still seen as reconstruction.
    """

    __slots__ = ("array", "children", "reason", "where")

    def __init__(self, reason: str, where: Where | None = None) -> None:
        self.reason = reason
        self.where = where
        self.children: dict[object, Value] = {}
        self.array: Array | None = None

    def __repr__(self) -> str:
        return f"Unknown({self.reason!r})"


@dataclass(frozen=True, slots=True)
class DefaultValue:
    """A constant that a user may override (an option's or parameter's default), and the values it is compared with."""

    source: str
    suggestions: tuple[Any, ...] = ()


TESTED = ("?",)
"""the part of an unknown truth value that is the unknown value which was compared with something"""


class Const(Value):
    """A Python constant; ``where`` is the literal that it came from, ``soft`` says that it is merely a default."""

    __slots__ = ("soft", "value", "where")

    def __init__(self, value: Any, where: Where | None = None, soft: DefaultValue | None = None) -> None:
        self.value = value
        self.where = where
        self.soft = soft

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


class Seq(Value):
    """A list, tuple, set or iterator. ``rest`` stands for any number of further elements (None: there are none)."""

    __slots__ = ("items", "kind", "open", "rest")

    def __init__(
        self, items: list[Value] | None = None, kind: str = "list", rest: Value | None = None, open: bool = False
    ) -> None:
        self.items: list[Value] = [] if items is None else items
        self.kind = kind
        self.rest = rest
        self.open = open
        """whether it was added to in a loop that runs an unknown number of times: its length is not known"""

    def __repr__(self) -> str:
        return f"Seq({self.items!r}, {self.kind!r}, {self.rest!r})"


class Mapping(Value):
    """A dictionary with constant keys; ``rest`` is the value of any other key (None: there is none)."""

    __slots__ = ("items", "rest")

    def __init__(self, items: dict[Any, Value] | None = None, rest: Value | None = None) -> None:
        self.items: dict[Any, Value] = {} if items is None else items
        self.rest = rest

    def __repr__(self) -> str:
        return f"Mapping({self.items!r})"


@dataclass(frozen=True, slots=True)
class Library(Value):
    """A name of a library, fully qualified and normalised: ``keras.layers.Dense``, ``numpy.clip``."""

    name: str


MOST_EXTENT = 1 << 47
"""along one axis: a process addresses no more bytes, and whatever is longer does not exist"""


@dataclass(frozen=True, slots=True)
class Array(Value):
    """An array of data (NumPy, a framework's constant, or a placeholder for data such as ``keras.Input``).

    ``root`` names the array that it was made from and ``selection`` the columns or channels taken of it, in words;
    ``scale`` and ``shift`` map the root's values to these (None where the map is not affine); ``noise`` lists the
    random arrays mixed in, oldest first. Two arrays with one root are related: see :func:`relation`.
    """

    values: ValueRange = UNKNOWN_RANGE
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None
    structure: Structure = Structure.UNKNOWN
    structure_axis: int | None = None
    source: str | None = None
    standardised: Tri = Tri.UNKNOWN
    where: Where | None = None
    trail: tuple[TrailStep, ...] = ()
    root: int = 0
    selection: tuple[str, ...] = ()
    scale: float | None = 1.0
    shift: float | None = 0.0
    noise: tuple[int, ...] = ()
    placeholder: bool = False
    """stands for data that is given later (``Input``); bound to the array that ``fit`` receives"""
    why: str | None = None
    """why its values are unknown"""
    scalings: tuple[str, ...] = ()
    """every scaling step it went through, in words, oldest first"""
    statistic: str | None = None
    """``mean``, ``std``, ``max`` or ``min`` where this is a statistic of the array ``root``"""
    random: bool = False
    """drawn at random: noise when added to something"""
    synthetic: bool = False
    """computed by the program out of nothing: random values that are added to it are part of the data"""
    misfit: tuple[int, int] | None = None
    """statistics and channels of a per-channel normalisation that does not fit"""
    wrapped: TrailStep | None = None
    """arithmetic on bytes that left their range"""
    batched: bool = False
    """samples that a loader put together along the first axis"""
    pictured: bool = False
    """pixels of files that only a run would open: photographs, or masks of two values"""
    factors: tuple[Array, ...] = ()
    """the arrays of products that were multiplied and added up to make this: ``a * x + b * noise``"""
    predicted: Head | None = None
    """the output of the model that predicted these data"""
    columns: tuple[tuple[str, Array], ...] = ()
    """of a table: columns that the program wrote, by name, as long as nothing was done to all columns since"""
    columns_of: object = None
    """what the table had been through when they were written"""

    def __post_init__(self) -> None:
        if self.shape is not None and any(extent is not None and extent > MOST_EXTENT for extent in self.shape):
            held = tuple(None if extent is None or extent > MOST_EXTENT else extent for extent in self.shape)
            object.__setattr__(self, "shape", held)

    @property
    def facts(self) -> DataFacts:
        return DataFacts(
            values=self.values,
            dtype=self.dtype,
            shape=self.shape,
            structure=self.structure,
            structure_axis=self.structure_axis,
            source=self.source,
            standardised=self.standardised,
            batched=self.batched and self.shape is not None and self.shape[:1] == (None,),
            noised=self._noised,
            normalised_channels=self.misfit,
            wrapped=self.wrapped,
            location=None if self.where is None else self.where.location,
            trail=self.trail,
        )

    @property
    def _noised(self) -> Tri:
        if self.noise:
            return Tri.of(not self.synthetic)
        return Tri.UNKNOWN if self.why is not None else Tri.NO


COLUMNS = "the names of a table's columns"
"""why the labels of a table, and any part of them, are unknown"""
OF = ("of",)
"""the key under which a part of an unknown result keeps that result"""
NONE = Const(None)


def is_const(value: Value | None, *kinds: type) -> bool:
    """Whether a value is a constant, of one of ``kinds`` where some are given."""
    return isinstance(value, Const) and (not kinds or isinstance(value.value, kinds))


def number(value: Value | None) -> float | None:
    """The value as a finite or infinite number, where it is a numeric constant."""
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        try:
            found = float(value.value)
        except OverflowError:
            return None
        return None if found != found else found
    if isinstance(value, Array) and value.values.reach is not None and value.values.hull.lo == value.values.hull.hi:
        return value.values.hull.lo
    return None


MAX_NESTED = 4096
"""parts of nested sequences that are looked at as one value: ``x = (x, x)`` doubles what is in it line by line"""
MAX_SEQUENCES = 256
"""sequences among them"""


def within(value: Value, parts: int = MAX_NESTED, sequences: int = MAX_SEQUENCES) -> bool:
    """Whether a value has at most so many parts, those of its parts included; never counts further than that."""
    waiting = [value] if isinstance(value, Seq) else []
    while waiting:
        found = waiting.pop()
        parts -= len(found.items)
        sequences -= 1
        if parts < 0 or sequences < 0:
            return False
        waiting.extend(item for item in found.items if isinstance(item, Seq))
    return True


def python(value: Value | None, default: Any = None) -> Any:
    """The Python constant behind a value; tuples and lists of constants come back as tuples."""
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Seq) and value.rest is None and within(value):
        return tuple(_python(item) for item in value.items)
    return default


def _python(value: Value) -> Any:
    if isinstance(value, Seq) and value.rest is None:
        return tuple(_python(item) for item in value.items)
    return value.value if isinstance(value, Const) else None
