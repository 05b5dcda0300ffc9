"""Abstract values: what the interpreter knows of the things that a program handles.

Arrays hold data; tensors have been through weights and carry the facts of a head. Everything is immutable but
``Seq``, ``Mapping``, ``Object``, ``Instance`` and ``Scope``-like containers, which programs change in place.
"""

from __future__ import annotations

import ast

from ae_audit.base.records import dataclass
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import DataFacts, Framework, Head, LossUse, Relation, Structure
from ae_audit.static.source.sources import Text, Where
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable
    from typing import Any

    from ae_audit.schema.training_setup import TrainingSetup
    from ae_audit.static.domain.arguments import Call
    from ae_audit.static.domain.divergences import Pair
    from ae_audit.static.domain.environment import Scope


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
class Soft:
    """A constant that a user may override (an option's or parameter's default), and the values it is compared with."""

    source: str
    suggestions: tuple[Any, ...] = ()


class Const(Value):
    """A Python constant; ``where`` is the literal that it came from, ``soft`` says that it is merely a default."""

    __slots__ = ("soft", "value", "where")

    def __init__(self, value: Any, where: Where | None = None, soft: Soft | None = None) -> None:
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


class Object(Value):
    """An instance of a library class: a layer, a model, a scaler. ``state`` belongs to the knowledge table."""

    __slots__ = ("attrs", "call", "cls", "state", "where")

    def __init__(self, cls: str, call: Call | None = None, state: Any = None, where: Where | None = None) -> None:
        self.cls = cls
        self.call = call
        self.state = state
        self.where = where if where is not None or call is None else call.where
        self.attrs: dict[str, Value] = {}

    def __repr__(self) -> str:
        return f"Object({self.cls})"


class Function(Value):
    """A function of the user's own, with its closure; ``owner`` is the class whose body holds it."""

    __slots__ = ("closure", "decoration", "defaults", "kw_defaults", "name", "node", "owner", "text")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        closure: Scope,
        text: Text,
        defaults: list[Value],
        kw_defaults: dict[str, Value],
        owner: Class | None = None,
    ) -> None:
        self.node = node
        self.name: str = getattr(node, "name", "<lambda>")
        self.closure = closure
        self.text = text
        self.defaults = defaults
        self.kw_defaults = kw_defaults
        self.owner = owner
        self.decoration: str | None = None

    @property
    def where(self) -> Where:
        return Where(self.text, self.node)

    def __repr__(self) -> str:
        return f"Function({self.name})"


class Class(Value):
    """A class of the user's own."""

    __slots__ = ("_lineage", "attrs", "bases", "fields", "kinds", "name", "node", "text")

    def __init__(self, name: str, node: ast.ClassDef, text: Text, bases: list[Value]) -> None:
        self.name = name
        self.node = node
        self.text = text
        self.bases = bases
        self.attrs: dict[str, Value] = {}
        self.fields: list[str] | None = None
        self.kinds: tuple[str, ...] | None = None
        """what the registry found its library bases to inherit from, once asked"""
        self._lineage: list[Class] | None = None

    def lineage(self) -> list[Class]:
        """This class and its user-defined ancestors, nearest first; not to be changed."""
        if self._lineage is None:
            seen: list[Class] = []
            pending: list[Value] = [self]
            while pending and len(seen) < 32:
                item = pending.pop(0)
                if isinstance(item, Class) and item not in seen:
                    seen.append(item)
                    pending[0:0] = item.bases
            self._lineage = seen
        return self._lineage

    def library_bases(self) -> list[str]:
        return [base.name for cls in self.lineage() for base in cls.bases if isinstance(base, Library)]

    def find(self, name: str) -> Value | None:
        for cls in self.lineage():
            if name in cls.attrs:
                return cls.attrs[name]
        return None

    def __repr__(self) -> str:
        return f"Class({self.name})"


class Instance(Value):
    """An instance of a user's class. ``state`` belongs to the knowledge table of its library base."""

    __slots__ = ("attrs", "cls", "state", "where")

    def __init__(self, cls: Class, where: Where | None = None) -> None:
        self.cls = cls
        self.where = where
        self.attrs: dict[str, Value] = {}
        self.state: Any = None

    def __repr__(self) -> str:
        return f"Instance({self.cls.name})"


@dataclass(frozen=True, slots=True)
class Bound(Value):
    """A method with its receiver: a user's function, or a library method known by name."""

    receiver: Value
    name: str
    function: Value | None = None


@dataclass(frozen=True, slots=True)
class Super(Value):
    """``super()`` inside a method."""

    owner: Class
    receiver: Value


@dataclass(frozen=True, slots=True)
class Partial(Value):
    """``functools.partial`` and the like: a callable with some arguments given."""

    function: Value
    args: tuple[Value, ...] = ()
    kwargs: tuple[tuple[str, Value], ...] = ()


class Module(Value):
    """A module of the user's own project."""

    __slots__ = ("name", "path", "scope")

    def __init__(self, name: str, scope: Scope, path: str | None = None) -> None:
        self.name = name
        self.scope = scope
        self.path = path


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


Step = tuple[str, object]
"""``mean`` or ``sum``, and the axis or axes along which (None: all that are left)"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The divergence of a variational code from its prior, as far as it is summed up."""

    weight: float | None
    """what it is multiplied by; None where unknown"""
    steps: tuple[Step, ...]
    shape: tuple[int | None, ...] | None
    """of the code, batch first"""
    where: Where
    exponent: Exponent | None = None
    """what the variance is the exponential of"""


@dataclass(frozen=True, slots=True)
class Exponent:
    """A multiple of what a layer puts out: what a variance, or a deviation, is the exponential of."""

    layer: Location
    multiple: float | None
    """None where no exponential was taken: the output itself stretches the noise"""
    where: Where


