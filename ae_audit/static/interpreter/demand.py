"""Modules of the project, read as far as something of them is asked for.

A module's names wait with the statements that they need; asking for one runs those in the module's own scope, in their
order. An import waits for the use of what it binds, a package's ``__init__`` included, so that what no name leads to is
never even parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ae_audit.base.records import dataclass
from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.values import Const, Instance, Mapping, Module, Value
from ae_audit.static.interpreter.budget import MAX_STEPS, BudgetSpentError
from ae_audit.static.source.outline import Outline, imported_names

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.projects import Program

    Supplier = Callable[[], Value | None]

REGISTERED_STEPS = MAX_STEPS // 3
"""steps left under which a registry is not filled any more"""


class Waiting:
    """What the names of a scope that are not bound yet will be."""

    __slots__ = ("_names", "_stars")

    def __init__(self) -> None:
        self._names: dict[str, Supplier] = {}
        self._stars: list[Callable[[], Module | None]] = []

    def put(self, name: str, supplier: Supplier) -> None:
        """``supplier`` gives the value of ``name``, once it is asked for."""
        self._names[name] = supplier

    def put_star(self, supplier: Callable[[], Module | None]) -> None:
        """The public names of a module, which is found once a name is asked for that nothing else binds."""
        self._stars.append(supplier)

    def drop(self, name: str) -> None:
        """``name`` is no longer bound."""
        self._names.pop(name, None)

    def ask(self, scope: Scope, name: str) -> Value | None:
        """The value of ``name``, bound in ``scope`` from now on; None where nothing gives it."""
        supplier = self._names.pop(name, None)
        if supplier is not None:
            try:
                value = supplier()
            except BudgetSpentError:
                self._names[name] = supplier
                raise
            if value is not None:
                scope.names.setdefault(name, value)
            return scope.names.get(name)
        if self._stars and not name.startswith("_"):
            for number in range(len(self._stars) - 1, -1, -1):
                module = self._stars[number]()
                found = None if module is None or module.scope is scope else module.scope.own(name)
                if found is not None:
                    scope.names[name] = found
                    return found
        return None

    def names(self) -> list[str]:
        """Those that wait, public names of starred modules included; none is asked for."""
        found = list(self._names)
        for star in self._stars:
            module = star()
            if module is not None and module.scope.waiting is not self:
                scope = module.scope
                public = [*scope.names, *(() if scope.waiting is None else scope.waiting.names())]
                found.extend(name for name in public if not name.startswith("_"))
        return found


class Reading:
    """A module of the project in one run, as far as it was read."""

    __slots__ = ("_done", "_frames", "_outline", "_run", "module")

    @property
    def outline(self) -> Outline:
        """Of the module."""
        return self._outline

    def __init__(self, run: Run, module: Module, program: Program, package: str) -> None:
        self.module = module
        self._run = run
        self._outline = outline_of(program)
        self._frames = {id(text): Frame(module.scope, text, package=package) for text, _ in program.units}
        self._done: set[int] = set()

    def begin(self) -> None:
        """Let every name wait, and run what acts on something else."""
        outline, waiting = self._outline, Waiting()
        self.module.scope.waiting = waiting
        for name, group in outline.groups.items():
            waiting.put(name, lambda group=group, name=name: self._supply(group, name))  # type: ignore[misc]
        self.execute(outline.stars)
        self.execute(place for place in outline.unasked if place not in self._done)

    def _supply(self, group: tuple[int, ...], name: str) -> Value | None:
        self.execute(group)
        found = self.module.scope.names.get(name)
        if isinstance(found, Mapping):
            self._run.registries[id(found)] = Written(found, self._outline, name)
        elif isinstance(found, Instance):
            self._run.registries.update(
                (id(part), Written(part, outline_of_class(self._run, found), place))
                for place, part in found.attrs.items()
                if isinstance(part, Mapping)
            )
        # an import in the group waits in its turn for what it binds
        return found if found is not None else self.module.scope.own(name)

    def execute(self, places: Iterable[int]) -> None:
        """Run statements of the module, each once."""
        for place in places:
            if place in self._done:
                continue
            self._done.add(place)
            text, node = self._outline.statements[place]
            try:
                with _at_module_level(self._run, self.module.scope):
                    self._run.execute([node], self._frames[id(text)])
            except BudgetSpentError:
                self._done.discard(place)  # somebody else may have steps left for it
                raise

    def enter(self, decorators: frozenset[str]) -> None:
        """Run the definitions that are decorated by functions or methods of these names."""
        for place in self._outline.registering:
            _, node = self._outline.statements[place]
            names = {getattr(part, "attr", getattr(part, "id", "")) for part in _decorating(node)}
            if names & decorators:
                self.module.scope.own(node.name)  # type: ignore[attr-defined]

    def read_imports(self) -> None:
        """Read the modules that this one imports, without asking anything of them."""
        for place in (*self._outline.imports, *self._outline.stars):
            text, node = self._outline.statements[place]
            frame = self._frames[id(text)]
            for name in imported_names(node, frame.package):
                if self._run.project.owns(name, text.path) and self._run.project.find(name, text.path) is not None:
                    module_at(self._run, name, text.path)


def _decorating(node: ast.stmt) -> Iterator[ast.expr]:
    for decorator in getattr(node, "decorator_list", ()):
        yield decorator.func if isinstance(decorator, ast.Call) else decorator


@dataclass(frozen=True, slots=True)
class Written:
    """A dictionary that a module or an instance in it holds under ``name``; ``outline`` is that of its writers."""

    container: Mapping
    outline: Outline | None
    name: str


def outline_of_class(run: Run, value: Instance) -> Outline | None:
    """The outline of the module that the class of an instance stands in."""
    found = next((one for one in run.readings if one.module.path == value.cls.text.path), None)
    return None if found is None else found.outline


def outline_of(program: Program) -> Outline:
    """The outline of a module, made once for all programs of an audit."""
    if program.outline is None:
        program.outline = Outline(program.units)
    return program.outline


@contextmanager
def _at_module_level(run: Run, scope: Scope) -> Iterator[None]:
    """While a module's own statements are run, wherever in the program their names were asked for."""
    kept = run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active
    no_grad, importing = run.no_grad, run.importing
    run.importing = True
    run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active = [], [], 0, [], None, []
    run.no_grad = False
    run.scopes.append(scope)
    try:
        yield
    finally:
        run.scopes.pop()
        run.importing = importing
        run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active = kept
        run.no_grad = no_grad


