"""``Run``: one execution of a program over abstract values, along one plan of decisions."""

from __future__ import annotations

import ast

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope, Signal
from ae_audit.static.domain.values import (
    TESTED,
    Array,
    Class,
    Const,
    DefaultValue,
    Function,
    Module,
    Seq,
    Site,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.interpreter import attributes, calls, expressions, statements
from ae_audit.static.interpreter.budget import MAX_SITES, MAX_STEPS, PARTS_A_STEP, BudgetSpentError
from ae_audit.static.interpreter.exploration import IMPORTED, Alternative, PathPlan
from ae_audit.static.interpreter.registry import Registry
from ae_audit.static.source.sources import Text, Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.schema.training_setup import MetricUse
    from ae_audit.static.domain.stores import Store
    from ae_audit.static.interpreter.demand import Reading, Written
    from ae_audit.static.source.projects import Project


MAX_ENTRIES = 8
"""entries of a registry that are tried, where it is not known which is asked for"""


class Run:
    """The state of one execution, and the interface that knowledge handlers use."""

    def __init__(
        self, registry: Registry, project: Project, plan: PathPlan | None = None, steps: int = MAX_STEPS
    ) -> None:
        self.registry = registry
        self.project = project
        self.plan = plan or PathPlan()
        self.steps = steps
        self.sites: list[Site] = []
        self.offers: dict[tuple[Any, ...], Alternative] = {}
        self.entered: set[int] = set()
        self.called: frozenset[int] = frozenset()
        """what had been entered when the program itself was through"""
        self.functions: list[Function] = []
        self.classes: list[Class] = []
        self.instantiated: set[int] = set()
        self.active: list[Function] = []
        self.scopes: list[Scope] = []
        """of the modules and calls that are being run"""
        self.modules: dict[str, Module] = {}
        self.readings: list[Reading] = []
        """the same, as far as they were read"""
        self.registries: dict[int, Written] = {}
        """dictionaries that modules hold, by identity: decorators may enter something there"""
        self.no_grad = False
        """whether what is being run is known to train nothing"""
        self.collecting = False
        """whether comparisons are only gathered: those in a compiled loss are reported by what trains with it"""
        self.tf_keras = False
        """whether the program was seen to use the Keras inside TensorFlow"""
        self.backends: set[str] = set()
        """of Keras, as the program asks for them"""
        self.star_imports: list[str] = []
        """modules of libraries of which every name was imported"""
        self.assumed: frozenset[str] = frozenset()
        """those among them that a snippet without imports is taken to import"""
        self.assumed_names: set[str] = set()
        """what the program uses of them"""
        self.soft_defaults: dict[str, Any] = {}
        """values that a user may override, by the option or parameter"""
        self.demanded: dict[str, tuple[Any, ...]] = {}
        """the choices of options that must be given"""
        self.unknowns: dict[int, Unknown] = {}
        """what an array stands for of which nothing is known, by its root"""
        self.quality: list[MetricUse] = []
        """the measures of image quality that the program computes"""
        self.finishers: list[Any] = []
        """called as ``finisher(run)`` once the program has been run (a model compiled, never fitted)"""
        self.stores: dict[Store[Any], Any] = {}
        """what tables keep; each declares its own :class:`~ae_audit.static.domain.stores.Store`"""
        self.main_text: Text | None = None
        self.uncalled: int | None = None
        """the function that is being entered although nothing calls it, by its node"""
        self.importing = False
        """whether a module of the project is being read, wherever it is asked for"""
        self.owners: dict[int, ast.AST] = {}
        """what is entered although nothing calls it, by its node: the class of a method, the function itself"""
        self.loops = 0
        """how many loops of an unknown number of turns are being run"""
        self.turning: list[str] = []
        """the names that their turns bind"""
        self.undoing = False
        """whether tests that the program decides are offered the other way, to reach a training that they leave out"""
        self.faults: list[tuple[Where, str]] = []
        """places at which the interpreter failed, and what the report says of them"""
        self._owed = 0
        """parts copied that make no whole step yet"""
        self._fresh = 0

    # -- machinery ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise BudgetSpentError

    def charge(self, parts: int) -> None:
        """Take from the budget what copying ``parts`` parts of a value costs, now or with the next ones.

        Raises:
            BudgetSpentError: where that is more than is left.
        """
        self._owed += parts
        if self._owed >= PARTS_A_STEP:
            steps, self._owed = divmod(self._owed, PARTS_A_STEP)
            self.steps -= steps
            if self.steps < 0:
                raise BudgetSpentError

    @property
    def origin(self) -> int | None:
        """Where a decision is met: the function that nothing calls, ``IMPORTED``, or None for the program itself."""
        return IMPORTED if self.importing else self.uncalled

    def fresh(self) -> int:
        """A new identity."""
        self._fresh += 1
        return self._fresh

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        return expressions.evaluate(self, node, frame)

    def execute(self, body: list[ast.stmt], frame: Frame) -> Signal:
        return statements.execute(self, body, frame)

    # -- what handlers use -------------------------------------------------------------------------------------------

    def call(self, function: Value, call: Call) -> Value:
        """Call anything callable with abstract arguments."""
        return calls.call(self, function, call)

    def call_method(self, receiver: Value, name: str, call: Call) -> Value | None:
        """Call a method of a user's instance or a library object; None where there is no such method."""
        function = attributes.find(self, receiver, name)
        return None if function is None else self.call(function, call)

    def attribute(self, value: Value, name: str, where: Where | None = None) -> Value:
        found = attributes.find(self, value, name)
        if found is not None:
            return found
        return attributes.missing(self, value, name, where)

    def iterate(self, value: Value, where: Where | None = None) -> tuple[list[Value], Value | None]:
        """The known elements of an iterable, and what stands for the others (None: there are no others)."""
        items, rest = attributes.iterate(self, value, where)
        self.charge(len(items))
        return items, rest

    def element(self, value: Value, where: Where | None = None) -> Value:
        """Some element of an iterable."""
        items, rest = self.iterate(value, where)
        if rest is not None:
            return rest
        return items[0] if items else Unknown("an element of something empty", where)

    def as_array(self, value: Value) -> Array | None:
        """The value as an array of data; None where it is something else (a tensor of the network, a model)."""
        if isinstance(value, Array):
            return value
        if isinstance(value, Unknown):
            if value.array is None:
                value.array = self._array_of(value)
            return value.array
        if isinstance(value, Const) and isinstance(value.value, (int, float)):
            from ae_audit.static.domain.arrays import of_constant

            return of_constant(self, value)
        if isinstance(value, Seq):
            from ae_audit.static.domain.arrays import of_sequence

            return of_sequence(self, value)
        return None

    def _array_of(self, value: Unknown) -> Array:
        """What an unknown value is if it is data: anything; of a comparison, 0 and 1."""
        tested = self.as_array(value.children[TESTED]) if TESTED in value.children else None
        if tested is not None:
            from ae_audit.static.domain.arrays import truth_values

            return truth_values(tested, value.where)
        made = Array(root=self.fresh(), why=value.reason, where=value.where)
        self.unknowns[made.root] = value
        return made

    def soft(self, value: Any, source: str, where: Where | None = None) -> Value:
        """A default that a user may override; under a plan, what the plan makes of it."""
        offer = self.plan.get(("soft", source))
        return Const(value if offer is None else offer.value, where, DefaultValue(source))

    def choose(self, written: str, names: tuple[Any, ...]) -> Any:
        """One of the entries of a registry (``models[config["name"]]``), under another plan another."""
        key = ("entry", written)
        offer = self.plan.get(key)
        if offer is not None:
            return offer.value
        for name in names[1:MAX_ENTRIES]:
            other = Alternative(key, name, f"{written} is {name!r}", f"{written} is {names[0]!r}", self.uncalled, True)
            self.offers.setdefault((key, type(name).__name__, name), other)
        return names[0]

    def offer_values(self, soft: DefaultValue, default: Any, values: tuple[Any, ...]) -> None:
        """Note that a default is compared with ``values``: each is an alternative of its own."""
        if self.plan.get(("soft", soft.source)) is not None:
            return
        demanded = self.demanded.get(soft.source)
        for value in demanded or values:
            if value == default and type(value) is type(default):
                continue
            try:
                hash(value)
            except TypeError:
                continue
            key = ("soft", soft.source)
            self.offers.setdefault(
                (key, type(value).__name__, value),
                Alternative(key, value, f"{soft.source} == {value!r}", f"{soft.source} == {default!r}", self.origin,
                      demanded is not None),
            )  # fmt: skip

    def emit(self, site: Site) -> None:
        """Report a place where a loss is computed."""
        site.uncalled = self.uncalled
        if len(self.sites) < MAX_SITES:
            self.sites.append(site)

    @property
    def backend(self) -> str | None:
        """The backend of Keras that the program runs on, as far as it says."""
        return min(self.backends, default="tensorflow" if self.tf_keras else None)

    def written(self, where: Where | None) -> str | None:
        return None if where is None else where.written

    def find_tensors(self, value: Value | None, depth: int = 0) -> list[Tensor]:
        """All network tensors in a value: itself, or inside sequences."""
        if isinstance(value, Tensor):
            return [value]
        if isinstance(value, Seq) and depth < 3:
            return [tensor for item in value.items for tensor in self.find_tensors(item, depth + 1)]
        return []
