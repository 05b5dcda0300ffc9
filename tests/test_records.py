"""Records against the standard library's dataclasses: the same class body through both decorators."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from ae_audit.base import records

T = TypeVar("T")
STANDARD = SimpleNamespace(dataclass=dataclasses.dataclass, field=dataclasses.field, replace=dataclasses.replace)


def point(kit: Any) -> Any:
    @kit.dataclass(frozen=True, slots=True, order=True)
    class Point:
        """A place."""

        x: int
        y: int = 2
        tags: list[str] = kit.field(default_factory=list, compare=False, repr=False)
        kind: ClassVar[str] = "point"

        @property
        def total(self) -> int:
            return self.x + self.y

    return Point


def child(kit: Any) -> Any:
    @kit.dataclass(frozen=True, slots=True)
    class Base(Generic[T]):
        a: int
        b: str = "b"

    @kit.dataclass(frozen=True, slots=True)
    class Child(Base[int]):
        a: int = 7
        c: float = 0.5

        def __post_init__(self) -> None:
            if self.c < 0:
                raise ValueError("c is negative")

    return Child


def mutable(kit: Any) -> Any:
    @kit.dataclass(slots=True)
    class Counter:
        name: str
        count: int = kit.field(default=0, init=False)

    return Counter


def by_identity(kit: Any) -> Any:
    @kit.dataclass(slots=True, eq=False)
    class Node:
        name: str = "n"

    return Node


def open_class(kit: Any) -> Any:
    @kit.dataclass
    class Open:
        x: int = 1

    return Open


def own_methods(kit: Any) -> Any:
    @kit.dataclass(frozen=True, slots=True)
    class Own:
        x: int = 1

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    return Own


CLASSES: list[Callable[[Any], Any]] = [point, child, mutable, by_identity, open_class, own_methods]


@pytest.mark.parametrize("make", CLASSES)
def test_signature_fields_and_match_args(make: Callable[[Any], Any]) -> None:
    ours, theirs = make(records), make(STANDARD)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert ours.__match_args__ == theirs.__match_args__
    assert dataclasses.is_dataclass(ours)
    shown = [[(f.name, f.type, f.init, f.compare, f.repr) for f in dataclasses.fields(cls)] for cls in (ours, theirs)]
    assert shown[0] == shown[1]
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    assert (ours.__doc__ or "").startswith("A place.") == (theirs.__doc__ or "").startswith("A place.")
    assert hasattr(ours, "__slots__") == hasattr(theirs, "__slots__")


@pytest.mark.parametrize("kit", [records, STANDARD], ids=["ours", "standard"])
class TestBehaviour:
    def test_values(self, kit: Any) -> None:
        Point = point(kit)
        a = Point(1)
        assert (a.x, a.y, a.tags, a.kind, a.total) == (1, 2, [], "point", 3)
        assert repr(a).endswith("Point(x=1, y=2)")
        assert a == Point(1, 2, ["ignored"])
        assert hash(a) == hash(Point(x=1, y=2))
        assert a != Point(2)
        assert a != (1, 2)
        assert a < Point(1, 3) <= Point(1, 3)
        assert Point(3) > a >= Point(1)
        with pytest.raises(TypeError):
            a < 3  # noqa: B015
        assert Point(1).tags is not a.tags

    def test_wrong_arguments(self, kit: Any) -> None:
        Point = point(kit)
        with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'x'"):
            Point()
        with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'z'"):
            Point(1, z=3)

    def test_frozen(self, kit: Any) -> None:
        a = point(kit)(1)
        with pytest.raises(dataclasses.FrozenInstanceError):
            a.x = 3
        with pytest.raises(dataclasses.FrozenInstanceError):
            del a.x
        assert a.x == 1

    def test_inheritance_and_post_init(self, kit: Any) -> None:
        Child = child(kit)
        assert [f.name for f in dataclasses.fields(Child)] == ["a", "b", "c"]
        assert repr(Child()).endswith("Child(a=7, b='b', c=0.5)")
        assert not hasattr(Child(), "__dict__")
        with pytest.raises(ValueError, match="negative"):
            Child(c=-1)

    def test_replace_asdict_and_copies(self, kit: Any) -> None:
        a = point(kit)(1, tags=["t"])
        for replace in (kit.replace, records.replace, dataclasses.replace):
            b = replace(a, y=5)
            assert (b.x, b.y, b.tags) == (1, 5, ["t"])
        assert dataclasses.asdict(a) == {"x": 1, "y": 2, "tags": ["t"]}
        assert copy.copy(a) == copy.deepcopy(a) == a
        with pytest.raises((ValueError, TypeError), match="init=False"):
            kit.replace(mutable(kit)("n"), count=3)

    def test_mutable_and_identity(self, kit: Any) -> None:
        counter = mutable(kit)("n")
        counter.count += 1
        assert counter.count == 1
        with pytest.raises(TypeError):
            hash(counter)
        Node = by_identity(kit)
        assert Node() != Node()
        assert len({Node(), Node()}) == 2
        assert own_methods(kit)(1) == 3

    def test_matching(self, kit: Any) -> None:
        match point(kit)(4):
            case tuple():
                raise AssertionError
            case other:
                assert other.x == 4
        Point = point(kit)
        match Point(4, 5):
            case Point(x, y):
                assert (x, y) == (4, 5)


@records.dataclass(frozen=True, slots=True)
class Pickled:
    a: int
    b: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class StandardChild(Pickled):
    c: int = 3


def test_pickles() -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(Pickled(1, (2,)), protocol)) == Pickled(1, (2,))


def test_a_standard_dataclass_may_inherit() -> None:
    assert repr(StandardChild(1)) == "StandardChild(a=1, b=(), c=3)"


def test_importing_and_defining_costs_no_heavy_module() -> None:
    code = (
        "import sys; begun = set(sys.modules); from ae_audit.base.records import dataclass\n"
        "@dataclass(frozen=True, slots=True)\nclass A:\n x: 'int' = 1\n"
        "print(A(), *({'dataclasses', 'inspect', 'typing'} & set(sys.modules) - begun))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "A(x=1)\n"
