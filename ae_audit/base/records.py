"""``dataclass``, ``field`` and ``replace`` as in the standard library, without their price at start-up.

A static audit defines a hundred frozen classes. The standard decorator compiles some eight functions for each, whether
anybody calls them or not, and imports :mod:`inspect` first: together more time than reading a program takes. Here
methods are shared between classes, and ``__init__`` is compiled when a class has made a dozen instances.

Classes made here pass for dataclasses: :func:`dataclasses.fields`, ``replace``, ``asdict`` and ``is_dataclass`` know
them.
Supported are the options ``frozen``, ``slots``, ``eq``, ``order`` and ``repr``, and fields with ``default``,
``default_factory``, ``compare``, ``repr``, ``init`` and ``metadata``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    import sys
    from operator import attrgetter

    _MISSING = type("_Missing", (), {"__repr__": lambda self: "<missing>"})()

    class _Field:
        __slots__ = ("compare", "default", "default_factory", "init", "metadata", "name", "repr", "type")

        def __init__(
            self, default=_MISSING, default_factory=_MISSING, compare=True, repr=True, init=True, metadata=None
        ):
            self.name = self.type = None
            self.default, self.default_factory = default, default_factory
            self.compare, self.repr, self.init, self.metadata = compare, repr, init, metadata

    def field(*, default=_MISSING, default_factory=_MISSING, compare=True, repr=True, init=True, metadata=None):
        """A field that is more than a name and a default."""
        return _Field(default, default_factory, compare, repr, init, metadata)

    def dataclass(cls=None, *, frozen=False, slots=False, eq=True, order=False, repr=True):
        """Make a class of fields, as :func:`dataclasses.dataclass` does."""

        def decorate(cls):
            return _made(cls, frozen, slots, eq, order, repr)

        return decorate if cls is None else decorate(cls)

    def replace(record, /, **changes):
        """A copy of ``record`` with some fields changed."""
        kind = type(record)
        fields = getattr(kind, "__record_fields__", None)
        if fields is None:
            from dataclasses import replace as standard_replace

            return standard_replace(record, **changes)
        copier = kind.__dict__.get("__record_copier__") or _Copier(kind, fields)
        if not copier.plain:
            for name, entry in fields.items():
                if entry.init:
                    if name not in changes:
                        changes[name] = getattr(record, name)
                elif name in changes:
                    raise ValueError(f"field {name} is declared with init=False, it cannot be specified with replace()")
            return kind(**changes)
        made = copier.copy(record)
        for name, value in changes.items():
            if name not in copier.putters:
                raise TypeError(f"{kind.__name__} has no field {name!r}")
            copier.putters[name](made, value)
        if copier.check is not None:
            copier.check(made)
        return made

    class _Copier:
        """What ``replace`` needs of a class: how to copy a record, to set each field, and to check the whole."""

        __slots__ = ("check", "copies", "copy", "kind", "plain", "putters")

        def __init__(self, kind, fields):
            self.kind, self.copies, self.copy = kind, 0, self.slowly
            self.putters = {name: getattr(getattr(kind, name, None), "__set__", None) for name in fields}
            self.plain = None not in self.putters.values() and all(entry.init for entry in fields.values())
            self.check = getattr(kind, "__post_init__", None)
            type.__setattr__(kind, "__record_copier__", self)

        def slowly(self, record):
            """A copy; the method that makes the next ones is compiled once that pays."""
            self.copies += 1
            if self.copies > _RARE:
                given = {f"_put{index}": put for index, put in enumerate(self.putters.values())}
                lines = "\n  ".join(f"_put{index}(made, record.{name})" for index, name in enumerate(self.putters))
                body = f" def copy(record):\n  made = _new(_kind)\n  {lines}\n  return made\n return copy"
                namespace = {}
                exec(f"def make(_new, _kind, {', '.join(given)}):\n{body}", {}, namespace)
                self.copy = namespace["make"](self.kind.__new__, self.kind, **given)
            made = self.kind.__new__(self.kind)
            for name, put in self.putters.items():
                put(made, getattr(record, name))
            return made

    def _made(cls, frozen, slots, eq, order, repr):
        body = dict(cls.__dict__)
        own = _own_fields(cls, body, slots)
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("__record_fields__", {}))
        inherited = set(fields)
        fields.update(own)
        body["__record_fields__"] = fields
        body["__dataclass_fields__"] = _STANDARD_FIELDS
        body["__dataclass_params__"] = _Parameters(frozen, eq, order, repr)
        body.setdefault("__match_args__", tuple(name for name, entry in fields.items() if entry.init))
        body["__record_key__"] = _key([name for name, entry in fields.items() if entry.compare])
        body.setdefault("__init__", _LazyInit(fields, frozen))
        if repr:
            body.setdefault("__repr__", _repr)
        if eq:
            body.setdefault("__eq__", _eq)
            if body.get("__hash__") is None:  # absent, or None because the body defines __eq__ alone
                body["__hash__"] = _hash if frozen else None
        if order:
            body.update(__lt__=_lt, __le__=_le, __gt__=_gt, __ge__=_ge)
        if frozen:
            body.update(__setattr__=_refuse_to_set, __delattr__=_refuse_to_delete)
        if slots:
            body["__slots__"] = tuple(name for name in own if name not in inherited)
            if frozen:
                body.setdefault("__getstate__", _getstate)
                body.setdefault("__setstate__", _setstate)
        body.pop("__dict__", None)
        body.pop("__weakref__", None)
        made = type(cls)(cls.__name__, cls.__bases__, body)
        made.__qualname__ = cls.__qualname__
        return made

    def _own_fields(cls, body, slots):
        fields = {}
        for name, annotation in cls.__annotations__.items():
            if "ClassVar" in str(annotation):
                continue
            default = body.pop(name, _MISSING)
            entry = default if isinstance(default, _Field) else _Field(default)
            entry.name, entry.type = name, annotation
            fields[name] = entry
            if not slots and entry.default is not _MISSING:
                body[name] = entry.default
        return fields

    _RARE = 12

    class _LazyInit:
        """Stands for ``__init__`` until the class has made so many instances that compiling one pays."""

        __slots__ = ("fields", "frozen", "made", "owner")

        def __init__(self, fields, frozen):
            self.fields, self.frozen, self.made = fields, frozen, 0

        def __set_name__(self, owner, name):
            self.owner = owner

        def __get__(self, instance, owner=None):
            self.made += 1
            asked = instance is None or not isinstance(instance, self.owner)  # by inspect, for the signature
            if asked or self.made > _RARE:
                init = self.compiled()
                return init if instance is None else init.__get__(instance)
            return lambda *args, **kwargs: self.fill(instance, args, kwargs)

        def compiled(self):
            init = _compiled_init(self.owner, self.fields, self.frozen)
            type.__setattr__(self.owner, "__init__", init)
            return init

        def fill(self, instance, args, kwargs):
            """What the compiled ``__init__`` does; arguments that do not fit are left to it, for its message."""
            put, given = object.__setattr__, iter(args)
            used = 0
            for name, entry in self.fields.items():
                value = next(given, _MISSING) if entry.init else _MISSING
                if value is not _MISSING:
                    if name in kwargs:
                        return self.compiled()(instance, *args, **kwargs)
                elif entry.init and name in kwargs:
                    value = kwargs[name]
                    used += 1
                elif entry.default is not _MISSING:
                    value = entry.default
                elif entry.default_factory is not _MISSING:
                    value = entry.default_factory()
                elif entry.init:
                    return self.compiled()(instance, *args, **kwargs)
                else:
                    continue
                put(instance, name, value)
            if used < len(kwargs) or next(given, _MISSING) is not _MISSING:
                return self.compiled()(instance, *args, **kwargs)
            if hasattr(self.owner, "__post_init__"):
                instance.__post_init__()
            return None

    def _compiled_init(cls, fields, frozen):
        given = {"_set": object.__setattr__, "_missing": _MISSING}
        parameters, lines = [], []
        for index, (name, entry) in enumerate(fields.items()):
            value = name
            if entry.default is not _MISSING:
                given[f"_default{index}"] = entry.default
                parameters += [f"{name}=_default{index}"] if entry.init else []
                value = name if entry.init else f"_default{index}"
            elif entry.default_factory is not _MISSING:
                given[f"_make{index}"] = entry.default_factory
                parameters += [f"{name}=_missing"] if entry.init else []
                value = f"_make{index}() if {name} is _missing else {name}" if entry.init else f"_make{index}()"
            elif entry.init:
                parameters.append(name)
            else:
                continue
            put = getattr(getattr(cls, name, None), "__set__", None) if frozen else None
            if put is not None:  # the slot's own setter costs half of object.__setattr__
                given[f"_put{index}"] = put
                lines.append(f"_put{index}(_self, {value})")
            else:
                lines.append(f"_set(_self, {name!r}, {value})" if frozen else f"_self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append("_self.__post_init__()")
        body = "\n  ".join(lines or ["pass"])
        signature = ", ".join(["_self", *parameters])
        source = f"def make({', '.join(given)}):\n def __init__({signature}):\n  {body}\n return __init__"
        namespace = {}
        exec(source, vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}, namespace)
        init = namespace["make"](**given)
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        init.__annotations__ = {name: entry.type for name, entry in fields.items() if entry.init} | {"return": None}
        return init

    def _key(names):
        """What instances are compared by: a tuple of their fields."""
        if len(names) > 1:
            return staticmethod(attrgetter(*names))
        return staticmethod(lambda record: tuple(getattr(record, name) for name in names))

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        key = self.__record_key__
        return key(self) == key(other)

    def _hash(self):
        return hash(self.__record_key__(self))

    def _ordering(name):
        def compare(self, other):
            if other.__class__ is not self.__class__:
                return NotImplemented
            key = self.__record_key__
            return getattr(key(self), name)(key(other))

        compare.__name__ = name
        return compare

    _lt, _le, _gt, _ge = map(_ordering, ("__lt__", "__le__", "__gt__", "__ge__"))

    def _repr(self):
        shown = (f"{name}={getattr(self, name)!r}" for name, entry in self.__record_fields__.items() if entry.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _refuse_to_set(self, name, value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in self.__record_fields__]

    def _setstate(self, state):
        for name, value in zip(self.__record_fields__, state, strict=True):
            object.__setattr__(self, name, value)

    class _Parameters:
        """What the standard library asks of the bases of its own dataclasses."""

        __slots__ = ("eq", "frozen", "order", "repr")

        def __init__(self, frozen, eq, order, repr):
            self.frozen, self.eq, self.order, self.repr = frozen, eq, order, repr

    class _StandardFields:
        """``__dataclass_fields__``, made when somebody asks for it."""

        def __get__(self, instance, owner):
            import dataclasses

            standard = {}
            for name, entry in owner.__record_fields__.items():
                options = {"compare": entry.compare, "repr": entry.repr, "init": entry.init, "kw_only": False}
                options["metadata"] = entry.metadata
                if entry.default is not _MISSING:
                    options["default"] = entry.default
                if entry.default_factory is not _MISSING:
                    options["default_factory"] = entry.default_factory
                made = standard[name] = dataclasses.field(**options)
                made.name, made.type, made._field_type = name, entry.type, dataclasses._FIELD
            return standard

    _STANDARD_FIELDS = _StandardFields()