def read_module(run: Run, name: str, program: Program) -> Module:
    """The module of that name, of which nothing is read yet but what acts by itself."""
    scope = Scope(module=True)
    module = Module(name, scope, program.path)
    run.modules[name] = module
    scope.names["__name__"] = Const(name)
    scope.names["__file__"] = Const(program.path)
    package = name if program.path.endswith("__init__.py") else name.rpartition(".")[0]
    reading = Reading(run, module, program, package)
    run.readings.append(reading)
    reading.begin()
    return module


def defer(scope: Scope, name: str, supplier: Supplier) -> None:
    """Let ``name`` wait in a scope for being asked for; what it was bound to before is gone."""
    if scope.waiting is None:
        scope.waiting = Waiting()
    target = scope.redirected.get(name, scope)
    if target is not scope:
        value = supplier()
        if value is not None:
            target.names[name] = value
        return
    scope.names.pop(name, None)
    scope.waiting.put(name, supplier)


def module_at(run: Run, name: str, importer: str) -> Module | None:
    """The project's own module of that name, as the file ``importer`` finds it; None where the project has none."""
    known = run.modules.get(name)
    if known is not None:
        return known
    found = run.project.find(name, importer)
    return None if found is None else read_module(run, name, found)


def fill_registries(run: Run, container: Mapping) -> bool:
    """Before an entry of a module's dictionary is missed: run the decorators that may put it there.

    False where that was done already, or no function of the dictionary's module writes into it.
    """
    registry = run.registries.pop(id(container), None)
    if registry is None or registry.outline is None:
        return False
    writers = registry.outline.writers(registry.name)
    if not writers:
        return False
    number = 0
    while number < len(run.readings) and run.steps > REGISTERED_STEPS:
        run.readings[number].read_imports()
        number += 1
    for reading in list(run.readings):
        if run.steps > REGISTERED_STEPS:
            reading.enter(writers)
    return True
