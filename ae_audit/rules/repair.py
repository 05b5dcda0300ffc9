"""The least change after which head, loss and data of a setup suit each other.

Rules speak of one fault each, yet their remedies are applied together: so they are all taken from one plan, and never
contradict one another.
"""

from __future__ import annotations

from ae_audit.base.records import dataclass, replace
from ae_audit.rules.predicates import (
    FULL_SCALES,
    LABELS,
    ROUNDING,
    SIGNED_UNIT,
    Scale,
    fed_narrowly,
    is_simplex,
    scale_of,
    structure_of,
    top_of,
)
from ae_audit.schema.remedies import Advice, Change, ExpectLogits, Remedy, Rescale, SwapActivation, SwapLoss
from ae_audit.schema.training_setup import Framework, Relation, Structure, TrainingSetup
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.loss_families import BINARY, CATEGORICAL, OVERLAP, POINTWISE, takes_log_probabilities
from ae_audit.theory.ranges import Tri


@dataclass(frozen=True, slots=True)
class Repair:
    """One change to each part, None where the part may stay as it is."""

    activation: SwapActivation | Advice | None = None
    loss: SwapLoss | ExpectLogits | None = None
    rescale: Rescale | None = None

    @property
    def pairing(self) -> tuple[Remedy, ...]:
        """The changes to head and loss."""
        return tuple(remedy for remedy in (self.activation, self.loss) if remedy is not None)

    @property
    def everything(self) -> tuple[Remedy, ...]:
        return (*self.pairing, self.rescale) if self.rescale is not None else self.pairing


Shape = tuple[int | None, ...]


def one_shape(setup: TrainingSetup, made: Shape, wanted: Shape) -> Advice:
    """How a prediction of the shape ``made`` and a target of the shape ``wanted`` are given one."""
    torch = setup.framework is Framework.TORCH
    if len(made) == len(wanted) + 1 and len(made) > 1 and made[1] == 1:
        change = "unsqueeze(1) on" if torch else "np.expand_dims(…, 1) on"
        other = "squeeze(1) on the prediction, or " if torch and len(made) == 2 else ""
        return Advice(f"{other}{change} the target", Change.SHAPE)
    if torch and len(wanted) == len(made) + 1 and len(wanted) > 1 and wanted[1] == 1:
        return Advice("squeeze(1) on the target", Change.SHAPE)
    return Advice("the same shape for prediction and target")


def class_head(setup: TrainingSetup) -> Advice | None:
    """The head for a target of several classes that meets a single unit; None where their number is unknown."""
    reach, hull = setup.target.values.reach, setup.target.values.hull
    if setup.target.structure is not Structure.CLASS_INDEX or reach is None or not hull.bounded:
        return None
    classes = int(hull.hi) + 1
    if reach.hi < hull.hi or not 2 < classes <= MOST_CLASSES:
        return None
    if setup.framework is Framework.TORCH:
        change = f"nn.Linear(…, {classes}) without an activation, and nn.CrossEntropyLoss on the class indices"
    else:
        change = f'Dense({classes}, activation="softmax"), and sparse categorical cross-entropy'
    return Advice(f"{_COUNTS.get(classes, classes)} classes: {change}", Change.CLASSES)


MOST_CLASSES = 1000
"""more are a vocabulary, or no classes at all"""
_COUNTS = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


def repair(setup: TrainingSetup) -> Repair:
    """The least change after which ``setup`` suits; empty parts where too little is known to name one."""
    if setup.loss.name in OVERLAP:
        change = Repair(_for_overlap(setup), rescale=_rescale(setup, signed=False, unit=True))
    elif structure_of(setup) in LABELS:
        change = Repair(*_for_labels(setup), rescale=_rescale(setup, signed=False, unit=False))
    elif scores_meet_indices(setup):
        change = Repair(*_for_scores(setup))
    else:
        change = _for_quantities(setup)
    # in the place of a sigmoid behind a relu nothing does: it is the relu that must go
    if fed_narrowly(setup):
        return replace(change, activation=None)
    recurrent = _recurrent(setup)
    if recurrent is not None and change.activation is not None:
        # its activation is a part of the cell, which without it is no such layer any more
        return replace(change, activation=Advice(f"a linear layer behind the {recurrent}"))
    return change


def _recurrent(setup: TrainingSetup) -> str | None:
    """The recurrent layer whose state is the output itself."""
    written = setup.head.written or ""
    if setup.head.activation not in {"tanh", "relu"}:
        return None
    found = next((name for name in ("LSTM", "GRU", "RNN") if name in written), None)
    return None if found is None else f"nn.{found}" if setup.framework is Framework.TORCH else found


