"""What tables keep in a run: each its own, of its own type, and none of another run's."""

from __future__ import annotations

from ae_audit.static.domain.stores import ByIdentity, ListsByIdentity, Store
from ae_audit.static.domain.values import Const
from ae_audit.static.interpreter.run import Run
from ae_audit.static.knowledge import registry_for
from ae_audit.static.source.projects import Project


def _run() -> Run:
    return Run(registry_for(b""), Project("program.py", None, None))


def test_each_run_and_each_store_has_its_own_content() -> None:
    first: Store[list[str]] = Store(list)
    second: Store[list[str]] = Store(list)
    one, other = _run(), _run()
    first.of(one).append("a")
    assert (first.of(one), first.of(other), second.of(one)) == (["a"], [], [])


def test_facts_of_equal_values_are_kept_apart_and_no_identity_comes_twice() -> None:
    known: ByIdentity[int] = ByIdentity()
    for number in range(100):
        known.put(Const("gone at once"), number)
    assert [fact for _, fact in known.items()] == list(range(100))
    kept = Const("kept")
    known.put(kept, 1)
    known.put(kept, 2)
    assert (known.get(kept), kept in known, known.get(Const("kept")), len(known)) == (2, True, None, 101)


def test_a_list_for_each_value() -> None:
    lists: ListsByIdentity[str] = ListsByIdentity()
    model = Const("model")
    assert lists.get(model) is None
    lists.add(model, "a")
    lists.of(model).append("b")
    assert lists.get(model) == ["a", "b"]
