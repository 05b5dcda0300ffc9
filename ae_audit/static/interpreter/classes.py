"""The user's classes: definition, instances, dataclasses, and their library bases."""

from __future__ import annotations

import ast

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.environment import Frame, Scope
from ae_audit.static.domain.stores import Store
from ae_audit.static.domain.values import Bound, Class, Const, Function, Instance, Library, Unknown, Value
from ae_audit.static.source.sources import Where

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


def define(run: Run, node: ast.ClassDef, frame: Frame) -> Class:
    """A class statement: its body is run in a scope of its own."""
    bases = [run.evaluate(base, frame) for base in node.bases if not isinstance(base, ast.Starred)]
    made = Class(node.name, node, frame.text, bases)
    scope = Scope(frame.scope)
    inner = Frame(scope, frame.text, None, made, None, package=frame.package)
    run.execute(node.body, inner)
    made.attrs.update(scope.names)
    run.classes.append(made)
    decorators = [
        run.evaluate(item.func if isinstance(item, ast.Call) else item, frame) for item in node.decorator_list
    ]
    inherited = next((base.fields for base in made.lineage()[1:] if base.fields is not None), None)
    is_record = any(isinstance(d, Library) and d.name.rpartition(".")[2] == "dataclass" for d in decorators)
    is_record = is_record or any(name in {"typing.NamedTuple", "pydantic.BaseModel"} for name in made.library_bases())
    if is_record or inherited is not None:
        own = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        made.fields = [*(inherited or []), *(name for name in own if name not in (inherited or []))]
    for item, decorator in reversed([*zip(node.decorator_list, decorators, strict=True)]):
        if isinstance(decorator, Function):
            applied = run.evaluate(item, frame) if isinstance(item, ast.Call) else decorator
            changed = run.call(applied, Call(Where(frame.text, item), [made]))
            made = changed if isinstance(changed, Class) else made
    return made


def instantiate(run: Run, cls: Class, call: Call) -> Value:
    """``Cls(...)``: a fresh instance after its ``__init__``."""
    run.instantiated.add(id(cls.node))
    maker = cls.find("__new__")
    if isinstance(maker, Function) and cls.find("__init__") is None:
        made = run.call(maker, Call(call.where, [cls, *call.args], call.kwargs, call.open))
        if not isinstance(made, Unknown):
            return made
    instance = Instance(cls, call.where)
    _INSTANCES.of(run)[id(cls.node)] = instance
    initialise = cls.find("__init__")
    if isinstance(initialise, Function):
        run.call(Bound(instance, "__init__", initialise), call)
    elif cls.fields is not None:
        _fill(run, instance, cls.fields, call)
    else:
        library = run.registry.method(instance, "__init__")
        if library is not None:
            library(run, instance, call)
    after = cls.find("__post_init__")
    if isinstance(after, Function):
        run.call(Bound(instance, "__post_init__", after), Call(call.where))
    return instance


_INSTANCES: Store[dict[int, Instance]] = Store(dict)


def latest_instance(run: Run, cls: Class) -> Instance | None:
    """The instance of a class that the program made last; None where it made none."""
    return _INSTANCES.of(run).get(id(cls.node))


def _fill(run: Run, instance: Instance, fields: list[str], call: Call) -> None:
    for index, name in enumerate(fields):
        given = call.get(index, name)
        if given is not None:
            instance.attrs[name] = given
            continue
        default = instance.cls.find(name)
        if isinstance(default, Const) and not call.open:
            source = f"{instance.cls.name}.{name}"
            run.soft_defaults[source] = default.value
            instance.attrs[name] = run.soft(default.value, source, default.where)
        elif default is not None:
            instance.attrs[name] = default
        else:
            instance.attrs[name] = Unknown(f"the field `{name}` of {instance.cls.name}", call.where)


def methods_of(cls: Class) -> list[Function]:
    """The functions that a class's own body defines."""
    return [value for value in cls.attrs.values() if isinstance(value, Function)]
