"""Losses of a program's own that are not followed: that it trains there is told, and the data where they are seen."""

from __future__ import annotations

from ae_audit.schema.training_setup import Framework, LossUse
from ae_audit.static.domain.network_values import Score
from ae_audit.static.domain.values import Array, Seq, Site, Tensor, Unknown, Value
from ae_audit.static.source.sources import Where
from ae_audit.theory.loss_names import WITHOUT_TARGET
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

OWN = "it is written out in the program, and is none of the losses that are known"
OUTPUTS = "the loss there compares outputs of networks with each other"
NO_TARGET = "the loss written out there compares the output with no data"


def trained(run: Evaluator, value: Value, optimizer: str | None, where: Where | None) -> None:
    """A value in which no comparison was seen is trained on: report the training, and the data the prediction met."""
    if isinstance(value, Seq):
        for item in value.items:
            trained(run, item, optimizer, where)
        return
    if isinstance(value, Tensor) and value.fed and not any(array.placeholder for array in value.fed):
        _report(run, value, optimizer, where)
    elif isinstance(value, Array) and value.why is None:
        return  # gradients of an expression in numbers alone: no model is trained
    elif isinstance(value, (Unknown, Array)) and where is not None:
        reason = value.reason if isinstance(value, Unknown) else value.why or "it is computed from data alone"
        _emit(run, Framework.TORCH, where, where, Unknown(reason), Unknown(reason), reason, optimizer)


def _report(run: Evaluator, value: Tensor, optimizer: str | None, where: Where | None) -> None:
    score = value.score
    if score is not None and where is not None and _is_score(score):
        use = _named("wasserstein" if score.opposed else "critic_score", where)
        _emit(run, value.framework, where, where, score.prediction, Unknown(NO_TARGET), OWN, optimizer, use)
        return
    if value.derived and where is not None:
        _emit(run, value.framework, where, where, value, Unknown(NO_TARGET), OWN, optimizer, _named("residual", where))
        return
    met = value.met
    if met is not None and met.target is None and where is not None:
        _emit(run, value.framework, where, where, met.prediction, Unknown(NO_TARGET), OWN, optimizer)
    elif met is not None and met.target is not None and not met.moved:
        _emit(run, value.framework, met.where, where or met.where, met.prediction, met.target, OWN, optimizer)
    elif where is not None:
        _emit(run, value.framework, where, where, value, Unknown(NO_TARGET), OWN, optimizer)


def _is_score(score: Score) -> bool:
    """Whether the mean of what a network gives is raised or lowered, and not that of what was computed from it."""
    if not score.averaged or None in score.signs or score.prediction.derived:
        return False
    head = score.prediction.head
    return score.opposed or (head.activation is not None and not head.after)


def _named(name: str, where: Where) -> LossUse:
    """A loss without a target, as it is trained on at ``where``."""
    return LossUse(name, where.written, Tri.NO, location=where.location, custom=True, scores=name == "wasserstein")


def between_outputs(run: Evaluator, use: LossUse, output: Tensor, optimizer: str | None, where: Where) -> None:
    """A loss that compares outputs with each other, a network's and its copy's, is all that is trained on."""
    if output.fed and not any(array.placeholder for array in output.fed):
        _emit(run, output.framework, where, where, output, Unknown(OUTPUTS), OWN, optimizer, use)


def _emit(
    run: Evaluator, framework: Framework, where: Where, trains_at: Where, prediction: Value, target: Value, why: str,
    optimizer: str | None, known: LossUse | None = None,
) -> None:  # fmt: skip
    use = known or LossUse(
        name=None,
        written=where.written,
        from_logits=Tri.UNKNOWN,
        location=where.location,
        custom=True,
    )
    if any(site.where.location == trains_at.location and site.use.location == use.location for site in run.sites):
        return
    fed = prediction.fed if isinstance(prediction, Tensor) else ()
    run.emit(
        Site(
            framework=framework, where=trains_at, use=use, prediction=prediction, target=target,
            input=fed[0] if fed else None, why_loss=why, optimizer=optimizer,
            model=prediction.model if isinstance(prediction, Tensor) else None, trained=True,
            unread=use.name not in WITHOUT_TARGET,
        )
    )  # fmt: skip
