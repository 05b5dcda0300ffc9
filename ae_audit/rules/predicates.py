"""Questions that several rules ask of a training setup, and the evidence that goes with the answers."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ae_audit.schema.findings import Evidence, Span, UnknownFact
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.training_setup import NOTHING_TO_SPEAK_OF, DataFacts, Framework, Structure, TrainingSetup
from ae_audit.theory.activations import ELEMENTWISE, Constraint, find_activation
from ae_audit.theory.intervals import UNIT, Interval, format_number
from ae_audit.theory.loss import PredictionKind
from ae_audit.theory.loss_families import POINTWISE, RATES, TAKES_CLASS_INDEX
from ae_audit.theory.losses import find_loss
from ae_audit.theory.ranges import Tri

LABELS = frozenset(
    {Structure.CLASS_INDEX, Structure.ONE_HOT, Structure.DISTRIBUTION, Structure.MULTI_HOT, Structure.BINARY_LABEL}
)
"""structures whose numbers stand for classes or probabilities, not for quantities"""

ROUNDING = 1e-3
"""how far outside its interval a value may lie: 255 · float32(1/255) and an 8-bit round trip stay below it"""
BEYOND_PROBABILITY = 0.01
"""how far from [0, 1] a value must lie to be no probability, smoothed or rounded"""
LABEL_NOISE = 0.1
"""by which noise may carry the labels of an adversarial net beyond 0 and 1: Keras' clipped loss survives it"""

NEARLY = 1e-3
"""share of the variance by which float32 sums of two values may be off"""

NEGLIGIBLE_SHARE, NEGLIGIBLE_LOSS = 5e-4, 5e-5
"""what a certificate would print as 0.0 % out of reach, and as an R² of at most 1"""

FULL_SCALES = (255.0, 65535.0)
"""the highest values of images of 8 and of 16 bits"""
SIGNED_UNIT = Interval(-1.0, 1.0)


class Scale(Enum):
    """The habitual scales of data."""

    UNKNOWN = "unknown"
    UNIT = "[0, 1]"
    SIGNED = "[-1, 1]"
    NON_NEGATIVE = "[0, top]"
    """from 0 (or thereabouts) to a known or unknown top above 1: raw 8-bit images, counts"""
    FREE = "free"
    """anything else: standardised data, measurements"""


def scale_of(data: DataFacts) -> Scale:
    """The habitual scale on which ``data`` surely lies."""
    hull, reach = data.values.hull, data.values.reach
    if data.standardised is Tri.YES:
        return Scale.FREE
    if UNIT.covers(hull, ROUNDING):
        return Scale.UNIT
    if SIGNED_UNIT.covers(hull, ROUNDING):
        return Scale.SIGNED
    if reach is not None and reach.lo < -ROUNDING:
        return Scale.FREE
    if hull.lo >= -ROUNDING and reach is not None and reach.hi > 1 + ROUNDING:
        return Scale.NON_NEGATIVE
    return Scale.UNKNOWN


def top_of(data: DataFacts) -> float | None:
    """The number that maps non-negative ``data`` onto [0, 1] when divided by it, where it is known."""
    top = data.values.hull.hi
    if scale_of(data) is not Scale.NON_NEGATIVE or top == float("inf"):
        return None
    for full_scale in FULL_SCALES:
        # a batch of 8-bit images need not hold a 255
        if 0.5 * full_scale < top <= full_scale:
            return full_scale
    return top


def structure_of(setup: TrainingSetup) -> Structure:
    """What the numbers of the target stand for, in the eyes of this loss.

    A 256-way classification of grey levels has images for its target; the loss makes class indices of them.
    """
    target, loss = setup.target, setup.loss.name
    if loss not in TAKES_CLASS_INDEX or target.structure not in {Structure.CONTINUOUS, Structure.UNKNOWN}:
        return target.structure
    dtype = target.dtype or ""
    if dtype.startswith(("int", "uint", "long")) or (loss == "nll" and not dtype.startswith("float")):
        return Structure.CLASS_INDEX
    fractions = SIGNED_UNIT.covers(target.values.hull, ROUNDING)
    if fractions or (loss == "cross_entropy" and dtype.startswith("float")):
        return target.structure
    return Structure.UNKNOWN


def span_of(data: DataFacts) -> float | None:
    """The width of the data, where hull and reach agree on it to within a factor of two."""
    if data.measured is not None:
        return data.measured.quantiles[-2] - data.measured.quantiles[1]
    hull, reach = data.values.hull, data.values.reach
    if reach is None or not hull.bounded or reach.width < hull.width / 2:
        return None
    return reach.width


