"""The tape: what a training step did, as a graph from its data to its loss that can be played again.

A node is one call in the user's own code: of a whole module, or of a torch function outside any module. What depends
neither on weights nor on chance is not recorded but kept by value where the rest of the graph needs it: a *leaf*.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from ae_audit.runtime.torch.functions import (
    CHOOSING,
    DETACHING,
    FORM_ONLY,
    LIKE_ANOTHER,
    RANDOM,
    short_name,
    writes_in_place,
)
from ae_audit.runtime.torch.nodes import Derived, Kind, Leaf, Lineage, Node, Ref
from ae_audit.runtime.torch.tensor_refs import IdentityMap, version

if TYPE_CHECKING:
    pass

DEEPEST_DERIVATION = 8
"""calls by which a tensor may be derived from data and still be told as that: a reshape, a scale, noise, a clip"""
DEEPEST_LINEAGE = 24
"""calls behind which is forgotten what data were made of, so that a loop over them keeps no chain without end"""
MOST_PARENTS = 8
"""tensors that a call may join for its result to be told as made of them"""


class Tape:
    """Writes nodes while the program runs.

    Args:
        on_opaque: told of a tensor that has a gradient but was made out of sight (inside a module).
    """

    def __init__(self, on_opaque: Callable[[torch.Tensor], None] = lambda _: None) -> None:
        self._refs: IdentityMap[tuple[Ref, int]] = IdentityMap()
        self._serial = itertools.count()
        self._on_opaque = on_opaque
        self.tick = 0
        """number of optimizer steps so far"""

    def kind(self, tensor: torch.Tensor) -> Kind:
        if is_live(tensor):
            return Kind.MODEL
        entry = self._refs.get(tensor)
        if entry is not None:
            return entry[0].source.kind
        return Kind.MODEL if tensor.requires_grad else Kind.DATA

    def concerns(self, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        """Whether any argument depends on weights or on chance."""
        for value in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(value, torch.Tensor):
                if self.kind(value) is not Kind.DATA:
                    return True
            elif isinstance(value, (tuple, list)) and self.concerns(value, {}):
                return True
        return False

    def ref(self, tensor: torch.Tensor) -> Ref:
        """The place of a tensor in the graph; a leaf is made of what the graph does not hold."""
        entry = self._refs.get(tensor)
        now = version(tensor)
        if entry is not None:
            ref, then = entry
            if isinstance(ref.source, Leaf):
                if then == now:
                    ref.source.fill(tensor)
                    return ref
            elif not self._left_behind(ref.source, tensor, then != now):
                if ref.source.kind is Kind.NOISE and ref.source.sample is None and ref.index == 0:
                    ref.source.sample = tensor.detach()
                return ref
        leaf = Leaf()
        leaf.fill(tensor)
        if entry is None and tensor.requires_grad:
            leaf.opaque = True
            self._on_opaque(tensor)
        self._refs[tensor] = (ref := Ref(leaf)), now
        return ref

    def begin(self, call: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Node | None:
        """The node of a call that is about to run, or None if nothing is to be recorded. See :meth:`end`."""
        if not isinstance(call, torch.nn.Module) and short_name(call) in FORM_ONLY:
            return None
        leaves, spec = pytree.tree_flatten((tuple(args), kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        kind = max((self.kind(tensor) for tensor in tensors), default=Kind.DATA)
        if isinstance(call, torch.nn.Module):
            if any(True for _ in call.parameters()):
                kind = Kind.MODEL
        elif short_name(call) in RANDOM and short_name(call) not in CHOOSING:
            kind = max(kind, Kind.NOISE)
        elif short_name(call) in LIKE_ANOTHER and tensors:
            kind = self.kind(tensors[0])
        if kind is Kind.DATA and not isinstance(call, torch.nn.Module):
            return None
        if tensors and not isinstance(call, torch.nn.Module) and writes_in_place(call) and is_live(tensors[0]):
            return None
        leaves = [self.ref(leaf) if isinstance(leaf, torch.Tensor) and not is_live(leaf) else leaf for leaf in leaves]
        node = Node(next(self._serial), self.tick, call, leaves, spec)
        node.kind = kind
        return node

    def end(self, node: Node, args: Sequence[Any], result: Any, kwargs: dict[str, Any] | None = None) -> None:
        """Enter the results of the call into the graph."""
        if node.kind is Kind.DATA:
            return
        if node.in_place and args and isinstance(args[0], torch.Tensor):
            self._refs[args[0]] = Ref(node), version(args[0])
            node.shapes[0] = args[0].shape
        given = self._data_among((args, kwargs)) - {0} if node.is_module else set()
        for index, value in enumerate(pytree.tree_leaves(result)):
            if isinstance(value, torch.Tensor) and not is_live(value):
                if given and not value.requires_grad and _storage(value) in given:
                    continue  # a module that hands back its input, or a part of it: still data
                self._refs[value] = Ref(node, index), version(value)
                node.shapes[index] = value.shape

    def _data_among(self, arguments: Any) -> set[int]:
        """Where the values of the data lie that a call was given."""
        tensors = (leaf for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, torch.Tensor))
        return {_storage(tensor) for tensor in tensors if self.kind(tensor) is Kind.DATA}

    def derive(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        """Remember an elementwise calculation on data alone."""
        if not isinstance(result, torch.Tensor) or result.dim() == 0 or writes_in_place(function):
            return
        if any(isinstance(value, torch.Tensor) for value in kwargs.values()):
            return
        leaves: list[Any] = []
        for value in args:
            if not isinstance(value, torch.Tensor):
                leaves.append(value)
                continue
            leaves.append(self._known_leaf(value))
        derived = Derived(function, leaves, kwargs)
        leaf = Leaf(derived)
        if derived.depth <= DEEPEST_DERIVATION and leaf.depth <= DEEPEST_LINEAGE:
            self._refs[result] = Ref(leaf), version(result)

    def trace(self, function: Callable[..., Any], args: Sequence[Any], result: Any) -> None:
        """Remember of which data other data were made; ``function`` is none that :meth:`derive` takes."""
        if writes_in_place(function) or short_name(function) in FORM_ONLY:
            return
        given = [one for value in args for one in (value if isinstance(value, (list, tuple)) else (value,))]
        tensors = [value for value in given if isinstance(value, torch.Tensor) and not is_live(value)]
        if not tensors or len(tensors) > MOST_PARENTS:
            return
        lineage: Lineage | None = None
        for made in result if isinstance(result, (list, tuple)) else (result,):
            if not isinstance(made, torch.Tensor) or made.dim() == 0 or any(made is one for one in tensors):
                continue
            lineage = lineage or Lineage(short_name(function), [self._known_leaf(one) for one in tensors])
            leaf = Leaf(lineage)
            if leaf.depth <= DEEPEST_LINEAGE:
                leaf.stand_for(made)
                self._refs[made] = Ref(leaf), version(made)

    def _known_leaf(self, tensor: torch.Tensor) -> Any:
        """What holds a tensor of data in the graph; made where there is nothing yet."""
        entry = self._refs.get(tensor)
        if entry is None or entry[1] != version(tensor):
            leaf = Leaf()
            leaf.stand_for(tensor)
            entry = Ref(leaf), version(tensor)
            self._refs[tensor] = entry
        return entry[0].source

    def same(self, copy: torch.Tensor, original: torch.Tensor) -> None:
        """Let ``copy`` stand for ``original`` (a scaled loss, say)."""
        entry = self._refs.get(original)
        if entry is not None:
            self._refs[copy] = entry[0], version(copy)

    def _left_behind(self, node: Node, tensor: torch.Tensor, rewritten: bool) -> bool:
        """Whether a tensor without gradient is to be taken by value: made before the last step, or written to since."""
        if tensor.requires_grad:
            return False
        return rewritten or node.tick < self.tick


def _storage(tensor: torch.Tensor) -> int:
    """Where the values of a tensor lie; one number for all that look at the same memory, 0 where there is none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, or wrapped by torch.func
        return 0


