"""Running a whole program: its module body, then what nothing calls, along one plan after another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from ae_audit.base.records import dataclass, field
from ae_audit.schema.training_setup import MetricUse
from ae_audit.static.domain import usage
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.values import Const, Instance, Site
from ae_audit.static.interpreter import calls, classes
from ae_audit.static.interpreter.budget import FINISHING_STEPS, MAX_STEPS, SHARE, BudgetSpentError
from ae_audit.static.interpreter.exploration import DECIDED, IMPORTED, Alternative, PathPlan
from ae_audit.static.interpreter.registry import Registry
from ae_audit.static.interpreter.run import Run
from ae_audit.static.source import prefilter
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.source.projects import Program, Project

MAX_RUNS = 10
"""runs of one program, each with other choices of its author's"""
EVALUATION_METHODS = frozenset({"validation_step", "test_step", "predict_step", "evaluate", "validate"})
"""methods that by their name train nothing"""


@dataclass(slots=True)
class Execution:
    """The sites of one run, under its plan."""

    plan: PathPlan
    sites: list[Site]
    exhausted: bool = False
    backend: str | None = None
    """of Keras, as far as the program says"""
    assumed: frozenset[str] = frozenset()
    """names that it uses without importing them"""
    offers: tuple[Alternative, ...] = ()
    faults: list[tuple[Where, str]] = field(default_factory=list)
    called: frozenset[int] = frozenset()
    """the functions that the program itself called, by their nodes"""
    quality: tuple[MetricUse, ...] = ()
    """the measures of image quality that it computes"""


def explore(registry: Registry, project: Project, program: Program) -> list[Execution]:
    """The default run, then one run for each other way that a decision could go, within a budget.

    A test in a function that nothing calls is worth another run only where a loss is computed in that function. Where
    no run trains anything, those tests are undone by which the program leaves its training out.
    """
    done: list[Execution] = []
    pending: list[PathPlan] = [PathPlan()]
    seen: set[tuple[object, ...]] = set()
    left, needed = MAX_STEPS, 0
    undoing = False
    while pending and len(done) < MAX_RUNS and left >= needed:  # a run that breaks off early tells little
        plan = pending.pop(0)
        run = Run(registry, project, plan, left)
        run.undoing = undoing
        exhausted = execute(run, program)
        used = left if exhausted else left - run.steps
        left, needed = left - used, needed or used
        usage.attach(run)
        done.append(
            Execution(plan, run.sites, exhausted, run.backend, frozenset(run.assumed_names),
                      tuple(run.offers.values()), run.faults, run.called, tuple(run.quality))
        )  # fmt: skip
        for identity, offer in run.offers.items():
            if identity not in seen and _matters(offer, run):
                seen.add(identity)
                pending.append(plan.with_(offer))
        pending.sort(key=lambda waiting: (len(waiting.taken), waiting.taken[-1].key[0] != "soft"))
        if not (pending or undoing) and _left_out(project, program, done):
            undoing = True
            pending.append(PathPlan())
    return done


def _matters(offer: Alternative, run: Run) -> bool:
    """Whether another way of an offer may lead to another loss, after a run that met it.

    What nothing calls only matters to the losses in it; an option of a method, to those of its class, whose attributes
    it may decide, and to what by its names is one, which the option may have left out; what a module of the project
    decides while it is read, where there is any loss.
    """
    if offer.key[0] == DECIDED or offer.uncalled is None:
        return True
    if offer.uncalled == IMPORTED:
        return bool(run.sites)
    fruitful = {site.uncalled for site in run.sites}
    if offer.key[0] != "soft":
        return offer.uncalled in fruitful
    owner = run.owners.get(offer.uncalled)
    if owner is None or any(run.owners.get(node) is owner for node in fruitful if node is not None):
        return True
    return prefilter.names_training([owner])


def fits(executions: list[Execution]) -> bool:
    """Whether any run computes a loss, beyond compiling a model that it never fits."""
    return any(not site.unfitted for execution in executions for site in execution.sites)


