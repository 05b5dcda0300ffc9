"""Modules of the project, read as far as something of them is asked for.

A module's names wait with the statements that they need; asking for one runs those in the module's own scope, in their
order. An import waits for the use of what it binds, a package's ``__init__`` included, so that what no name leads to is
never even parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.values import Const, Instance, Mapping, Module, Seq, Value
from ae_audit.static.interpreter.budget import MAX_STEPS
from ae_audit.static.source.outline import Outline

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
            value = supplier()
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
        """Those that wait, public names of starred modules included."""
        found = list(self._names)
        for star in self._stars:
            module = star()
            if module is not None:
                found.extend(name for name in module.scope.every() if not name.startswith("_"))
        return found


class Reading:
    """A module of the project in one run, as far as it was read."""

    __slots__ = ("_done", "_frames", "_outline", "_run", "module")

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
        if isinstance(found, (Mapping, Seq)):
            self._run.registries.add(id(found))
        elif isinstance(found, Instance):
            self._run.registries.update(id(part) for part in found.attrs.values() if isinstance(part, Mapping))
        # an import in the group waits in its turn for what it binds
        return found if found is not None else self.module.scope.own(name)

    def execute(self, places: Iterable[int]) -> None:
        """Run statements of the module, each once."""
        for place in places:
            if place in self._done:
                continue
            self._done.add(place)
            text, node = self._outline.statements[place]
            with _at_module_level(self._run, self.module.scope):
                self._run.execute([node], self._frames[id(text)])

    def fill_registries(self) -> None:
        """Run the imports and the decorated definitions, which may enter something elsewhere."""
        self.execute(self._outline.imports)
        waiting = self.module.scope.waiting
        if waiting is not None:
            waiting.names()  # reads what is starred
        for place in self._outline.imports:
            _, node = self._outline.statements[place]
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    self.module.scope.own((alias.asname or alias.name).partition(".")[0])
        for place in self._outline.registering:
            _, node = self._outline.statements[place]
            self.module.scope.own(node.name)  # type: ignore[attr-defined]


def outline_of(program: Program) -> Outline:
    """The outline of a module, made once for all programs of an audit."""
    if program.outline is None:
        program.outline = Outline(program.units)
    return program.outline


@contextmanager
def _at_module_level(run: Run, scope: Scope) -> Iterator[None]:
    """While a module's own statements are run, wherever in the program their names were asked for."""
    kept = run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active
    unmarked = "no_grad" in run.marks
    run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active = [], [], 0, [], None, []
    run.marks.discard("no_grad")
    run.scopes.append(scope)
    try:
        yield
    finally:
        run.scopes.pop()
        run.functions, run.classes, run.loops, run.turning, run.uncalled, run.active = kept
        if unmarked:
            run.marks.add("no_grad")


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


def fill_registries(run: Run, container: object) -> bool:
    """Before an entry of a module's dictionary is missed: run the decorators that may put it there.

    False where that was done already, or the dictionary is no module's own.
    """
    if id(container) not in run.registries or run.registries_filled == len(run.readings):
        return False
    number = 0
    while number < len(run.readings) and run.steps > REGISTERED_STEPS:
        run.readings[number].fill_registries()
        number += 1
    run.registries_filled = len(run.readings)
    return True
