"""What the rules say of a cell: a training setup made of the theory's tables and the facts of the real data."""

from __future__ import annotations

from functools import cache

from truth_cells import FITTED, Data, data_sets

from ae_audit.rules.runner import check
from ae_audit.runtime.measure.facts import facts_of
from ae_audit.schema.findings import Finding
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import DataFacts, Framework, Head, LossUse, ModelFacts, Relation, TrainingSetup
from ae_audit.theory.activations import find
from ae_audit.theory.ranges import Tri

RULES = ("AE1", "AE2", "AE301")
"""those of the output layer and the loss, and that of raw input"""
SCALED = {"(tanh + 1) / 2": ("tanh", 0.5, 0.5), "255 sigmoid": ("sigmoid", 255.0, 0.0)}
LOSS_NAMES = {
    "kl": "kl_divergence",
    "cosine": "cosine_similarity",
    "soft margin": "soft_margin",
    "poisson on log-rates": "poisson",
}


def setup_of(backend: str, head: str, loss: str, data: Data) -> TrainingSetup:
    """The setup that a capture of this cell gives (``tests/benchmarks`` compares them)."""
    framework = Framework.TORCH if backend == "torch" else Framework.KERAS
    name, scale, shift = SCALED.get(head, (head, 1.0, 0.0))
    axis = {"softmax": -1 if framework is Framework.KERAS else 1, "log_softmax": 1}.get(head)
    produced = find(name).range_of(find("linear").range, data.units)
    if head in SCALED:
        produced = produced.affine(scale, shift)
    on_tensorflow = backend == "keras-tensorflow" and head in {"sigmoid", "softmax"}
    base = loss.removesuffix(" on logits")
    canonical = "sparse_cce" if base == "cce" and data.y.ndim == 1 else LOSS_NAMES.get(base, base)
    parameters: dict[str, bool] = {}
    if loss == "poisson" or (loss == "kl" and framework is Framework.TORCH):
        parameters["log_input"] = loss == "kl"
    if loss == "poisson on log-rates":
        parameters["log_input"] = True
    if loss == "hinge":
        parameters["converts_binary"] = True
    setup = TrainingSetup(
        framework=framework,
        location=Location("cell.py", 1),
        backend=None if framework is Framework.TORCH else backend.removeprefix("keras-"),
        head=Head(
            activation=name,
            written=head,
            range=produced,
            axis=axis,
            units=data.units,
            shape=(None, data.units),
            after=() if head not in SCALED else ("affine",),
            logits_recoverable=Tri.of(on_tensorflow),
        ),
        loss=LossUse(
            name=canonical,
            written=loss,
            from_logits=Tri.of(loss.endswith(" on logits")),
            parameters=tuple(parameters.items()),
            reduction="mean",
            alone=Tri.YES,
        ),
        target=_facts(data.name, of_input=False),
        input=_facts(data.name, of_input=True),
        relation=Relation.LABELS if data.labels else Relation.SAME,
        model=ModelFacts(normalises_input=Tri.NO),
        seen_by=("runtime",),
    )
    return setup


@cache
def _facts(name: str, *, of_input: bool) -> DataFacts:
    data = data_sets()[name]
    role = "reconstruction" if of_input or not data.labels else ("class index" if data.y.ndim == 1 else None)
    return facts_of((data.x if of_input else data.y)[:FITTED], role=role)


def findings_of(backend: str, head: str, loss: str, data: Data) -> tuple[Finding, ...]:
    """What the rules find in the cell."""
    setup = setup_of(backend, head, loss, data)
    findings, _ = check([setup], select=RULES)
    return findings
