"""Whether a hand-written torch loop resets its gradients: told from the syntax of the whole program.

A call may reset them in a helper, a closure or a trainer class. So what counts is all that can run between two steps of
a loop: its body, the program's own functions that it calls, and those that call the function which holds it. A reset in
another loop acquits nobody, and one of another optimizer, or of another network, not this one.
"""

from __future__ import annotations

import ast
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator

from ae_audit.base.records import dataclass, field, replace
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, TrainingSetup
from ae_audit.static.source.sources import Text, Where
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.source.projects import Program

_RESETTING = ("zero_grad", ".grad", "requires_grad_(False)")
_FOREIGN = (
    "lightning",
    "ignite",
    "fastai",
    "skorch",
    "deepspeed",
    "transformers",
    "dist_autograd",
    "distributed.autograd",
)
"""loops of others, which reset gradients themselves"""
_LIBRARIES = frozenset(
    {"torch", "torchvision", "torchaudio", "numpy", "tqdm", "matplotlib", "PIL", "sklearn", "pandas", "scipy", "cv2",
     "wandb", "tensorboardX", "einops"}
)  # fmt: skip
"""packages that reset nobody's gradients"""
_PARTS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.While, ast.AsyncFor)
_LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop, ast.alias)
"""hold nothing that is asked for"""


def told(setups: tuple[TrainingSetup, ...], program: Program) -> tuple[TrainingSetup, ...]:
    """The set-ups with ``gradients_reset`` and ``backward_location`` filled in where they are torch's."""
    if not any(setup.framework is Framework.TORCH for setup in setups):
        return setups
    if not any("backward" in text.source for text, _ in program.units):
        return setups
    walk = _Walk(program)
    loops = list(_training_loops(program, walk))
    if not loops:
        return setups
    texts = [text.source for text, _ in program.units]
    if any(word in text for text in texts for word in _FOREIGN):
        return setups
    resets_somewhere = any(word in text for text in texts for word in _RESETTING)
    if not resets_somewhere:
        place = loops[0].backwards[0]
        reset = Tri.NO if any(loop.steps for loop in loops) else Tri.UNKNOWN
        return tuple(_with(setup, reset, place) for setup in setups)
    accused = dict(_accused(loops, walk, setups))
    first = loops[0].backwards[0]
    return tuple(
        _with(setup, Tri.NO, accused[index]) if index in accused else _with(setup, Tri.YES, first)
        for index, setup in enumerate(setups)
    )


def _with(setup: TrainingSetup, reset: Tri, place: Location) -> TrainingSetup:
    if setup.framework is not Framework.TORCH:
        return setup
    return replace(setup, gradients_reset=reset, backward_location=place)


_Part = tuple[Text, ast.AST]
_Functions = dict[str, list[_Part]]


@dataclass(slots=True)
class _Loop:
    """A loop in which gradients are computed, and what can run between two of its steps."""

    text: Text
    node: ast.AST
    region: list[_Part] = field(default_factory=list)
    backwards: list[Location] = field(default_factory=list)
    steps: list[tuple[str, ast.Call]] = field(default_factory=list)
    """receiver and call of each ``….step()``"""
    foreign: bool = False
    """whether a function out of reach is called in it"""


def _training_loops(program: Program, walk: _Walk) -> Iterator[_Loop]:
    """The outermost loops that compute gradients themselves, or in a function that they call."""
    functions, outside = walk.functions(), walk.from_elsewhere()
    for text, tree in program.units:
        for node, holder in _outermost_loops(tree):
            loop = _Loop(text, node)
            loop.region = _region((text, node), holder, functions, walk)
            for home, part in loop.region:
                for call in walk.calls(part):
                    name = _name(call.func)
                    if name == "backward":
                        loop.backwards.append(Where(home, call).location)
                    elif name == "step" and isinstance(call.func, ast.Attribute):
                        loop.steps.append((ast.unparse(call.func.value), call))
                    elif isinstance(call.func, ast.Name) and name in outside:
                        loop.foreign = True
            if loop.backwards:
                yield loop