def _left_out(project: Project, program: Program, done: list[Execution]) -> bool:
    """Whether a program that trains nothing calls something that by its name trains."""
    if fits(done):
        return False
    return any(project.syntax.of(tree, tree.body, "whole").trains for _, tree in program.units)


def execute(run: Run, program: Program) -> bool:
    """Interpret a program in ``run``; True where the budget did not suffice."""
    try:
        _run_units(run, program)
    except (BudgetSpentError, RecursionError):
        _finish(run)
        return True
    run.called = frozenset(run.entered)
    exhausted = False
    try:
        _enter_the_uncalled(run)
    except (BudgetSpentError, RecursionError):
        exhausted = True
    run.uncalled = None
    return not _finish(run) or exhausted


def _finish(run: Run) -> bool:
    """Let the tables conclude from what the program did; False where the budget did not suffice."""
    left = run.steps
    run.steps = max(left, FINISHING_STEPS)
    try:
        for finisher in list(run.finishers):
            finisher(run)
    except (BudgetSpentError, RecursionError):
        return False
    finally:
        run.steps = max(0, min(left, run.steps))
    return True


def _run_units(run: Run, program: Program) -> None:
    scope = Scope(module=True)
    scope.names["__name__"] = Const("__main__")
    scope.names["__file__"] = Const(program.path)
    package = run.project.package_of(program.path)
    run.scopes.append(scope)
    run.star_imports.extend(program.assumed)
    run.assumed = frozenset(program.assumed)
    for text, tree in program.units:
        run.main_text = text
        run.execute(tree.body, Frame(scope, text, package=package))


def _enter_the_uncalled(run: Run) -> None:
    """Functions and classes that nothing calls are entered with unknown arguments."""
    instances: dict[int, Instance] = {}
    bases = {id(base) for cls in run.classes for base in cls.bases}
    for cls in list(run.classes):
        if id(cls.node) in run.instantiated or id(cls) in bases:
            continue
        call = Call(Where(cls.text, cls.node))
        initialise = cls.find("__init__")
        if initialise is not None and hasattr(initialise, "node"):
            call = Call(Where(cls.text, initialise.node))
        with _share_of_the_steps(run, call.where):
            made = classes.instantiate(run, cls, call)
            if isinstance(made, Instance):
                instances[id(cls)] = made
    for cls in list(run.classes):
        for method in classes.methods_of(cls):
            if id(method.node) in run.entered or method.name.startswith("__") or not _worthwhile(run, method.node):
                continue
            receiver = instances.get(id(cls)) or classes.latest_instance(run, cls)
            run.uncalled = id(method.node)
            run.owners[id(method.node)] = cls.node
            run.no_grad = method.name in EVALUATION_METHODS
            with _share_of_the_steps(run, method.where):
                calls.with_unknowns(run, method, receiver or Instance(cls))
            run.no_grad = False
    for function in list(run.functions):
        if id(function.node) in run.entered or function.owner is not None or not _worthwhile(run, function.node):
            continue
        run.uncalled = id(function.node)
        run.owners[id(function.node)] = function.node
        with _share_of_the_steps(run, function.where):
            calls.with_unknowns(run, function)


@contextmanager
def _share_of_the_steps(run: Run, where: Where) -> Iterator[None]:
    """While something is entered that nothing calls: it may not take the steps of all that comes after it.

    Where its share does not suffice, that is told of what may train.
    """
    share = min(run.steps, SHARE)
    kept = run.steps - share
    run.steps = share
    try:
        yield
    except BudgetSpentError:
        if not kept:
            raise
        run.loops = 0
        run.turning.clear()
        if prefilter.names_training([where.node]):
            run.faults.append((where, CUT_SHORT))
    finally:
        run.steps = max(run.steps, 0) + kept


CUT_SHORT = "this function is longer than the static stage follows: what comes late in it was not read"


def _worthwhile(run: Run, node: ast.AST) -> bool:
    """Whether a function calls anything at all."""
    return run.project.syntax.of(node, [node], "whole").calls
