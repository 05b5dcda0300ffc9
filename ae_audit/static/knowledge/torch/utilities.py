"""``torch.nn.utils``: sequences of several lengths, and layers whose weights are kept in bounds."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework
from ae_audit.static.domain import array_api
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import heads
from ae_audit.theory.intervals import REAL_LINE, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("torch.nn.utils")


@TABLE.function(*(f"torch.nn.utils.rnn.{name}" for name in (
    "pad_sequence", "pack_sequence", "pack_padded_sequence", "unpad_sequence")))  # fmt: skip
def sequences(run: Run, call: Call) -> Value:
    """Sequences of several lengths as one batch, filled up with a number: the values, and that number."""
    given = call.get(0, "sequences", "input")
    found = None if given is None else _together(run, given, call)
    if not isinstance(found, Array) or call.name != "pad_sequence":
        return found or Unknown(f"what `{call.where.written}` gives", call.where)
    filled = call.number(2, "padding_value", default=0.0)
    hull = found.values.hull.hull(Interval(filled, filled)) if filled is not None else REAL_LINE
    return replace(found, values=ValueRange(hull, found.values.reach), shape=None)


def _together(run: Run, given: Value, call: Call) -> Value | None:
    """Several sequences as one value, whose shape is not known."""
    if isinstance(given, Seq):
        return array_api.joined(run, given, call.where, Framework.TORCH) if given.items or given.rest else None
    found = given if isinstance(given, Tensor) else run.as_array(given)
    return None if found is None else heads.moved(found, None)


@TABLE.function("torch.nn.utils.rnn.pad_packed_sequence")
def padded(run: Run, call: Call) -> Value:
    """``output, lengths``."""
    given = call.get(0, "sequence")
    lengths = Unknown("the lengths of sequences", call.where)
    return Seq([given or Unknown("a padded sequence", call.where), lengths], "tuple")


@TABLE.function("torch.nn.utils.spectral_norm", "torch.nn.utils.weight_norm",
                "torch.nn.utils.parametrizations.spectral_norm", "torch.nn.utils.parametrizations.weight_norm",
                "torch.nn.utils.parametrizations.orthogonal", "torch.nn.utils.remove_weight_norm",
                "torch.nn.utils.remove_spectral_norm")  # fmt: skip
def parametrised(run: Run, call: Call) -> Value:
    """A layer whose weights are kept in bounds: it computes what it computed."""
    return call.get(0, "module") or Unknown("a layer", call.where)
