"""``torch.distributions``: random codes, divergences of codes, and likelihoods of data, which are losses.

The negative logarithm of a likelihood is a loss of the theory's tables: Gaussian, absolute (Laplace), binary and
categorical cross-entropy, Poisson.
"""

from __future__ import annotations

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Framework, Head, LossUse, Parameter
from ae_audit.static.domain import losses, operators
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.random_numbers import NORMAL
from ae_audit.static.domain.values import Array, Const, Divergence, LossValue, Object, Seq, Tensor, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import criteria, heads
from ae_audit.theory.activations import LINEAR_RANGE
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("torch distributions")
DISTRIBUTION = "torch.distributions.Distribution"
_LIKELIHOODS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Normal": ("gaussian_nll", ("loc",), ()),
    "Laplace": ("mae", ("loc",), ()),
    "Poisson": ("poisson", ("rate",), ()),
    "Bernoulli": ("bce", ("probs",), ("logits",)),
    "Categorical": ("sparse_cce", ("probs",), ("logits",)),
    "OneHotCategorical": ("cce", ("probs",), ("logits",)),
}
"""the loss, the parameter that is the prediction, and the one that is the prediction's logits"""


@TABLE.prefix("torch.distributions")
def distribution(run: Run, name: str, call: Call) -> Value:
    """A distribution; ``kl_divergence`` of two of them is a latent term."""
    if name.endswith("kl_divergence"):
        found = [tensor for value in call.args for tensor in _parameters(run, value)]
        made = heads.undetermined(run, Seq(list(found)), "a divergence of two codes", call.where)
        if isinstance(made, Tensor) and found:
            return replace(made, divergence=Divergence(1.0, (), found[0].head.shape, call.where))
        return made
    made = Object(DISTRIBUTION, call)
    made.state = name.rpartition(".")[2]
    return made


def _parameters(run: Run, value: Value) -> list[Tensor]:
    value = _inside(value)
    if isinstance(value, Object) and value.call is not None:
        return [tensor for item in value.call.values() for tensor in run.find_tensors(item)]
    return run.find_tensors(value)


def _inside(value: Value) -> Value:
    """What ``Independent(distribution, 1)`` only gives another shape."""
    for _ in range(4):
        if not isinstance(value, Object) or value.state != "Independent" or value.call is None:
            break
        value = value.call.get(0, "base_distribution") or value
    return value


@TABLE.method(DISTRIBUTION, "rsample", "sample")
def draw(run: Run, receiver: Any, call: Call) -> Value:
    """A random code around what the encoder says."""
    found = _parameters(run, receiver)
    if not found:
        return Array(values=NORMAL, random=True, root=run.fresh(), where=call.where, source="a distribution")
    head = Head(activation="linear", range=LINEAR_RANGE, shape=found[0].head.shape, logits_recoverable=Tri.NO)
    return replace(found[0], head=head, variational=Tri.YES, why=None)


@TABLE.attribute(DISTRIBUTION, "mean", "loc", "probs", "logits")
def centre(run: Run, receiver: Any) -> Value:
    """The parameter that a distribution was given first."""
    inside = _inside(receiver)
    given = inside.call.get(0, "loc", "probs", "logits") if isinstance(inside, Object) and inside.call else None
    return given if given is not None else Unknown("a parameter of a distribution")


@TABLE.method(DISTRIBUTION, "log_prob")
def log_likelihood(run: Run, receiver: Any, call: Call) -> Value:
    """``p.log_prob(x)``: of data, a loss with its sign turned; of a code, a latent term."""
    value = call.get(0, "value")
    found = _parameters(run, receiver)
    drawn = run.find_tensors(value)
    if drawn and found:  # trained by itself, it makes what was drawn more likely or less
        use = LossUse("policy_gradient", call.where.written, Tri.NO, location=call.where.location, custom=True)
        return LossValue(latent=True, between=(use, found[0]))
    if drawn or value is None or not found:
        return LossValue(latent=True) if drawn else Unknown("a log-likelihood", call.where)
    inside = _inside(receiver)
    assert isinstance(inside, Object)
    prediction, use, why = _likelihood(run, inside, call)
    use = criteria.resolved(use, value, prediction)
    made = losses.compared(run, use, prediction, value, call.where, framework=Framework.TORCH, why=why)
    return operators.binary(run, "*", made, Const(-1.0), call.where)


def _likelihood(run: Run, made: Object, call: Call) -> tuple[Value, LossUse, str | None]:
    """What a distribution predicts, the loss that its negative log-likelihood is, and why that is not known."""
    written, where = call.where.written, call.where
    kind = str(made.state)
    name, plain, logits = _LIKELIHOODS.get(kind, (None, (), ()))
    given = made.call
    assert given is not None
    prediction = given.get(0, *plain) if plain else None
    from_logits = Tri.NO
    if prediction is None or (isinstance(prediction, Const) and prediction.value is None):
        prediction = given.get(1, *logits) if logits else None
        from_logits = Tri.YES
    if name is None or prediction is None:
        found = heads.undetermined(run, Seq(list(_parameters(run, made))), f"a parameter of `{kind}`", where)
        use = LossUse(None, written, Tri.UNKNOWN, location=where.location)
        return found, use, f"the likelihood of a distribution `{kind}`"
    return prediction, LossUse(name, written, from_logits, _constants(kind, given), location=where.location), None


def _constants(kind: str, given: Call) -> tuple[tuple[str, Parameter], ...]:
    """What the loss has of a distribution besides its prediction: its scale, where that is fixed."""
    if kind == "Poisson":
        return ("factorial", True), ("log_input", False)
    if kind not in {"Normal", "Laplace"}:
        return ()
    scale = criteria.fixed(given.get(1, "scale"))
    if kind == "Laplace":
        return (("full", True), *(() if scale is None else (("scale", scale),)))
    return ("eps", 0.0), ("full", True), *(() if scale is None else (("variance", scale * scale),))
