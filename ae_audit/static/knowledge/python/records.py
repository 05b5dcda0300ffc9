"""Named tuples, the user's own dictionaries, and dictionaries with attributes: what networks return, and options."""

from __future__ import annotations

import ast

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Bound,
    Class,
    Function,
    Instance,
    Library,
    Mapping,
    Object,
    Seq,
    Unknown,
    Value,
    python,
)
from ae_audit.static.interpreter import subscripts
from ae_audit.static.interpreter.registry import Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("records")
NAMED_TUPLE = "typing.NamedTuple"
DICTIONARY = "a dictionary of the user's own make"
"""what the user's classes inherit from that are dictionaries"""
for _base in ("builtins.dict", "collections.OrderedDict", "collections.UserDict", "collections.defaultdict"):
    TABLE.bases[_base] = (DICTIONARY,)
ATTRIBUTES = "a dictionary whose entries are attributes too"
for _base in ("transformers.utils.ModelOutput", "transformers.file_utils.ModelOutput", "diffusers.utils.BaseOutput",
              "transformers.modeling_outputs.ModelOutput", "transformers.utils.generic.ModelOutput"):  # fmt: skip
    TABLE.bases[_base] = (ATTRIBUTES,)
TABLE.bases[ATTRIBUTES] = (DICTIONARY,)


# -- named tuples ----------------------------------------------------------------------------------------------------


@TABLE.function("collections.namedtuple", NAMED_TUPLE)
def _named_tuple(run: Run, call: Call) -> Value:
    """``namedtuple("Out", ["recon", "mu"])``: a class whose fields are known."""
    name, names = call.constant(0, "typename"), call.constant(1, "field_names", "fields")
    if isinstance(names, str):
        names = tuple(names.replace(",", " ").split())
    if isinstance(names, tuple) and all(isinstance(item, tuple) and item for item in names):
        names = tuple(item[0] for item in names)
    if not isinstance(names, tuple) or not all(isinstance(item, str) for item in names):
        return Unknown("a named tuple whose fields are not known", call.where)
    node = ast.ClassDef(name=str(name), bases=[], keywords=[], body=[], decorator_list=[])
    made = Class(str(name), ast.copy_location(node, call.where.node), call.where.text, [Library(NAMED_TUPLE)])
    made.fields = [item for item in names if isinstance(item, str)]
    defaults = call.get(None, "defaults")
    if isinstance(defaults, Seq) and defaults.items:
        made.attrs.update(zip(made.fields[-len(defaults.items) :], defaults.items, strict=False))
    return made


def _fields(receiver: Instance) -> list[Value]:
    """The values of a record in the order of its fields."""
    return [receiver.attrs.get(name, Unknown(f"the field `{name}`")) for name in receiver.cls.fields or ()]


@TABLE.method(NAMED_TUPLE, "__iter__")
def _walk(run: Run, receiver: Instance, call: Call) -> Value:
    return Seq(_fields(receiver), "tuple")


@TABLE.method(NAMED_TUPLE, "__getitem__")
def _field_at(run: Run, receiver: Instance, call: Call) -> Value:
    return subscripts.item(run, Seq(_fields(receiver), "tuple"), call.args[0] if call.args else NONE, call.where)


@TABLE.method(NAMED_TUPLE, "_asdict")
def _as_dictionary(run: Run, receiver: Instance, call: Call) -> Value:
    return Mapping(dict(zip(receiver.cls.fields or (), _fields(receiver), strict=False)))


@TABLE.method(NAMED_TUPLE, "_replace")
def _replaced(run: Run, receiver: Instance, call: Call) -> Value:
    made = Instance(receiver.cls, call.where)
    made.attrs = {**receiver.attrs, **call.kwargs}
    return made


# -- data classes filled from the command line ------------------------------------------------------------------------


@TABLE.function("tyro.cli", "simple_parsing.parse", "pyrallis.parse", "draccus.parse", "jsonargparse.auto_cli")
def _from_command_line(run: Run, call: Call) -> Value:
    """``tyro.cli(Args)``: an instance whose fields have their defaults, which a user may override."""
    made = call.get(0, "f", "config_class")
    if not isinstance(made, (Class, Function)):
        return Unknown("options of the command line", call.where)
    return run.call(made, Call(call.where))


@TABLE.function("transformers.HfArgumentParser")
def _data_class_parser(run: Run, call: Call) -> Value:
    return Object("transformers.HfArgumentParser", call)


@TABLE.method("transformers.HfArgumentParser", "parse_args_into_dataclasses", "parse_json_file", "parse_yaml_file",
              "parse_dict")  # fmt: skip
def _parse_into_data_classes(run: Run, receiver: Object, call: Call) -> Value:
    classes = None if receiver.call is None else receiver.call.get(0, "dataclass_types")
    parts = classes.items if isinstance(classes, Seq) and classes.rest is None else [classes]
    return Seq(
        [
            run.call(part, Call(call.where)) if isinstance(part, Class) else Unknown("options", call.where)
            for part in parts
        ],
        "tuple",
    )


# -- dictionaries of the user's own make ------------------------------------------------------------------------------


