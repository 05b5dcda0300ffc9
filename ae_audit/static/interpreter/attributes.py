"""Attributes and elements: what ``value.name`` and ``for x in value`` give."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    OF,
    Array,
    Bound,
    Class,
    Const,
    Function,
    Instance,
    Library,
    Mapping,
    Module,
    Object,
    Seq,
    Super,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


def find(run: Run, value: Value, name: str) -> Value | None:
    """The attribute ``name`` of a value; None where nothing is known of it."""
    if isinstance(value, Library):
        return library_name(run, f"{value.name}.{name}")
    if isinstance(value, Module):
        return _of_module(run, value, name)
    if isinstance(value, Instance):
        return _of_instance(run, value, name)
    if isinstance(value, Class):
        found = value.find(name)
        if isinstance(found, Function) and found.decoration == "classmethod":
            return Bound(value, name, found)
        return found
    if isinstance(value, Super):
        return _of_super(run, value, name)
    if isinstance(value, Object) and name in value.attrs:
        return value.attrs[name]
    if isinstance(value, Unknown) and name in value.children:
        return value.children[name]
    if isinstance(value, Function) and name == "__name__":
        return Const(value.name)
    attribute = run.registry.attribute(value, name)
    if attribute is not None:
        return attribute(run, value)
    if run.registry.method(value, name) is not None:
        return Bound(value, name)
    return None


def known_to_tables(run: Run, name: str) -> Value | None:
    """What the tables know under a qualified name, in the library's own sources too: following these says no more."""
    public = run.registry.public(name)
    return None if public is None else library_name(run, public)


def _of_module(run: Run, value: Module, name: str) -> Value | None:
    known = known_to_tables(run, f"{value.name}.{name}")
    if known is not None and name not in value.scope.names:
        return known
    found = value.scope.own(name)
    if found is None and value.path is not None and value.path.endswith("__init__.py"):
        from ae_audit.static.interpreter.demand import module_at

        found = module_at(run, f"{value.name}.{name}", value.path)  # imported by whichever module
    return found


def library_name(run: Run, name: str) -> Value:
    """What a qualified name of a library stands for: a constant, or the name in its one spelling."""
    normal = run.registry.normalise(name)
    if normal != name and name.startswith(("tensorflow.keras", "tensorflow.python.keras", "tf_keras")):
        run.tf_keras = True
    if normal in run.registry.constants:
        constant = run.registry.constants[normal]
        return constant if isinstance(constant, Value) else Const(constant)
    return Library(normal)


def _of_instance(run: Run, value: Instance, name: str) -> Value | None:
    if name in value.attrs:
        return value.attrs[name]
    found = value.cls.find(name)
    if found is not None:
        if not isinstance(found, Function):
            return found
        if found.decoration == "property":
            return run.call(Bound(value, name, found), Call(found.where))
        if found.decoration == "staticmethod":
            return found
        return Bound(value.cls if found.decoration == "classmethod" else value, name, found)
    attribute = run.registry.attribute(value, name)
    if attribute is not None:
        return attribute(run, value)
    if run.registry.method(value, name) is not None:
        return Bound(value, name)
    if name == "__class__":
        return value.cls
    fallback = value.cls.find("__getattr__")
    if isinstance(fallback, Function):
        return run.call(Bound(value, "__getattr__", fallback), Call(fallback.where, [Const(name)]))
    return None


def _of_super(run: Run, value: Super, name: str) -> Value | None:
    lineage = value.receiver.cls.lineage() if isinstance(value.receiver, Instance) else value.owner.lineage()
    after = lineage[lineage.index(value.owner) + 1 :] if value.owner in lineage else value.owner.lineage()[1:]
    for cls in after:
        if name in cls.attrs:
            found = cls.attrs[name]
            return Bound(value.receiver, name, found) if isinstance(found, Function) else found
    if run.registry.method(value.receiver, name) is not None:
        return Bound(value.receiver, name)
    attribute = run.registry.attribute(value.receiver, name)
    return None if attribute is None else attribute(run, value.receiver)


