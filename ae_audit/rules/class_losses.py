"""Losses over classes, and what is wrong with a head before one: questions of AE209."""

from __future__ import annotations

from ae_audit.rules.predicates import (
    LABELS,
    ROUNDING,
    class_count,
    head_known,
    is_simplex,
    loss_words,
    on_tensorflow,
    output_words,
    structure_of,
)
from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import Framework, Structure, TrainingSetup
from ae_audit.theory.activations import ELEMENTWISE
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.loss_families import (
    CATEGORICAL,
    CLASS_SCORES,
    ONLY_CLASS_INDEX,
    UNNORMALISED,
    takes_log_probabilities,
)
from ae_audit.theory.ranges import Tri

CROSS_ENTROPIES = frozenset({"cce", "sparse_cce", "cross_entropy"})
"""losses over classes of which only the ratios of the outputs count"""
NON_POSITIVE = Interval(float("-inf"), 0.0)
CLASSES = frozenset({Structure.CLASS_INDEX, Structure.ONE_HOT})
EXCLUSIVE = "softmax makes the labels of a sample exclude each other, but several of them apply at once"


def several_hold(setup: TrainingSetup) -> bool:
    """Whether samples have several labels at once, not one or none (the empty row of a place that does not count)."""
    target = setup.target
    if structure_of(setup) is not Structure.MULTI_HOT:
        return False
    labels = target.shape[-1] if target.shape else None
    if target.measured is None or labels is None:
        return True
    return target.measured.mean * labels > 1 + ROUNDING


def excludes(setup: TrainingSetup) -> bool:
    """Whether a loss that takes the softmax itself meets several labels: of plain scores, not of similarities."""
    plain = setup.head.activation == "linear" and not setup.loss.custom and class_count(setup) is not None
    return plain and several_hold(setup)


def over_one_unit(setup: TrainingSetup) -> str | None:
    """A loss over the classes of one unit: what it says does not depend on the target."""
    loss, known = setup.loss.name, head_known(setup)
    constant = known and setup.head.range.values.hull.width == 0  # a softmax over one unit is AE106's
    if class_count(setup) != 1 or constant or setup.head.range.constraint is not None:
        return None
    on_logits = known and (loss in CLASS_SCORES or (loss in CATEGORICAL and setup.loss.from_logits is Tri.YES))
    if on_logits or (loss in CROSS_ENTROPIES and not setup.loss.custom):
        return _of_one_class(setup)
    if loss in UNNORMALISED and known and setup.framework is Framework.KERAS:
        return f"{loss_words(setup)} over a single unit rewards the largest output, whatever the target"
    return None


def _of_one_class(setup: TrainingSetup) -> str:
    """Measured: TensorFlow and torch refuse class indices that are not below the number of units, JAX does not."""
    words, reach = loss_words(setup), setup.target.values.reach
    others = reach is not None and reach.hi > ROUNDING
    if setup.loss.name not in ONLY_CLASS_INDEX or not others or setup.backend == "jax":
        return f"{words} over a single unit is 0, whatever the weights and the answers"
    where = {None: "TensorFlow and torch", "tensorflow": "TensorFlow", "torch": "torch"}.get(
        setup.backend, "the backend"
    )
    return f"{words} over a single unit knows class 0 alone, at a loss of 0: any other label is an error on {where}"


def categorical_fault(setup: TrainingSetup) -> tuple[str, Severity] | None:
    """Categorical cross-entropy of probabilities."""
    head, structure = setup.head, structure_of(setup)
    if is_simplex(setup):
        return (EXCLUSIVE, Severity.ERROR) if several_hold(setup) else None
    independent = head.range.constraint is None and _probabilities_of_their_own(setup)
    if not independent or head.range.values.hull.width == 0 or not (structure in LABELS or _may_be_labels(setup)):
        return None
    text = f"{loss_words(setup)} needs a softmax, but {output_words(setup)} gives each class a probability of its own"
    divided = setup.loss.name in CROSS_ENTROPIES  # by the sum, or by way of the logits
    seen_through = divided and head.activation == "sigmoid" and head.logits_recoverable is Tri.YES
    tensorflow = on_tensorflow(setup)
    if not seen_through or tensorflow is Tri.NO or structure is Structure.MULTI_HOT:
        return text, Severity.ERROR
    elsewhere = "; on torch and JAX the loss is another one too" if tensorflow is Tri.UNKNOWN else ""
    undone = (
        "Keras on TensorFlow trains the softmax behind it, so the loss and the arg max are right, but the values that "
        "predict() returns are no probabilities"
    )
    return f"{text}: {undone}{elsewhere}", Severity.WARNING


def binary_fault(setup: TrainingSetup) -> tuple[str, Severity] | None:
    """Binary cross-entropy of a softmax."""
    structure, classes = structure_of(setup), class_count(setup)
    if several_hold(setup):
        return EXCLUSIVE, Severity.ERROR
    if structure in CLASSES and classes is not None and classes > 2:
        return "softmax over classes belongs with categorical, not binary, cross-entropy", Severity.WARNING
    seen_through = setup.head.logits_recoverable is Tri.YES and on_tensorflow(setup) is Tri.YES
    if structure is Structure.DISTRIBUTION and seen_through:
        return (
            f"Keras on TensorFlow computes {loss_words(setup)} from the logits behind the softmax, as a sigmoid's: "
            "the shares that predict() returns are not those that were trained",
            Severity.WARNING,
        )
    return None


def _probabilities_of_their_own(setup: TrainingSetup) -> bool:
    """Whether each output is what the loss takes for a probability (or its logarithm), whatever the others are."""
    head = setup.head
    if not takes_log_probabilities(setup.loss.name, torch=setup.framework is Framework.TORCH):
        return UNIT.covers(head.range.values.hull, ROUNDING)
    # a logarithm may be that of a distribution, guarded by an epsilon
    own = head.activation is not None and head.activation in ELEMENTWISE - {"log", "linear"} and not head.after
    return own and NON_POSITIVE.covers(head.range.values.hull, ROUNDING)


def _may_be_labels(setup: TrainingSetup) -> bool:
    """Whether the target, of which nothing is known, can only be labels for a library's loss."""
    return structure_of(setup) is Structure.UNKNOWN and not setup.loss.custom and setup.reconstruction is not Tri.YES