def _accused(loops: Iterable[_Loop], walk: _Walk, setups: tuple[TrainingSetup, ...]) -> Iterator[tuple[int, Location]]:
    """The set-ups whose optimizer's gradients are never reset in its loop, with the place of their gradients."""
    optimizers, functions = _optimizers(walk), walk.functions()
    for loop in loops:
        if loop.foreign:
            continue
        resets = _resets(loop.region, walk)
        if resets is None:
            continue
        for name, step in loop.steps:
            if name not in optimizers:
                continue
            turn = None if _left_alone(name, resets, optimizers) else _turn(loop, step, functions, walk)
            if turn is not None:
                resets_each_turn = _resets(turn, walk)
                if resets_each_turn is None or not _left_alone(name, resets_each_turn, optimizers):
                    continue
            elif not _left_alone(name, resets, optimizers):
                continue
            before = [place for place in loop.backwards if place.line <= step.lineno]
            place = max(before, key=lambda one: one.line, default=None)
            lines = range(getattr(loop.node, "lineno", 0), step.lineno + 1)
            candidates = [
                (setup.location.line, index) for index, setup in enumerate(setups)
                if place is not None and setup.framework is Framework.TORCH and setup.location.path == place.path
                and setup.location.cell == place.cell and setup.location.line in lines
                and setup.location.line <= place.line
            ]  # fmt: skip
            if place is not None and candidates:
                yield max(candidates)[1], place


def _turn(loop: _Loop, step: ast.Call, functions: _Functions, walk: _Walk) -> list[_Part] | None:
    """What can run from one step to the next where a loop inside this one takes both gradients and steps.

    A reset that the outer loop does before it comes once an epoch. None where there is no such loop inside, or where a
    generator hands its turns on to somebody who may do anything.
    """
    inside = [
        node for node in ast.walk(loop.node)
        if isinstance(node, (ast.For, ast.While, ast.AsyncFor)) and node is not loop.node
        and any(part is step for part in walk.calls(node))
        and any(_name(call.func) == "backward" for call in walk.calls(node))
        and not any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node))
    ]  # fmt: skip
    return _region((loop.text, inside[-1]), None, functions, walk) if inside else None


def _left_alone(name: str, resets: list[str], optimizers: dict[str, frozenset[str]]) -> bool:
    """Whether none of ``resets`` (what ``zero_grad()`` is called on) reaches the weights of an optimizer."""
    mine = optimizers[name]
    if not mine:
        return not resets
    for receiver in resets:
        if receiver == name:
            return False
        reached = optimizers.get(receiver, frozenset({receiver}))
        known = receiver in optimizers or any(receiver in networks for networks in optimizers.values())
        if not reached or not known or any(_overlap(one, other) for one in mine for other in reached):
            return False
    return True


