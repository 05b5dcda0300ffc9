"""``torch.utils.data``: what a loader hands out, batch by batch."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Const,
    Instance,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
    is_const,
)
from ae_audit.static.interpreter import turns
from ae_audit.static.interpreter.attributes import find, first_axis_removed
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("torch data")
DATA = "torch.utils.data"
DATASET = f"{DATA}.Dataset"
LOADER = f"{DATA}.DataLoader"

for _module in ("dataset", "dataloader", "sampler", "distributed", "_utils"):
    TABLE.aliases[f"{DATA}.{_module}"] = DATA
TABLE.aliases["torch_geometric.loader.DataLoader"] = LOADER
TABLE.aliases["torchdata.stateful_dataloader.StatefulDataLoader"] = LOADER
for _name in ("TensorDataset", "Subset", "ConcatDataset", "ChainDataset", "IterableDataset"):
    TABLE.bases[f"{DATA}.{_name}"] = (DATASET,)


@TABLE.function(LOADER)
def data_loader(run: Run, call: Call) -> Value:
    """A loader keeps its data set; what it hands out is worked out when it is walked."""
    made = Object(LOADER, call)
    made.attrs["dataset"] = call.get(0, "dataset") or Unknown("the data set of a loader", call.where)
    made.attrs["batch_size"] = call.get(1, "batch_size") or Const(1)
    return made


@TABLE.method(LOADER, "__init__")
def data_loader_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__(dataset, …)`` in a user's subclass."""
    receiver.attrs["dataset"] = call.get(0, "dataset") or Unknown("the data set of a loader", call.where)
    receiver.state = call
    return NONE


@TABLE.method(LOADER, "__iter__")
def walk(run: Run, receiver: Any, call: Call) -> Value:
    """One batch stands for all."""
    return Seq([], "iterator", rest=batch(run, receiver, call.where))


def batch(run: Run, loader: Any, where: Where) -> Value:
    """A batch: samples put together along a new first axis."""
    dataset = loader.attrs.get("dataset", Unknown("the data set of a loader", where))
    call = loader.call if isinstance(loader, Object) else loader.state
    if isinstance(dataset, Unknown):
        return run.element(dataset, where)
    found = sample(run, dataset, where)
    collate = call.get(None, "collate_fn") if isinstance(call, Call) else None
    if collate is None and isinstance(call, Call) and len(call.args) > 6:
        collate = call.args[6]
    if collate is not None and not is_const(collate, type(None)):
        return run.call(collate, Call(where, [Seq([], rest=found)]))
    if isinstance(call, Call) and is_const(call.get(1, "batch_size"), type(None)):
        return found
    return stacked(run, found, where)


def sample(run: Run, dataset: Value, where: Where) -> Value:
    """One sample of a data set, whatever stands for the data set."""
    if isinstance(dataset, Array):
        return first_axis_removed(dataset)
    if isinstance(dataset, (Object, Instance)):
        method = find(run, dataset, "__getitem__")
        index = Unknown("the index of a sample", where)
        item = None if method is None else turns.of_each(run, method, Call(where, [index]))
        if item is not None:
            return item
    return run.element(dataset, where)


def stacked(run: Run, value: Value, where: Where) -> Value:
    """What the default collation makes of samples: tensors one axis larger, tuples and dictionaries of such."""
    if isinstance(value, Array):
        axis = value.structure_axis
        shape = None if value.shape is None else (None, *value.shape)
        place = axis + 1 if axis is not None and axis >= 0 else axis
        return replace(value, shape=shape, structure_axis=place, batched=True)
    if isinstance(value, Seq):
        return Seq([stacked(run, item, where) for item in value.items], value.kind, value.rest)
    if isinstance(value, Mapping):
        return Mapping({key: stacked(run, item, where) for key, item in value.items.items()}, value.rest)
    if is_const(value, int, float):
        array = run.as_array(value)
        return replace(array, shape=(None,)) if array is not None else value
    return value


@TABLE.method(LOADER, "next", "__next__")
def next_batch(run: Run, receiver: Any, call: Call) -> Value:
    """``iter(loader).next()`` of older programs; an iterator is taken for its loader."""
    return batch(run, receiver, call.where)