def exactly_binary(data: DataFacts) -> Tri:
    """Whether every value is 0 or 1."""
    if data.measured is not None:
        return Tri.of(data.measured.zero_share + data.measured.one_share > 1 - 1e-9)
    if data.structure in {Structure.BINARY_LABEL, Structure.MULTI_HOT, Structure.ONE_HOT} or data.dtype == "bool":
        return Tri.YES
    return Tri.NO if data.structure in {Structure.CONTINUOUS, Structure.DISTRIBUTION} else Tri.UNKNOWN


def two_valued(data: DataFacts) -> bool:
    """Whether the data surely hold two values and nothing between, as the masks of 0 and 255 do.

    Of all values between two ends those at the ends themselves, and they alone, vary as much as their mean allows.
    """
    seen = data.measured
    if seen is None or seen.non_finite:
        return False
    most = (seen.mean - seen.quantiles[0]) * (seen.quantiles[-1] - seen.mean)
    return most > 0 and seen.std**2 > (1 - NEARLY) * most


def is_simplex(setup: TrainingSetup) -> bool:
    """Whether the predictions are known to be non-negative and to sum to 1 along an axis."""
    produced = setup.head.range
    return produced.constraint is Constraint.SIMPLEX and produced.scale == 1.0 and produced.shift == 0.0


def simplex_axis(setup: TrainingSetup) -> int | None:
    """The axis of the head's distribution, as written; None where unknown."""
    return setup.head.axis if setup.head.axis is not None else setup.head.range.axis


def target_is_distribution(setup: TrainingSetup) -> Tri:
    """Whether the target is a distribution along the axis of the head's softmax, or a class index for it."""
    target, axis = setup.target, simplex_axis(setup)
    if target.measured is not None and target.measured.sums_to_one_along:
        along = target.measured.sums_to_one_along
        if axis is None or target.shape is None:
            return Tri.YES if axis is None or axis in along else Tri.UNKNOWN
        return Tri.of(axis % len(target.shape) in {index % len(target.shape) for index in along})
    structure = structure_of(setup)
    may_be_index = setup.loss.name in TAKES_CLASS_INDEX
    if structure in {Structure.CLASS_INDEX, Structure.BINARY_LABEL}:
        return Tri.YES if may_be_index else Tri.UNKNOWN
    known = Tri.UNKNOWN if structure is Structure.UNKNOWN else target.distribution_along(axis)
    if known is Tri.UNKNOWN and not may_be_index and target.values.leaves(UNIT, BEYOND_PROBABILITY) is Tri.YES:
        return Tri.NO
    return known


def class_count(setup: TrainingSetup) -> int | None:
    """How many classes the prediction tells apart: its extent along the axis that a categorical loss looks along."""
    shape, head = setup.head.shape, setup.head
    if shape is None:
        return head.units
    axis = head.axis if head.axis is not None else 1 if setup.framework is Framework.TORCH else -1
    if len(shape) < 2:
        return None  # one sample without its batch axis, or one value a sample
    return shape[axis] if -len(shape) <= axis < len(shape) else head.units


def indices_for_vectors(setup: TrainingSetup) -> bool:
    """Whether a target with an axis less than the prediction stands where the loss needs a vector for each sample."""
    made, wanted = setup.head.shape, setup.target.shape
    return made is not None and wanted is not None and setup.loss.name == "cce" and len(wanted) == len(made) - 1


def head_known(setup: TrainingSetup) -> bool:
    """Whether anything is known of the values that the output can take."""
    return not setup.head.range.values.unknown


def of_log_rates(setup: TrainingSetup) -> bool:
    """Whether this likelihood takes the logarithm of a rate, as torch's Poisson does unless told otherwise."""
    given = dict(setup.loss.parameters).get("log_input", setup.framework is Framework.TORCH) is not False
    loss = find_loss(setup.loss.name or "", log_input=given)
    return loss is not None and loss.prediction_kind is PredictionKind.LOG_RATE


def compares_values(setup: TrainingSetup) -> bool:
    """Whether the loss is known to compare the prediction, on its own scale, with the target."""
    return setup.loss.name in POINTWISE or (setup.loss.name in RATES and not of_log_rates(setup))


def on_tensorflow(setup: TrainingSetup) -> Tri:
    """Whether Keras runs on TensorFlow here."""
    if setup.framework is not Framework.KERAS:
        return Tri.NO
    return Tri.of(None if setup.backend is None else setup.backend == "tensorflow")


# Places and words


def head_place(setup: TrainingSetup) -> Location:
    """Where the output activation is named."""
    return setup.head.location or setup.location


def loss_place(setup: TrainingSetup) -> Location:
    """Where the loss is named."""
    return setup.loss.location or setup.location


def activation_words(setup: TrainingSetup) -> str:
    """The output activation, for a sentence."""
    return setup.head.activation or setup.head.written or "the output layer"


