"""The sites of one ``fit``: what they have in common, and how data stand in for the inputs of a model."""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Head, LossUse, MetricUse
from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.loss_values import Pair
from ae_audit.static.domain.values import (
    Array,
    Const,
    Divergence,
    LossTerm,
    Mapping,
    Seq,
    Site,
    Tensor,
    Value,
)
from ae_audit.static.knowledge.keras.memory import Compiled
from ae_audit.static.knowledge.keras.models import graph, model_name
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

KERAS = Framework.KERAS


class ModelFit:
    """What the sites of one ``fit`` have in common."""

    __slots__ = ("call", "charged", "inputs", "made", "model", "val_inputs", "val_targets")

    def __init__(self, model: Value, inputs: Value | None, call: Call, made: Compiled | None,
                 val_inputs: Value | None, val_targets: Value | None) -> None:  # fmt: skip
        self.model = model
        self.inputs = inputs
        self.call = call
        self.made = made
        self.val_inputs = val_inputs
        self.val_targets = val_targets
        self.charged: Divergence | None = None
        """the divergence that a layer adds to the loss of the only output"""


def replace_targets(context: ModelFit, val_target: Value | None) -> ModelFit:
    """The same ``fit`` with the validation target of one output."""
    made = ModelFit(context.model, context.inputs, context.call, context.made, context.val_inputs, val_target)
    made.charged = context.charged
    return made


def bound(run: Run, context: ModelFit, value: Value) -> Value:
    """A placeholder of the model replaced by the data that fit() feeds it."""
    if not isinstance(value, Array) or context.inputs is None:
        return value
    state = graph(run, context.model)
    for index, placeholder in enumerate(state.inputs):
        if isinstance(placeholder, Array) and placeholder.root == value.root:
            given = context.inputs
            if isinstance(given, Seq) and index < len(given.items):
                given = given.items[index]
            actual = run.as_array(given)
            return value if actual is None else arrays.rebased(value, placeholder, actual)
    return value


def emit(
    run: Run, context: ModelFit, use: LossUse, output: Value, target: Value, why: str | None,
    metrics: tuple[MetricUse, ...] = (), *, pair: Pair | None = None,
) -> None:  # fmt: skip
    """Report that ``output`` meets ``target`` in the loss ``use``."""
    prediction = output
    if isinstance(prediction, Array):
        prediction = Tensor(KERAS, Head(), (prediction,), why="the model's output is its input, or data")
    first = context.inputs
    if isinstance(first, Seq) and first.items:
        first = first.items[0] if not all(isinstance(i, Const) for i in first.items) else run.as_array(first)
    if isinstance(first, Mapping) and first.items:
        first = next(iter(first.items.values()))
    input_ = run.as_array(first) if first is not None else None
    target_ = run.as_array(target) if not isinstance(target, Tensor) else None
    prediction = _scaled_inside(prediction, input_)
    val_input = context.val_inputs
    if isinstance(val_input, Seq) and val_input.items:
        val_input = val_input.items[0]
    made = context.made
    run.emit(
        Site(
            framework=KERAS, where=context.call.where, use=use, prediction=prediction, target=target_ or target,
            input=input_, metrics=metrics, validation_input=None if val_input is None else run.as_array(val_input),
            validation_target=None if context.val_targets is None else run.as_array(context.val_targets),
            optimizer=None if made is None else made.optimizer, model=model_name(context.model), why_loss=why,
            fitted_model=context.model, pair=pair or _pair(context, use, prediction, target_ or target),
        )
    )  # fmt: skip


def _pair(context: ModelFit, use: LossUse, prediction: Value, target: Value) -> Pair | None:
    """The compiled loss and the divergence that a layer adds to it."""
    if context.charged is None or use.custom or not isinstance(prediction, Tensor):
        return None
    return Pair(LossTerm(use, prediction, target, context.call.where, use.weight or 1.0), context.charged)


def _scaled_inside(prediction: Value, input_: Array | None) -> Value:
    """Mark the network as normalising where its own call scales the data before the first weights."""
    if not isinstance(prediction, Tensor) or input_ is None:
        return prediction
    for array in prediction.fed:
        if array.root == input_.root and len(array.scalings) > len(input_.scalings):
            return replace(prediction, normalises=Tri.YES)
    return prediction
