"""Transformers column by column: sklearn's ``ColumnTransformer`` and ``sklearn_pandas.DataFrameMapper``."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Object, Seq, Unknown, Value
from ae_audit.static.interpreter.registry import Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("transformers of columns")
MAPPER = "a transformer of columns"


@TABLE.function("sklearn_pandas.DataFrameMapper", "sklearn.compose.ColumnTransformer",
                "sklearn.compose.make_column_transformer")  # fmt: skip
def _made(run: Run, call: Call) -> Value:
    """``DataFrameMapper([(columns, transformer)])``, ``ColumnTransformer([(name, transformer, columns)])``."""
    given = call.get(0, "features", "transformers")
    parts = call.args if call.name.startswith("make") else given.items if isinstance(given, Seq) else []
    open_ended = isinstance(given, Seq) and given.rest is not None
    steps: list[Value | None] = []
    for part in parts:
        step = _step(part, call.name)
        steps.append(step)
    left = call.constant(None, "remainder", "default", default="drop")
    if left not in {"drop", False}:
        steps.append(None)
    return Object(MAPPER, call, state=None if open_ended or not steps else steps)


def _step(part: Value, name: str) -> Value | None:
    """The transformer of one entry; None where its columns stay as they are."""
    if not isinstance(part, Seq):
        return part
    if name == "ColumnTransformer" or name == "DataFrameMapper":
        transformer = part.items[1] if len(part.items) > 1 else None
    else:
        transformer = part.items[0] if part.items else None
    if isinstance(transformer, Const) and transformer.value in {None, "passthrough"}:
        return None
    return transformer


@TABLE.method(MAPPER, "fit")
def _fit(run: Run, receiver: Object, call: Call) -> Value:
    _run(run, receiver, "fit", call)
    return receiver


@TABLE.method(MAPPER, "fit_transform", "transform")
def _transform(run: Run, receiver: Object, call: Call) -> Value:
    return _run(run, receiver, call.name, call)


def _run(run: Run, receiver: Object, name: str, call: Call) -> Value:
    table = run.as_array(call.args[0]) if call.args else None
    if table is None or receiver.state is None:
        return Unknown("what a transformer of columns makes of a table", call.where)
    parts = [_through(run, step, name, table, call) for step in receiver.state if not _dropped(step)]
    known = [part for part in parts if isinstance(part, Array)]
    if not known or len(known) < len(parts):
        return arrays.unknown_array(run, "what a transformer of columns makes of a table", call.where, table.source)
    if len(known) == 1:
        return known[0]
    whole = known[0].values
    for part in known[1:]:
        whole = whole.together(part.values)
    steps = next((part for part in known if part.values.reach is not None), known[0])
    return replace(
        arrays.recast(table, whole, "columns scaled each in its way", call.where), trail=steps.trail,
        why=None if not whole.unknown else next((part.why for part in known if part.why), table.why),
    )  # fmt: skip


def _dropped(step: Value | None) -> bool:
    return isinstance(step, Const) and step.value == "drop"


def _through(run: Run, step: Value | None, name: str, table: Array, call: Call) -> Value:
    """The columns of one entry after its transformer, or after several one after the other."""
    value: Value = table
    for part in step.items if isinstance(step, Seq) else [] if step is None else [step]:
        made = run.call_method(part, name, Call(call.where, [value]))
        if name != "fit":
            value = made if made is not None else Unknown("what a transformer of unknown make gives", call.where)
    return value