def fed_narrowly(setup: TrainingSetup) -> bool:
    """Whether the output activation is fed so that it produces less than it could: a sigmoid behind a relu."""
    head = setup.head
    if head.activation is None or head.activation not in ELEMENTWISE - {"linear"} or head.after:
        return False
    activation = find_activation(head.activation, **dict(head.parameters))
    if activation is None:
        return False
    own, here = activation.range.values.hull, head.range.values.hull
    return own.covers(here) and not here.covers(own, ROUNDING)


def output_words(setup: TrainingSetup) -> str:
    """What produces the prediction, as the subject of a sentence."""
    return "the linear output" if setup.head.activation == "linear" else activation_words(setup)


LOSS_WORDS = {
    "bce": "binary cross-entropy",
    "cce": "categorical cross-entropy",
    "sparse_cce": "categorical cross-entropy",
    "cross_entropy": "cross-entropy",
    "nll": "the negative log-likelihood",
    "kl_divergence": "the KL divergence",
    "poisson": "the Poisson likelihood",
    "mse": "the mean squared error",
    "mae": "the mean absolute error",
    "distance": "the program's own distance",
}
"""what losses are called in a sentence, where that is another word than the theory's name"""


def loss_words(setup: TrainingSetup) -> str:
    """The loss as its user knows it."""
    name = LOSS_WORDS.get(setup.loss.name or "", setup.loss.name or setup.loss.written or "the loss")
    return f"{name} on logits" if setup.loss.from_logits is Tri.YES else name


def values_words(data: DataFacts) -> str:
    """What is known of the values, for a sentence: ``[0, 255] (mnist.load_data())``."""
    origin = f" ({data.source})" if data.source else ""
    if data.standardised is Tri.YES and not data.values.hull.bounded:
        return f"standardised, with values below 0 and above 1{origin}"
    return f"{data.values}{origin}"


def spans(setup: TrainingSetup, *, but: Location, loss: bool = True, target: bool = True) -> tuple[Span, ...]:
    """The other places that a finding at ``but`` speaks of."""
    places = [
        (setup.head.location, f"the output: {setup.head.written or setup.head.activation}"),
        (setup.loss.location if loss else None, f"the loss: {setup.loss.written or setup.loss.name}"),
        (setup.target.location if target else None, f"the target: {setup.target.values}"),
        (setup.location, "trained here"),
    ]
    seen, result = {but}, []
    for place, label in places:
        if place is not None and place not in seen:
            seen.add(place)
            result.append(Span(place, label))
    return tuple(result)


def evidence(setup: TrainingSetup, *parts: str) -> tuple[Evidence, ...]:
    """How the facts of ``parts`` (``head``, ``loss``, ``target``, ``input``) are known: trails, data seen, bounds."""
    return tuple(_evidence(setup, parts))


def _evidence(setup: TrainingSetup, parts: tuple[str, ...]) -> Iterator[Evidence]:
    seen: set[TrailStep] = set()
    for part in parts:
        data = {"target": setup.target, "input": setup.input}.get(part)
        trail = {"head": setup.head.trail, "loss": setup.loss.trail}.get(part, data.trail if data else ())
        for step in trail:
            if step not in seen:
                seen.add(step)
                yield Evidence("static", step.text, step.location)
        if data is not None and data.measured is not None:
            yield _measured(part, data)
    if setup.certificate is not None and "target" in parts:
        yield from _certificate(setup)
    if setup.ideal is not None and setup.ideal.misses and "target" in parts:
        yield _ideal(setup.ideal)


def _measured(part: str, data: DataFacts) -> Evidence:
    seen = data.measured
    assert seen is not None
    low, high = seen.quantiles[0], seen.quantiles[-1]
    stand_in = ", a stand-in of the same shape and range," if data.stand_in else ""
    text = (
        f"the {part} of {seen.samples} samples seen at the loss{stand_in} runs from {format_number(low)} to "
        f"{format_number(high)}, mean {format_number(seen.mean)}, standard deviation {format_number(seen.std)}"
    )
    figures = (("samples", seen.samples), ("min", low), ("max", high), ("mean", seen.mean), ("std", seen.std))
    return Evidence("runtime", text, data.location, figures)


def _certificate(setup: TrainingSetup) -> Iterator[Evidence]:
    bound = setup.certificate
    assert bound is not None
    if bound.attainable_r2 is None or (
        bound.unreachable_share < NEGLIGIBLE_SHARE and bound.attainable_r2 > 1 - NEGLIGIBLE_LOSS
    ):
        return  # the output layer can produce the whole target: that rules out no weights
    best = format_number(bound.attainable_r2).replace("-", "−")
    tried = ", as far as its range was tried" if setup.head.sampled else ""
    text = (
        f"with any weights, R² of the predictions is at most {best}{tried} on "
        f"{bound.samples} samples (predicting the mean target scores 0); "
        f"{bound.unreachable_share:.1%} of the target lies where the output layer cannot go"
    )
    figures = (
        ("attainable_r2", bound.attainable_r2),
        ("unreachable_share", bound.unreachable_share),
        ("samples", bound.samples),
    )
    yield Evidence("certificate", text, None, figures)


