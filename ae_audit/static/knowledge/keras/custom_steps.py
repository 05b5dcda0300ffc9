"""What ``fit`` calls of a Keras model's own: ``train_step`` and ``compute_loss``."""

from __future__ import annotations

from ae_audit.static.domain import losses
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Const, Function, Instance, Seq, Site, Unknown, Value
from ae_audit.static.knowledge.keras.models import model_name

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run


def custom_step(run: Run, model: Instance, inputs: Value, targets: Value | None, call: Call) -> None:
    """Follow the model's own ``train_step`` on a batch."""
    data: Value = inputs if targets is None else Seq([inputs, targets], "tuple")
    if isinstance(data, Unknown):
        data = run.as_array(data) or data
    before = len(run.sites)
    run.call_method(model, "train_step", Call(call.where, [data]))
    _name_model(run, model, before)


def computed_loss(
    run: Run, model: Instance, own: Function, inputs: Value, targets: Value | None, outputs: list[Value], call: Call,
    optimizer: str | None,
) -> list[Site]:  # fmt: skip
    """Follow ``own``, the model's ``compute_loss``: what it was seen to compare, and trains on."""
    before = len(run.sites)
    given = {
        "x": run.as_array(inputs) or inputs,
        "y": Const(None) if targets is None else run.as_array(targets) or targets,
        "y_pred": outputs[0] if len(outputs) == 1 else Seq(outputs, "list"),
        "sample_weight": Const(None),
        "training": Const(True),
    }
    parameters = own.node.args
    if parameters.kwarg is None:
        names = {each.arg for each in (*parameters.args, *parameters.kwonlyargs)}
        given = {name: value for name, value in given.items() if name in names}
    loss = run.call_method(model, "compute_loss", Call(call.where, [], given))
    losses.trained(run, loss or Const(None), optimizer)
    _name_model(run, model, before)
    return [site for site in run.sites[before:] if site.trained]


def _name_model(run: Run, model: Value, before: int) -> None:
    for site in run.sites[before:]:
        if site.model is None:
            site.model = model_name(model)