def _is_measurement(setup: TrainingSetup) -> bool:
    """Whether the target holds quantities of no habitual scale: prices, ages, distances, temperatures."""
    target, shape, top = setup.target, setup.target.shape, top_of(setup.target)
    if scale_of(target) is not Scale.NON_NEGATIVE or top in FULL_SCALES:
        return False
    if top is not None and (target.values.hull.lo > ROUNDING * top or top != round(top)):
        return True  # as measured: a scale has ends that people would write
    if setup.reconstruction is Tri.YES:
        return False
    if shape is None:
        shape = setup.head.shape
    return shape is not None and len(shape) <= 2


def _for_quantities(setup: TrainingSetup) -> Repair:
    """A target of intensities or measurements, or one of which that much is unknown."""
    scale, loss = scale_of(setup.target), setup.loss
    name, logits = loss.name, loss.from_logits is Tri.YES
    swap: SwapLoss | None = None
    if name in CATEGORICAL:
        suits_bce = scale is Scale.UNIT or (scale is Scale.NON_NEGATIVE and top_of(setup.target) is not None)
        on_logits = _leaves_free(setup) and (logits or setup.framework is Framework.TORCH)
        swap = SwapLoss("bce", from_logits=on_logits) if suits_bce else SwapLoss("mse")
    elif name in BINARY and (
        scale is Scale.FREE
        or (scale is Scale.NON_NEGATIVE and (top_of(setup.target) is None or _is_measurement(setup)))
    ):
        swap = SwapLoss("mse")
    if swap is not None:
        name, logits = swap.to, swap.from_logits

    signed_head = name in POINTWISE and setup.head.range.values.hull.closure() == SIGNED_UNIT
    rescale = _rescale(setup, signed=signed_head, unit=name in BINARY)
    if rescale is not None and rescale.target:
        width = rescale.scale * (top_of(setup.target) or 0.0)
        scale = Scale.SIGNED if width > 1.5 else Scale.UNIT  # 2 or 1, but for rounding

    if name in BINARY:
        activation, expect = _binary_pairing(setup, logits)
        return Repair(activation, swap or expect, rescale)
    return Repair(_activation_for(setup, scale), swap, rescale)


def _binary_pairing(setup: TrainingSetup, logits: bool) -> tuple[SwapActivation | None, ExpectLogits | None]:
    """How head and binary cross-entropy come to agree: one sigmoid in all, in the head or in the loss."""
    keras = setup.framework is Framework.KERAS
    if logits:
        if _leaves_free(setup):
            return None, None
        if keras:
            return (None if _probability(setup) else SwapActivation("sigmoid")), ExpectLogits(False)
        return SwapActivation("linear"), None
    if _probability(setup):
        return None, None
    if not keras and setup.head.activation == "linear":
        return None, ExpectLogits(True)
    return SwapActivation("sigmoid"), None


def _activation_for(setup: TrainingSetup, scale: Scale) -> SwapActivation | None:
    """The activation for a target on ``scale`` under a pointwise loss; None where the present one will do."""
    box = {Scale.UNIT: UNIT, Scale.SIGNED: SIGNED_UNIT}.get(scale)
    hull = setup.head.range.values.hull
    constrained = setup.head.range.constraint is not None
    if box is not None:
        if not constrained and hull.covers(box, ROUNDING) and not wasted(hull, box):
            return None
        return SwapActivation("sigmoid" if box is UNIT else "tanh")
    if scale is Scale.UNKNOWN:
        return SwapActivation("linear") if constrained else None
    if not constrained and setup.target.values.leaves(hull, ROUNDING) is Tri.NO:
        return None
    return SwapActivation("linear")


def wasted(hull: Interval, box: Interval) -> bool:
    """Whether a bounded head spends a third or more of its range where data in ``box`` never lies.

    A third, because that is clear of the few per cent by which people stretch a sigmoid on purpose, and below the half
    that tanh loses on [0, 1].
    """
    return hull.bounded and hull.width > 0 and box.width <= 2 / 3 * hull.width


def _rescale(setup: TrainingSetup, *, signed: bool, unit: bool) -> Rescale | None:
    """The division that brings raw data onto the unit interval (onto [-1, 1] where ``signed``)."""
    labels = structure_of(setup) in LABELS
    shared, measured = setup.relation is Relation.SAME, _is_measurement(setup)
    target_top = None if labels or measured else top_of(setup.target)
    input_top = None if setup.input.structure in LABELS or (shared and measured) else top_of(setup.input)
    top = target_top or input_top
    if top is None:
        if unit and not labels and scale_of(setup.target) is Scale.SIGNED:
            return Rescale(0.5, 0.5, input=shared, target=True)
        return None
    # on a shared array one division mends both; two arrays are only divided together by the same number
    rescale_input = shared or input_top == top
    rescale_target = not labels and (shared or target_top == top)
    if signed and target_top:
        return Rescale(2 / top, -1.0, input=rescale_input, target=rescale_target)
    return Rescale(1 / top, 0.0, input=rescale_input, target=rescale_target)