def _ideal(ideal: Ideal) -> Evidence:
    part = f"{ideal.samples} of {ideal.of_samples}" if ideal.samples < ideal.of_samples else str(ideal.samples)
    if ideal.outcome is Outcome.UNDEFINED:
        cost = number_words(ideal.target_loss)
        text = f"the loss of what the network gives at first is NaN, that of the target itself {cost} ({part} samples)"
        known = (("outcome", ideal.outcome.value), ("target_loss", ideal.target_loss), ("samples", ideal.samples))
        return Evidence("ideal", text, None, known)
    text = (
        f"even a network that could output anything ends at R² {number_words(ideal.r2)} (correlation "
        f"{number_words(ideal.correlation)}) under this loss; the target itself costs "
        f"{number_words(ideal.target_loss)}, what it ends at {number_words(ideal.end_loss)}"
    )
    if ideal.outcome is Outcome.UNREACHABLE:
        text += f"; the output layer comes as near to the target as R² {number_words(ideal.reachable)}"
    elif ideal.outcome is Outcome.BLIND:
        text += f", the targets of other samples {number_words(ideal.shuffled_loss)}"
    elif ideal.outcome is Outcome.DEAD:
        text += f"; where the network starts {ideal.dead_share or 0.0:.1%} of the values have no gradient"
    text += f" ({part} samples, {ideal.values} free values, fitted by damped Adam)"
    figures = (
        ("outcome", ideal.outcome.value),
        ("r2", ideal.r2),
        ("correlation", ideal.correlation),
        ("target_loss", ideal.target_loss),
        ("end_loss", ideal.end_loss),
        ("shuffled_loss", ideal.shuffled_loss),
        ("reachable", ideal.reachable),
        ("samples", ideal.samples),
    )
    return Evidence("ideal", text, None, figures)


def number_words(value: float | None) -> str:
    """A figure with three significant digits, for a sentence."""
    return "unknown" if value is None else format_number(float(f"{value:.3g}")).replace("-", "−")


def beaten_by_the_mean(setup: TrainingSetup) -> bool:
    """Whether the certificate proves that no weights beat predicting the mean target by anything that counts.

    A range that was found by trying proves nothing.
    """
    bound = setup.certificate
    beaten = bound is not None and bound.attainable_r2 is not None and bound.attainable_r2 < NOTHING_TO_SPEAK_OF
    return beaten and not setup.head.sampled


def shown_by_the_run(setup: TrainingSetup) -> bool:
    """Whether the loss refused what it was given, or led even an ideal network away from the target."""
    return setup.loss.raises is not None or (setup.ideal is not None and setup.ideal.misses)


def raised(setup: TrainingSetup) -> Iterator[Evidence]:
    """What the loss said when the program ended there."""
    if setup.loss.raises is not None:
        yield Evidence("runtime", f"the loss raised: {setup.loss.raises}", setup.location)


# What is unknown


def unknown_target(setup: TrainingSetup) -> UnknownFact:
    """The values of the target are unknown."""
    target = setup.target
    if target.values.unknown:
        return UnknownFact("target range", _why(setup, "the values of the target are not known"))
    last = f" ({target.trail[-1].text})" if target.trail else ""
    return UnknownFact("target range", _why(setup, f"all that is known of the target: it is {target.values}{last}"))


def unknown_structure(setup: TrainingSetup) -> UnknownFact:
    """It is unknown what the numbers of the target stand for."""
    default = "it is not known whether the target holds quantities, class labels or distributions"
    return UnknownFact("target structure", _why(setup, default))


def unknown_head(setup: TrainingSetup) -> UnknownFact:
    """The range of the output is unknown."""
    default = f"the range of {setup.head.written}" if setup.head.written else "the output activation"
    return UnknownFact("output activation", _why(setup, f"{default} is not known"))


def unknown_loss(setup: TrainingSetup) -> UnknownFact:
    """What the loss computes, or whether it takes logits, is unknown."""
    default = f"what {setup.loss.written} computes" if setup.loss.written else "the loss"
    return UnknownFact("loss", _why(setup, f"{default} is not known"))


def _why(setup: TrainingSetup, reason: str) -> str:
    if "runtime" in setup.seen_by or "static" not in setup.seen_by:
        return reason  # there is nothing more that could be run
    return f"{reason}; run the program (without --static) to find out"
