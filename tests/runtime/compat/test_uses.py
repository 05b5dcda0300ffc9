"""Who is answered, and what the report says: on modules made for it, without a framework."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.compat.arguments import DROPPED, Argument, take_old_arguments
from ae_audit.runtime.compat.keras_arguments import KERAS_1
from ae_audit.runtime.compat.names import OldNames
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

Run = Callable[[str], tuple[dict[str, Any], tuple[str, ...]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a program beside a library ``shop`` that has renamed most of what it had; its names and the notes."""
    shop = types.ModuleType("shop")
    shop.__path__ = []  # type: ignore[attr-defined]
    shop.till = types.ModuleType("shop.till")  # type: ignore[attr-defined]
    shop.till.pay = lambda amount, currency="EUR": (amount, currency)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "shop.till", shop.till)
    finders = list(sys.meta_path)

    def program(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        path = tmp_path / "program.py"
        path.write_text(text)
        uses = Uses(path)
        names = OldNames(ImportWatch(lambda name, error: None), uses)
        names.module("shop.counter", "shop.till")
        names.names("shop", {"purse": "shop.till:pay"})
        names.names("shop.counter", {"cash": "shop.till:pay"})
        take_old_arguments(
            shop.till,
            "pay",
            {"money": "currency", "loudly": DROPPED, "on_credit": Argument(None, only=lambda value: not value)},
            uses,
            shown="shop.till.pay",
            library="shop",
        )
        names.install()
        spec = importlib.util.spec_from_file_location("program", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        finally:
            sys.modules.pop("shop.counter", None)
        return vars(module), uses.notes

    yield program
    sys.meta_path[:] = finders


def test_names_modules_and_arguments_are_answered_and_told_with_their_places(run: Run) -> None:
    found, notes = run(
        "import shop\n"
        "from shop import counter\n"
        "from shop.counter import cash, pay\n"
        "one, two = shop.purse(1), shop.purse(2)\n"
        "three = pay(3, money='GBP', loudly=True)\n"
        "four = shop.purse(4)\n"
    )
    assert found["three"] == (3, "GBP")
    assert found["cash"] is found["pay"]
    assert notes == (
        "line 2: shop.counter is gone from shop; shop.till stood in for it",
        "line 3: shop.counter.cash is gone from shop; shop.till.pay stood in for it",
        "line 4, line 6: shop.purse is gone from shop; shop.till.pay stood in for it",
        "line 5: shop.till.pay(money=…) is gone from shop; currency= was given",
        "line 5: shop.till.pay(loudly=…) is gone from shop; it was left out, as it does not change what is trained",
    )


def test_a_program_that_asks_whether_a_name_is_there_is_told_the_truth(run: Run) -> None:
    found, notes = run(
        "import importlib.util, shop\n"
        "there = hasattr(shop, 'purse'), getattr(shop, 'purse', None), importlib.util.find_spec('shop.counter')\n"
        "try:\n"
        "    from shop.counter import pay\n"
        "except ImportError:\n"
        "    pay = 'my own'\n"
        "try:\n"
        "    shop.till.pay(1, loudly=True)\n"
        "except (TypeError, KeyError):\n"
        "    quiet = True\n"
    )
    assert found["there"] == (False, None, None)
    assert found["pay"] == "my own"
    assert found["quiet"]
    assert notes == ()


def test_a_name_is_answered_where_the_program_only_gives_a_value_for_data_that_it_cannot_use(run: Run) -> None:
    found, notes = run(
        "import shop\n"
        "def paid(amount):\n"
        "    try:\n"
        "        return shop.purse(amount)\n"
        "    except:\n"
        "        return None\n"
        "def asked(amount):\n"
        "    try:\n"
        "        return shop.purse(amount)\n"
        "    except Exception:\n"
        "        return shop.till.pay(amount, 'USD')\n"
        "one, two = paid(1), asked(2)\n"
    )
    assert (found["one"], found["two"]) == ((1, "EUR"), (2, "USD"))
    assert notes == ("line 4: shop.purse is gone from shop; shop.till.pay stood in for it",)


def test_what_has_another_meaning_is_refused_as_ever(run: Run) -> None:
    with pytest.raises(TypeError, match="on_credit"):
        run("import shop\nshop.till.pay(1, on_credit=True)\n")
    with pytest.raises(AttributeError, match="no attribute 'wallet'"):
        run("import shop\nshop.wallet\n")
    assert run("import shop\nfree = shop.till.pay(1, on_credit=False)\n")[0]["free"] == (1, "EUR")


def test_only_what_keras_1_alone_was_given_makes_a_program_one_of_keras_1() -> None:
    assert all(
        map(KERAS_1.search, ["Conv2D(8, 3, 3, border_mode='same')", "fit(x, x, nb_epoch = 3)", "Model(input=x)"])
    )
    assert not any(map(KERAS_1.search, ["p = 0.5", "bias=False", "Model(inputs=x)", "nb_epoch == 3", "subsample=0.8"]))