@dataclass(frozen=True, slots=True)
class Tensor(Value):
    """What a network computes: the facts of the head as they stand at this point of the network."""

    framework: Framework
    head: Head
    fed: tuple[Array, ...] = ()
    """the data that entered the network on the way here"""
    first_layers: tuple[str, ...] = ()
    """names of the first few layers, outermost first"""
    normalises: Tri = Tri.UNKNOWN
    variational: Tri = Tri.NO
    why: str | None = None
    """why the head is unknown"""
    model: str | None = None
    log_of: Tensor | None = None
    """this is the logarithm of that (for cross-entropies written out)"""
    complement: bool = False
    """``1 - p`` of a prediction p"""
    activation_of: Tensor | None = None
    """what the activation was applied to, where it was the last thing done"""
    bare: bool = False
    """what a layer with weights gave, moved or scaled at most: as the training starts its values lie about 0"""
    parts: tuple[tuple[str, float], ...] = ()
    """coefficients of a square and an exponential that were added up: the elements of a divergence, perhaps"""
    divergence: Divergence | None = None
    """this is the divergence of a code from its prior"""
    latent: Head | None = None
    """the head of a mean or log-variance with a one-sided activation, in a variational code on the way here"""
    met: Meeting | None = None
    """the data that a prediction met in arithmetic that is no known loss: a loss of the program's own, perhaps"""
    multiple: float | None = 1.0
    """by what the output of the last layer was multiplied since, and by nothing else; None where it was moved too"""
    exponent: Exponent | None = None
    """of the exponential that is part of this"""
    drawn: Exponent | None = None
    """what stretches the noise of a code that was sampled on the way here"""
    entry: Location | None = None
    """the first layer with weights on the way here"""
    bounded: tuple[tuple[Location, Head], ...] = ()
    """layers that a bounded activation entered on the way here, each with that output"""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A prediction and the data or the number that it was computed with; None where it was with neither."""

    prediction: Tensor
    target: Value | None
    where: Where
    moved: bool = False
    """a number was taken away from the prediction, and nothing else was done to it since"""


class LossFunction(Value):
    """A loss to be called with target and prediction; ``order`` is the order of its arguments."""

    __slots__ = ("framework", "function", "order", "use", "why")

    def __init__(
        self,
        use: LossUse,
        framework: Framework,
        *,
        order: str = "prediction, target",
        function: Value | None = None,
        why: str | None = None,
    ) -> None:
        self.use = use
        self.framework = framework
        self.order = order
        self.function = function
        self.why = why


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One prediction compared with one target, somewhere inside a loss expression."""

    use: LossUse
    prediction: Value
    target: Value
    where: Where
    weight: float | None = 1.0
    reductions: tuple[str, ...] = ()
    """``mean`` and ``sum`` applied so far, innermost first"""
    steps: tuple[Step, ...] = ()
    """the same with their axes"""


@dataclass(frozen=True, slots=True)
class LossValue(Value):
    """The value of a loss expression: the comparisons that it adds up, and whether a KL term is among them."""

    terms: tuple[LossTerm, ...] = ()
    latent: bool = False
    """a regulariser of a latent code (a KL term written out) is part of it"""
    reductions: tuple[str, ...] = ()
    """of the latent part"""
    others: bool = False
    """something else is added that is not known: another comparison, perhaps"""
    pair: Pair | None = None
    """its only comparison and the divergence of a code, as they were when they were added up"""
    rooted: bool = False
    """its root was taken"""
    peak: float | None = None
    """what was divided by it: the square of the peak in a PSNR, or the peak by its root"""

    @property
    def alone(self) -> Tri:
        """Whether there is but one comparison in it, and nothing that may be another."""
        if len(self.terms) > 1:
            return Tri.NO
        return Tri.UNKNOWN if self.others or self.latent else Tri.YES


@dataclass(frozen=True, slots=True)
class Difference(Value):
    """``prediction - target``, or a power or absolute value of it, elementwise."""

    prediction: Tensor
    target: Value
    where: Where
    power: float = 1.0
    absolute: bool = False
    relative: bool = False
    scaled: bool = False
    """multiplied or divided by something: the same error, another prediction"""


@dataclass(slots=True)
class Site:
    """A place where a loss is computed, as the interpreter meets it; see :mod:`ae_audit.static.sites`."""

    framework: Framework
    where: Where
    use: LossUse
    prediction: Value
    target: Value
    input: Value | None = None
    backend: str | None = None
    metrics: tuple[Any, ...] = ()
    validation_target: Value | None = None
    validation_input: Value | None = None
    optimizer: str | None = None
    model: str | None = None
    relation: Relation | None = None
    why_loss: str | None = None
    evaluation: bool = False
    """computed where nothing is trained (``no_grad``, ``evaluate``)"""
    completed: Callable[[TrainingSetup], TrainingSetup] | None = None
    """adds facts to the set-up that this becomes: those that one library's table knows, and nothing in between needs"""
    term: tuple[Where, int] | None = None
    """of a comparison that is computed value by value: where, and the identity of its prediction"""
    trained: bool = False
    """``backward`` was seen to be called on it"""
    unread: bool = False
    """it trains on a loss of the program's own in which no comparison was seen"""
    unfitted: bool = False
    """the model was compiled, and nothing was seen to fit it"""
    uncalled: int | None = None
    """the function that was entered although nothing calls it, by its node, where this was met in one"""
    fitted_model: Value | None = None
    """the model that ``fit`` trains"""
    asked: Array | None = None
    """data of the same source that the trained model is asked, on another scale"""
    pair: Pair | None = None
    """the comparison and the divergence that were added up, in a variational loss"""


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
