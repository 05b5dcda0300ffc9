"""The project's values as JSON and back, without trust.

What :func:`from_json` reads may come from a child process that ran a stranger's program. So it follows the *declared*
types alone: no class is looked up by a name in the data, nothing is unpickled, and whatever does not fit raises
:class:`Malformed` with the path to the field.

The form: a frozen dataclass is an object of all its fields with its class name under ``"type"``; a tuple is a list; an
enum is its value; an infinite or NaN float is ``{"float": "inf"}`` (a bare string would be taken for text where a field
may hold either); everything else is itself.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

_T = TypeVar("_T")
Decoder = Callable[[Any, str], Any]

TAG = "type"
_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Malformed(ValueError):
    """An object that does not have the form of the declared type; the text starts with the path to the field."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'value'}: {problem}")
        self.path = path
        self.problem = problem


def to_json(value: object) -> Any:
    """``value`` as objects that :func:`json.dumps` takes, even with ``allow_nan=False``.

    Raises:
        TypeError: for a value of a type that the project's dataclasses do not hold.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else {"float": str(number)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        record: dict[str, Any] = {TAG: type(value).__name__}
        for name in _field_names(type(value)):
            record[name] = to_json(getattr(value, name))
        return record
    raise TypeError(f"a value of type {type(value).__qualname__} has no JSON form here")


@overload
def from_json(kind: type[_T], data: object) -> _T: ...
@overload
def from_json(kind: Any, data: object) -> Any: ...
def from_json(kind: Any, data: object) -> Any:
    """The value of type ``kind`` that ``data`` (as :func:`json.loads` gives it) stands for.

    ``kind`` is a dataclass, an enum, ``bool``, ``int``, ``float``, ``str``, ``None``, a tuple, or a union of those.

    Raises:
        Malformed: if ``data`` does not have that form.
    """
    return _decoder(kind)(data, "")


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    names = tuple(field.name for field in dataclasses.fields(cls))
    if TAG in names:
        raise TypeError(f"{cls.__name__} has a field `{TAG}`, which the JSON form keeps for the class name")
    return names


@cache
def _decoder(kind: Any) -> Decoder:
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin = get_origin(kind)
    if origin is tuple:
        return _tuple_decoder(get_args(kind))
    if origin in {Union, types.UnionType}:
        return _union_decoder(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_decoder(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass_decoder(kind)
    raise TypeError(f"{kind!r} has no JSON form here")


def _none(data: Any, path: str) -> None:
    if data is not None:
        raise Malformed(path, f"null expected, got {_shown(data)}")


def _bool(data: Any, path: str) -> bool:
    if not isinstance(data, bool):
        raise Malformed(path, f"true or false expected, got {_shown(data)}")
    return data


def _int(data: Any, path: str) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise Malformed(path, f"an integer expected, got {_shown(data)}")
    return data


def _str(data: Any, path: str) -> str:
    if not isinstance(data, str):
        raise Malformed(path, f"a text expected, got {_shown(data)}")
    return data


def _float(data: Any, path: str) -> float:
    if isinstance(data, dict) and len(data) == 1:
        name = data.get("float")
        if isinstance(name, str) and name in _NON_FINITE:
            return _NON_FINITE[name]
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise Malformed(path, f"a number expected, got {_shown(data)}")
    try:
        number = float(data)
    except OverflowError:
        raise Malformed(path, "a number too large for a float") from None
    if not math.isfinite(number):
        raise Malformed(path, 'a bare infinity or NaN; it is written {"float": "inf"}')
    return number


_SCALARS: dict[Any, Decoder] = {
    None: _none,
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
}


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _decoder(arguments[0])

        def many(data: Any, path: str) -> tuple[Any, ...]:
            return tuple(item(element, f"{path}[{i}]") for i, element in enumerate(_list(data, path)))

        return many
    items = tuple(_decoder(argument) for argument in arguments)

    def fixed(data: Any, path: str) -> tuple[Any, ...]:
        elements = _list(data, path)
        if len(elements) != len(items):
            raise Malformed(path, f"{len(items)} elements expected, got {len(elements)}")
        return tuple(
            item(element, f"{path}[{i}]") for i, (item, element) in enumerate(zip(items, elements, strict=True))
        )

    return fixed


def _list(data: Any, path: str) -> list[Any]:
    if not isinstance(data, list):
        raise Malformed(path, f"a list expected, got {_shown(data)}")
    return data


def _enum_decoder(kind: type[Enum]) -> Decoder:
    members = {member.value: member for member in kind}

    def decode(data: Any, path: str) -> Enum:
        if not isinstance(data, (str, int)) or isinstance(data, bool) or data not in members:
            raise Malformed(path, f"one of {', '.join(map(repr, members))} expected, got {_shown(data)}")
        return members[data]

    return decode


def _dataclass_decoder(cls: Any) -> Decoder:
    hints = get_type_hints(cls)
    names = _field_names(cls)
    expected = {TAG, *names}
    decoders: dict[str, Decoder] = {}  # filled at first use: a class may hold itself

    def decode(data: Any, path: str) -> Any:
        if not isinstance(data, dict):
            raise Malformed(path, f"an object of type {cls.__name__} expected, got {_shown(data)}")
        if data.get(TAG) != cls.__name__:
            raise Malformed(path, f"an object of type {cls.__name__} expected, got type {_shown(data.get(TAG))}")
        if data.keys() != expected:
            missing, unknown = expected - data.keys(), data.keys() - expected
            raise Malformed(
                path,
                f"missing field {sorted(missing)[0]}" if missing else f"unknown field {sorted(map(str, unknown))[0]}",
            )
        if not decoders:
            decoders.update({name: _decoder(hints[name]) for name in names})
        prefix = f"{path}." if path else ""
        values = {name: decoders[name](data[name], f"{prefix}{name}") for name in names}
        try:
            return cls(**values)
        except ValueError as error:
            raise Malformed(path, str(error)) from None

    return decode


def _union_decoder(arguments: tuple[Any, ...]) -> Decoder:
    """Picks the member by the kind of the JSON value alone, and among dataclasses by the tag."""
    by_kind: dict[type, Decoder] = {}
    by_tag: dict[str, Decoder] = {}
    for argument in arguments:
        if isinstance(argument, type) and dataclasses.is_dataclass(argument):
            by_tag[argument.__name__] = _decoder(argument)
            continue
        kind = _json_kind(argument)
        if kind in by_kind:
            raise TypeError(f"two members of the union {arguments!r} have the same JSON form")
        by_kind[kind] = _decoder(argument)
    wanted = ", ".join([*by_tag, *(getattr(kind, "__name__", "null") for kind in by_kind)])

    def decode(data: Any, path: str) -> Any:
        if isinstance(data, dict):
            if float in by_kind and TAG not in data:
                return by_kind[float](data, path)
            tag = data.get(TAG)
            if isinstance(tag, str) and tag in by_tag:
                return by_tag[tag](data, path)
        elif type(data) in by_kind:
            return by_kind[type(data)](data, path)
        elif type(data) is int and float in by_kind:
            return by_kind[float](data, path)
        raise Malformed(path, f"one of {wanted} expected, got {_shown(data)}")

    return decode


def _json_kind(argument: Any) -> type:
    if argument is None or argument is type(None):
        return type(None)
    if argument in {bool, int, float, str}:
        return argument  # type: ignore[no-any-return]
    if get_origin(argument) is tuple:
        return list
    if isinstance(argument, type) and issubclass(argument, Enum):
        return str
    raise TypeError(f"{argument!r} cannot be a member of a union here")


def _shown(data: object) -> str:
    text = repr(data) if isinstance(data, (str, int, float, type(None))) else type(data).__name__
    return text if len(text) <= 60 else text[:57] + "..."