def is_live(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a weight: it stays itself in the graph."""
    if type(tensor) is not torch.Tensor and isinstance(tensor, torch.nn.Parameter):
        return True
    return tensor.requires_grad and tensor.is_leaf


def ancestors(refs: Iterable[Ref]) -> list[Node]:
    """Every node that the tensors depend on, in the order in which they ran."""
    found: dict[int, Node] = {}
    stack = [ref.source for ref in refs]
    while stack:
        source = stack.pop()
        if isinstance(source, Node) and source.serial not in found:
            found[source.serial] = source
            stack.extend(ref.source for ref in source.refs())
    return [found[serial] for serial in sorted(found)]


def getting_gradients(root: Ref) -> frozenset[int]:
    """The serials of those nodes that gradients of ``root`` reach: none that ran without them, or was detached."""
    found: set[int] = set()
    stack = [root.source]
    while stack:
        source = stack.pop()
        if not isinstance(source, Node) or source.serial in found:
            continue
        if not source.with_grad or (not source.is_module and source.name in DETACHING):
            continue
        found.add(source.serial)
        stack.extend(ref.source for ref in source.refs())
    return frozenset(found)


def leaves_of(nodes: Iterable[Node]) -> list[Leaf]:
    """The leaves that the nodes start from, each once."""
    found: dict[int, Leaf] = {}
    for node in nodes:
        for ref in node.refs():
            if isinstance(ref.source, Leaf):
                found[id(ref.source)] = ref.source
    return list(found.values())


class Player:
    """Runs nodes again.

    Args:
        leaf_value: the value of a leaf as an argument of a node (at a place among its flattened arguments).
        perform: runs one node on its arguments; where None, its call is called.
    """

    def __init__(
        self,
        leaf_value: Callable[[Node, int, Leaf], torch.Tensor],
        perform: Callable[[Node, tuple[Any, ...], dict[str, Any]], Any] | None = None,
    ) -> None:
        self._leaf_value = leaf_value
        self._perform = perform or (lambda node, args, kwargs: node.call(*args, **kwargs))
        self._values: dict[int, list[Any]] = {}

    def run(self, nodes: Iterable[Node]) -> None:
        """Run what has not been run yet."""
        for node in nodes:
            if node.serial not in self._values:
                self._values[node.serial] = self._run(node)

    def value(self, ref: Ref) -> torch.Tensor:
        """The tensor of a ref whose node has run."""
        if isinstance(ref.source, Leaf):
            return plain_value(ref.source)
        value = self._values[ref.source.serial][ref.index]
        assert isinstance(value, torch.Tensor)
        return value

    def preset(self, ref: Ref, value: torch.Tensor) -> None:
        """Give a result instead of running its node."""
        assert isinstance(ref.source, Node)
        values = self._values.setdefault(ref.source.serial, [])
        values.extend([None] * (ref.index + 1 - len(values)))
        values[ref.index] = value

    def has(self, ref: Ref) -> bool:
        """Whether the value of a node's result is known by now."""
        values = self._values.get(ref.source.serial, []) if isinstance(ref.source, Node) else []
        return ref.index < len(values) and values[ref.index] is not None

    def put(self, ref: Ref, value: torch.Tensor) -> None:
        """Replace a result for the nodes that follow."""
        assert isinstance(ref.source, Node)
        self._values[ref.source.serial][ref.index] = value

    def arguments(self, node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """With which the node is called; what it depends on must have run."""
        flat: list[Any] = []
        for place, leaf in enumerate(node.leaves):
            if not isinstance(leaf, Ref):
                flat.append(leaf)
            elif isinstance(leaf.source, Leaf):
                flat.append(self._leaf_value(node, place, leaf.source))
            else:
                flat.append(self._values[leaf.source.serial][leaf.index])
        args, kwargs = pytree.tree_unflatten(flat, node.spec)
        return args, kwargs

    def _run(self, node: Node) -> list[Any]:
        args, kwargs = self.arguments(node)
        if node.in_place:
            args = (args[0].clone(), *args[1:])
        for parameter, with_grad in node.weights:
            if parameter.requires_grad is not with_grad:
                parameter.requires_grad_(with_grad)
        with ExitStack() as contexts:
            if not node.with_grad:
                contexts.enter_context(torch.no_grad())
            for device, dtype in node.autocast:
                contexts.enter_context(torch.autocast(device, dtype=dtype))
            result = self._perform(node, args, kwargs)
        if node.in_place and result is None:
            result = args[0]
        return list(pytree.tree_leaves(result))


def plain_value(leaf: Leaf) -> torch.Tensor:
    """The value that a leaf had when it was recorded."""
    if leaf.value is None:
        raise ValueError("a leaf that no node used has no value")
    return leaf.value


def rederived(leaf: Leaf, replace: Callable[[Leaf], torch.Tensor | None]) -> torch.Tensor | None:
    """The leaf's value where ``replace`` changes a leaf that it is derived from; None where nothing changes."""
    changed = replace(leaf)
    if changed is not None or leaf.derived is None:
        return changed
    args: list[Any] = []
    any_changed = False
    for part in leaf.derived.args:
        if not isinstance(part, Leaf):
            args.append(part)
            continue
        value = rederived(part, replace)
        any_changed = any_changed or value is not None
        value = part.value if value is None else value
        if value is None:
            return None
        args.append(value)
    if not any_changed:
        return None
    result = leaf.derived.function(*args, **leaf.derived.kwargs)
    assert isinstance(result, torch.Tensor)
    return result