def _for_labels(setup: TrainingSetup) -> tuple[SwapActivation | None, SwapLoss | ExpectLogits | None]:
    """Head and loss for class labels: one sigmoid for independent labels, one softmax for exclusive ones."""
    structure, loss, units = structure_of(setup), setup.loss, setup.head.units
    logits = loss.from_logits is Tri.YES
    if structure is Structure.MULTI_HOT or (structure is Structure.BINARY_LABEL and units in {1, None}):
        swap = None if loss.name in BINARY else SwapLoss("bce", from_logits=logits and _leaves_free(setup))
        activation, expect = _binary_pairing(setup, logits if swap is None else swap.from_logits)
        return activation, swap or expect
    wanted = "sparse_cce" if structure in {Structure.CLASS_INDEX, Structure.BINARY_LABEL} else "cce"
    if takes_log_probabilities(loss.name, torch=setup.framework is Framework.TORCH):
        if wanted == "sparse_cce" and loss.name != "nll":  # a divergence compares distributions, and no indices
            swap_to = SwapLoss("nll") if setup.head.activation == "log_softmax" else SwapLoss(wanted, from_logits=True)
            return (None if swap_to.to == "nll" or _leaves_free(setup) else SwapActivation("linear")), swap_to
        return (None if setup.head.activation == "log_softmax" else SwapActivation("log_softmax")), None
    if setup.framework is Framework.TORCH and not (loss.custom and loss.from_logits is Tri.NO):
        # torch has no categorical cross-entropy on probabilities: CrossEntropyLoss takes logits
        swap = None if loss.name in CATEGORICAL else SwapLoss(wanted, from_logits=True)
        return (None if _leaves_free(setup) else SwapActivation("linear")), swap
    swap = None if loss.name in CATEGORICAL else SwapLoss(wanted)
    if logits and swap is None:
        if _leaves_free(setup):
            return None, None
        return (None if is_simplex(setup) else SwapActivation("softmax")), ExpectLogits(False)
    return (None if is_simplex(setup) else SwapActivation("softmax")), swap


def scores_meet_indices(setup: TrainingSetup) -> bool:
    """Whether the output has one value for each class where the target has one whole number.

    Grey levels are such numbers too: a loss that compares value with value would be no help against them here.
    """
    made, wanted, units = setup.head.shape, setup.target.shape, setup.head.units
    hull, dtype = setup.target.values.hull, setup.target.dtype or ""
    if made is None or wanted is None or units is None or units < 3 or len(made) != len(wanted) + 1:
        return False
    axis = len(made) - 1 if setup.framework is Framework.KERAS else 1
    rest = made[:axis] + made[axis + 1 :]
    agree = all(a == b or None in {a, b} for a, b in zip(rest, wanted, strict=True))
    return agree and made[axis] == units and hull.lo >= 0 and 1 < hull.hi <= units and dtype.startswith(("int", "long"))


def _for_scores(setup: TrainingSetup) -> tuple[SwapActivation | None, SwapLoss]:
    if setup.framework is not Framework.TORCH:
        return (None if is_simplex(setup) else SwapActivation("softmax")), SwapLoss("sparse_cce")
    if setup.head.activation == "log_softmax":
        return None, SwapLoss("nll")
    return (None if _leaves_free(setup) else SwapActivation("linear")), SwapLoss("sparse_cce", from_logits=True)


def _for_overlap(setup: TrainingSetup) -> SwapActivation | None:
    """A loss that compares sets suits any shares, of a softmax as of a sigmoid: it is kept."""
    if UNIT.covers(setup.head.range.values.hull, ROUNDING):
        return None
    exclusive = structure_of(setup) in {Structure.CLASS_INDEX, Structure.ONE_HOT} and setup.head.units != 1
    return SwapActivation("softmax" if exclusive else "sigmoid")


def _leaves_free(setup: TrainingSetup) -> bool:
    """Whether the head is unbounded on both sides, as logits must be."""
    hull = setup.head.range.values.hull
    return setup.head.range.constraint is None and hull.is_real_line


def _probability(setup: TrainingSetup) -> bool:
    """Whether the head gives independent probabilities."""
    return setup.head.range.constraint is None and UNIT.covers(setup.head.range.values.hull, ROUNDING)