def _entries(receiver: Any) -> Mapping:
    """What a dictionary of the user's own make holds; its fields, where it is a data class as well."""
    if not isinstance(receiver.state, Mapping):
        fields = getattr(receiver.cls, "fields", None) or ()
        receiver.state = Mapping({name: receiver.attrs[name] for name in fields if name in receiver.attrs})
    found: Mapping = receiver.state
    return found


@TABLE.method(DICTIONARY, "__init__")
def _init(run: Run, receiver: Any, call: Call) -> Value:
    made = run.call(Library("builtins.dict"), call)
    receiver.state = made if isinstance(made, Mapping) else Mapping({}, Unknown("an entry put in at run time"))
    if ATTRIBUTES in run.registry.kinds(receiver):
        receiver.attrs.update({key: value for key, value in receiver.state.items.items() if isinstance(key, str)})
    return NONE


@TABLE.method(DICTIONARY, "__setitem__", "__setattr__")
def _put(run: Run, receiver: Any, call: Call) -> Value:
    key, value = call.get(0), call.get(1)
    if key is None or value is None:
        return NONE
    shared = ATTRIBUTES in run.registry.kinds(receiver)
    if call.name == "__setitem__" or shared:
        subscripts.put(_entries(receiver), key, value)
    name = python(key)
    if isinstance(name, str) and (call.name == "__setattr__" or shared):
        receiver.attrs[name] = value
    return NONE


@TABLE.method(DICTIONARY, "__getitem__")
def _get(run: Run, receiver: Any, call: Call) -> Value:
    key = call.get(0) or NONE
    entries = _entries(receiver)
    known = python(key)
    if isinstance(known, int) and known not in entries.items:  # as a tuple
        return subscripts.item(run, Seq(list(entries.items.values()), "tuple", entries.rest), key, call.where)
    return subscripts.item(run, entries, key, call.where)


@TABLE.method(DICTIONARY, "items", "keys", "values", "get", "update", "pop", "setdefault", "copy")
def _as_dict(run: Run, receiver: Any, call: Call) -> Value:
    return run.call(Bound(_entries(receiver), call.name), call)


@TABLE.method(DICTIONARY, "__iter__")
def _walk_keys(run: Run, receiver: Any, call: Call) -> Value:
    return run.call(Bound(_entries(receiver), "keys"), Call(call.where))


@TABLE.method(DICTIONARY, "to_tuple")
def _to_tuple(run: Run, receiver: Any, call: Call) -> Value:
    entries = _entries(receiver)
    return Seq(list(entries.items.values()), "tuple", entries.rest)


@TABLE.function("builtins.object.__setattr__", "builtins.dict.__setattr__", "builtins.super.__setattr__")
def _set_plainly(run: Run, call: Call) -> Value:
    owner, name, value = call.get(0), call.constant(1), call.get(2)
    if isinstance(owner, (Instance, Object)) and isinstance(name, str) and value is not None:
        owner.attrs[name] = value
    return NONE


# -- dictionaries with attributes --------------------------------------------------------------------------------------

SPACE = "types.SimpleNamespace"


@TABLE.function("easydict.EasyDict", "addict.Dict", "box.Box", "munch.Munch", "munch.munchify",
                "munch.DefaultMunch.fromDict", "ml_collections.ConfigDict",
                "ml_collections.config_dict.ConfigDict", "omegaconf.OmegaConf.create",
                "omegaconf.DictConfig", "yacs.config.CfgNode", "fvcore.common.config.CfgNode")  # fmt: skip
def _space(run: Run, call: Call) -> Value:
    given = call.get(0)
    if given is not None and not isinstance(given, Mapping):
        return given
    made = run.call(Library("builtins.dict"), call)
    return with_attributes(made) if isinstance(made, Mapping) else made


def with_attributes(value: Mapping, depth: int = 0) -> Object:
    """A dictionary whose entries are attributes, and so on downwards."""
    made = Object(SPACE)
    for key, item in value.items.items():
        if isinstance(key, str):
            made.attrs[key] = with_attributes(item, depth + 1) if isinstance(item, Mapping) and depth < 4 else item
    return made


@TABLE.method(SPACE, "__getitem__", "get")
def _space_item(run: Run, receiver: Object, call: Call) -> Value:
    name = call.constant(0)
    found = receiver.attrs.get(name) if isinstance(name, str) else None
    default = call.get(1) if call.name == "get" else None
    return found or default or Unknown(f"the entry `{call.where.written}` of a dictionary", call.where)


@TABLE.method(SPACE, "__setitem__")
def _set_space_item(run: Run, receiver: Object, call: Call) -> Value:
    name, value = call.constant(0), call.get(1)
    if isinstance(name, str) and value is not None:
        receiver.attrs[name] = value
    return NONE


@TABLE.method(SPACE, "items", "keys", "values", "update", "to_dict", "_asdict")
def _space_as_dict(run: Run, receiver: Object, call: Call) -> Value:
    entries = Mapping({key: value for key, value in receiver.attrs.items() if key != "variable"})
    if call.name in {"to_dict", "_asdict"}:
        return entries
    made = run.call(Bound(entries, call.name), call)
    receiver.attrs.update({key: value for key, value in entries.items.items() if isinstance(key, str)})
    return made