def _overlap(one: str, other: str) -> bool:
    """Whether one network is the other or a part of it."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _optimizers(walk: _Walk) -> dict[str, frozenset[str]]:
    """The optimizers that the program makes once under a name of their own, with the networks whose weights they move.

    Empty where it is not plain whose weights those are.
    """
    found: dict[str, frozenset[str]] = {}
    twice: set[str] = set()
    for node in walk.assigned:
        assert isinstance(node.value, ast.Call)
        weights = node.value.args[:1] + [word.value for word in node.value.keywords if word.arg == "params"]
        if (_name(node.value.func) or "") not in _OPTIMIZERS and "optim" not in ast.unparse(node.value.func):
            continue
        name = ast.unparse(node.targets[0])
        if name in found:
            twice.add(name)
        found[name] = frozenset(_networks(weights[0])) if weights else frozenset()
    return {name: networks for name, networks in found.items() if name not in twice}


_OPTIMIZERS = frozenset({"Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "LBFGS"})


def _networks(weights: ast.AST) -> Iterator[str]:
    """What ``….parameters()`` is called on."""
    for call in _calls(weights):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"parameters", "named_parameters"}:
            yield ast.unparse(call.func.value)


def _resets(region: Iterable[_Part], walk: _Walk) -> list[str] | None:
    """What ``zero_grad()`` is called on; None where gradients are also reset in another way."""
    receivers: list[str] = []
    for _, part in region:
        if any(ast.unparse(node.value) not in {"torch.autograd", "autograd"} for node in walk.grads(part)):
            return None
        for call in walk.calls(part):
            name = _name(call.func)
            if name == "zero_grad" and isinstance(call.func, ast.Attribute):
                receivers.append(ast.unparse(call.func.value))
            elif name in {"zero_grad", "requires_grad_"}:
                return None
    return receivers


class _Walk:
    """One walk through a program: what is asked of its loops and functions is found without another."""

    def __init__(self, program: Program) -> None:
        self.assigned: list[ast.Assign] = []
        """calls under a name of their own"""
        self._imports: list[ast.ImportFrom] = []
        self._functions: list[tuple[int, int, str, _Part]] = []
        self._spans: dict[ast.AST, tuple[int, int]] = {}
        """of loops and functions: places of the first node in them, and of the first one behind them"""
        self._calls: list[tuple[int, int, ast.Call]] = []
        """place, depth, call; in the order of places"""
        self._grads: list[tuple[int, int, ast.Attribute]] = []
        self._within: dict[ast.AST, tuple[ast.Call, ...]] = {}
        place = 0
        for text, tree in program.units:
            place = self._through(text, tree, place) + 1

    def _through(self, text: Text, tree: ast.AST, place: int) -> int:
        open_parts: list[tuple[int, ast.AST, int]] = []
        waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
        while waiting:
            node, depth = waiting.pop()
            place += 1
            while open_parts and open_parts[-1][0] >= depth:
                _, part, start = open_parts.pop()
                self._spans[part] = (start, place)
            if isinstance(node, ast.Call):
                self._calls.append((place, depth, node))
            elif isinstance(node, ast.Attribute):
                if node.attr == "grad":
                    self._grads.append((place, depth, node))
            elif isinstance(node, _PARTS):
                open_parts.append((depth, node, place))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self._functions.append((depth, place, node.name, (text, node)))
            elif isinstance(node, ast.ImportFrom):
                self._imports.append(node)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
                self.assigned.append(node)
            inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _LEAVES)]
            waiting.extend((child, depth + 1) for child in reversed(inner))
        for _, part, start in open_parts:
            self._spans[part] = (start, place + 1)
        return place

    def calls(self, part: ast.AST) -> tuple[ast.Call, ...]:
        """The calls in a loop or function, the outer ones first."""
        known = self._within.get(part)
        if known is None:
            found = self._between(self._calls, part)
            found.sort(key=lambda one: (one[1], one[0]))
            known = self._within[part] = tuple(call for _, _, call in found)
        return known

    def grads(self, part: ast.AST) -> list[ast.Attribute]:
        """The attributes ``grad`` in a loop or function."""
        return [node for _, _, node in self._between(self._grads, part)]

    def _between(self, nodes: list[tuple[int, int, Any]], part: ast.AST) -> list[tuple[int, int, Any]]:
        start, end = self._spans[part]
        return nodes[bisect_left(nodes, (start,)) : bisect_left(nodes, (end,))]

    def functions(self) -> _Functions:
        """The functions and methods of the file, by name, the outer ones first."""
        found: _Functions = {}
        for _, _, name, part in sorted(self._functions, key=lambda one: one[:2]):
            found.setdefault(name, []).append(part)
        return found

    def from_elsewhere(self) -> frozenset[str]:
        """The names that the file imports from modules that may be the program's own."""
        names: set[str] = set()
        for node in self._imports:
            root = (node.module or "").partition(".")[0]
            if node.level or (root not in _LIBRARIES and root not in sys.stdlib_module_names):
                names.update(alias.asname or alias.name for alias in node.names)
        return frozenset(names)


def _region(loop: _Part, holder: ast.AST | None, functions: _Functions, walk: _Walk) -> list[_Part]:
    """All that can run between two steps of a loop in the function ``holder``, as far as it is in the file."""
    region = [loop, *(_callers(holder, functions, walk) if holder is not None else ())]
    waiting = list(region)
    while waiting:
        for call in walk.calls(waiting.pop()[1]):
            for part in functions.get(_name(call.func) or "", ()):
                if not any(part[1] is known for _, known in region):
                    region.append(part)
                    waiting.append(part)
    return region


def _callers(function: ast.AST, functions: _Functions, walk: _Walk) -> list[_Part]:
    """The functions of the file that call one that holds a loop: they may reset what it adds to."""
    name = getattr(function, "name", None)
    return [
        part for parts in functions.values() for part in parts
        if part[1] is not function and any(_name(call.func) == name for call in walk.calls(part[1]))
    ]  # fmt: skip


def _outermost_loops(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """Loops that are in no other one, each with the outermost function that holds it."""
    waiting: deque[tuple[ast.AST, ast.AST | None]] = deque([(tree, None)])
    while waiting:
        node, holder = waiting.popleft()
        if isinstance(node, (ast.For, ast.While, ast.AsyncFor)):
            yield node, holder
        elif not isinstance(node, ast.expr):  # which holds no statements
            inner = holder or (node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None)
            waiting.extend((child, inner) for child in ast.iter_child_nodes(node))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(function: ast.expr) -> str | None:
    """The last part of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None