def missing(run: Run, value: Value, name: str, where: Where | None) -> Value:
    """What stands for an attribute that nothing is known of."""
    if isinstance(value, Unknown):
        child = value.children.get(name)
        if child is None:
            if run.registry.methods.get(("array", name)) is not None:
                array = run.as_array(value)
                assert array is not None
                child = Bound(array, name)
            else:
                child = _part(value, value.reason, where)
            value.children[name] = child
        return child
    if isinstance(value, Tensor):
        return Unknown(f"the attribute `{name}` of a tensor", where)
    if isinstance(value, Instance) and f"_{name}" in value.attrs and _has_strangers(value):
        return value.attrs[f"_{name}"]  # by convention, what a property of a base out of reach returns
    if isinstance(value, (Object, Instance)):
        made = Unknown(f"the attribute `{name}` of {describe(value)}", where)
        value.attrs[name] = made
        return made
    return Unknown(f"the attribute `{name}` of {describe(value)}", where)


def _has_strangers(value: Instance) -> bool:
    """Whether a base of its class is not in reach: a class of the user's own in another file."""
    return any(isinstance(base, (Unknown, Library)) for cls in value.cls.lineage() for base in cls.bases)


def describe(value: Value) -> str:
    """A value in words, for a reason."""
    if isinstance(value, Object):
        return f"`{value.cls.rpartition('.')[2]}`"
    if isinstance(value, Instance):
        return f"an instance of `{value.cls.name}`"
    if isinstance(value, Library):
        return f"`{value.name}`"
    if isinstance(value, (Function, Class)):
        return f"`{value.name}`"
    if isinstance(value, Module):
        return f"the module `{value.name}`"
    if isinstance(value, Bound):
        return f"`{value.name}`"
    return type(value).__name__.lower()


def child(value: Unknown, key: object, reason: str | None = None) -> Value:
    """The part of an unknown that ``key`` names; always the same one."""
    found = value.children.get(key)
    if found is None:
        found = value.children[key] = _part(value, reason or value.reason, value.where)
    return found


def _part(whole: Unknown, reason: str, where: Where | None) -> Unknown:
    """A new part of ``whole``; where that was returned by a call, the part remembers which."""
    made = Unknown(reason, where)
    if "()" in whole.children:
        made.children[OF] = whole
    elif OF in whole.children:
        made.children[OF] = whole.children[OF]
    return made


def iterate(run: Run, value: Value, where: Where | None) -> tuple[list[Value], Value | None]:
    """The known elements of an iterable, and what stands for the others."""
    if isinstance(value, Seq):
        return list(value.items), value.rest
    if isinstance(value, Mapping):
        return [Const(key) for key in value.items], None if value.rest is None else Unknown("an unknown key", where)
    if isinstance(value, Const):
        if isinstance(value.value, (str, bytes)):
            return [Const(item) for item in value.value[:64]], None
        return [], Unknown("the elements of a constant", where)
    if isinstance(value, Array):
        return [], first_axis_removed(value)
    if isinstance(value, Tensor):
        return [], value
    if isinstance(value, Unknown):
        return [], child(value, "[]")
    if isinstance(value, (Object, Instance)):
        method = find(run, value, "__iter__")
        if method is not None:
            made = run.call(method, Call(where or value.where or _nowhere(run)))
            if made is not value:
                return iterate(run, made, where)
        method = find(run, value, "__getitem__")
        if method is not None:
            index = Unknown("an index", where)
            return [], run.call(method, Call(where or value.where or _nowhere(run), [index]))
        # iterators of the user's own; `next` is what those of Python 2 and of the first Keras are asked with
        method = find(run, value, "__next__") or find(run, value, "next")
        if method is not None and isinstance(value, Instance):
            return [], run.call(method, Call(where or value.where or _nowhere(run)))
    return [], Unknown(f"the elements of {describe(value)}", where)


def first_axis_removed(value: Array) -> Array:
    """One sample of an array."""
    shape = value.shape[1:] if value.shape else None
    axis = value.structure_axis
    if axis is not None and axis > 0:
        axis -= 1
    return replace(value, shape=shape, structure_axis=axis)


def _nowhere(run: Run) -> Where:
    import ast

    from ae_audit.static.source.sources import Text

    return Where(run.main_text or Text("", ""), ast.Pass())