@TABLE.attribute(LOADER, "sampler", "batch_sampler", "collate_fn", "generator")
def loader_part(run: Run, receiver: Any) -> Value:
    """Parts of a loader that say nothing of the data."""
    return Unknown("a part of a loader")


@TABLE.function(f"{DATA}.TensorDataset")
def tensor_dataset(run: Run, call: Call) -> Value:
    """Arrays side by side."""
    made = Object(f"{DATA}.TensorDataset", call)
    made.attrs["tensors"] = Seq(list(call.args), "tuple")
    return made


@TABLE.method(f"{DATA}.TensorDataset", "__getitem__")
def tensor_dataset_item(run: Run, receiver: Any, call: Call) -> Value:
    """One row of each array."""
    if not isinstance(receiver, Object) or receiver.call is None or receiver.call.open:
        return Unknown("a sample of a data set", call.where)
    return Seq([_row(run, item, call.where) for item in receiver.call.args], "tuple")


def _row(run: Run, value: Value, where: Where) -> Value:
    array = run.as_array(value) if not isinstance(value, Tensor) else None
    return first_axis_removed(array) if array is not None else run.element(value, where)


@TABLE.function(f"{DATA}.Subset", f"{DATA}.ConcatDataset", f"{DATA}.ChainDataset")
def part_of_dataset(run: Run, call: Call) -> Value:
    """A part of a data set, or several joined: the samples are those of the first."""
    given = call.get(0, "dataset", "datasets") or Unknown("a data set", call.where)
    inner = given
    if isinstance(given, Seq):
        inner = given.items[0] if given.items else given.rest or Unknown("a data set", call.where)
    made = Object(f"{DATA}.Subset", call)
    made.attrs["dataset"] = inner
    return made


@TABLE.method(f"{DATA}.Subset", "__getitem__")
def part_item(run: Run, receiver: Any, call: Call) -> Value:
    """A sample of the data set that it is a part of."""
    inner = receiver.attrs.get("dataset")
    return Unknown("a sample of a data set", call.where) if inner is None else sample(run, inner, call.where)


@TABLE.function(f"{DATA}.random_split")
def random_split(run: Run, call: Call) -> Value:
    """As many parts as lengths are given."""
    given, lengths = call.get(0, "dataset"), call.get(1, "lengths")
    items, rest = run.iterate(lengths, call.where) if lengths is not None else ([], NONE)
    parts: list[Value] = []
    for _ in items:
        part = Object(f"{DATA}.Subset", call)
        part.attrs["dataset"] = given or Unknown("a data set", call.where)
        parts.append(part)
    return Seq(parts, "list", None if rest is None else parts[0] if parts else Unknown("a part of a data set"))


@TABLE.method(DATASET, "__init__")
def dataset_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__()``."""
    return NONE


@TABLE.method(DATASET, "__len__")
@TABLE.method(LOADER, "__len__")
def length(run: Run, receiver: Any, call: Call) -> Value:
    """Some number."""
    return Unknown("the length of a data set", call.where)


@TABLE.method(DATASET, "__add__")
def joined(run: Run, receiver: Any, call: Call) -> Value:
    """``first + second``."""
    return part_of_dataset(run, Call(call.where, [receiver]))


@TABLE.function(
    f"{DATA}.SubsetRandomSampler",
    f"{DATA}.RandomSampler",
    f"{DATA}.SequentialSampler",
    f"{DATA}.WeightedRandomSampler",
    f"{DATA}.BatchSampler",
    f"{DATA}.DistributedSampler",
)
def sampler(run: Run, call: Call) -> Value:
    """An order of samples: nothing to know."""
    return Object(f"{DATA}.Sampler", call)


def class_index(run: Run, classes: int | None, source: str, where: Where | None, root: int) -> Array:
    """Labels as integers from 0; the first and the last class do occur."""
    from ae_audit.schema.training_setup import Structure

    top = Interval(0.0, float(classes - 1)) if classes else Interval(0.0, float("inf"))
    values = ValueRange.exactly(top) if classes else ValueRange(top, Interval(0.0, 1.0))
    return Array(
        values=values,
        dtype="int64",
        shape=(),
        structure=Structure.CLASS_INDEX,
        source=f"labels of {source}",
        where=where,
        root=root,
    )
