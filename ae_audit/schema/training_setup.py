"""``TrainingSetup``: one prediction meeting one target in one loss. The one value that all stages share.

The static stage fills in what it can prove and leaves the rest unknown; the runtime stage fills in the same fields from
real tensors. Rules read a ``TrainingSetup`` and know nothing of where it came from. Everything in here is plain data:
it can be written as JSON and read back (:mod:`ae_audit.schema.codec`).
"""

from __future__ import annotations

from enum import Enum

from ae_audit.base.records import dataclass, field
from ae_audit.schema.ideal import Ideal
from ae_audit.schema.location import Location, TrailStep
from ae_audit.schema.merging import BOTH, INSIDE, JUDGED, OWNED, READ, RUN, fact, goes_with
from ae_audit.theory.activations import UNKNOWN_ACTIVATION_RANGE, ActivationRange
from ae_audit.theory.ranges import UNKNOWN_RANGE, Tri, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.theory.losses import Loss

Parameter = bool | int | float | str | None
Parameters = tuple[tuple[str, Parameter], ...]


class Framework(Enum):
    """Whose model it is."""

    KERAS = "keras"
    TORCH = "torch"


class Structure(Enum):
    """What the numbers of an array stand for."""

    UNKNOWN = "unknown"
    CONTINUOUS = "continuous"
    """intensities, measurements: each value for itself, no axis along which they form a distribution"""
    CLASS_INDEX = "class index"
    ONE_HOT = "one-hot"
    DISTRIBUTION = "distribution"
    MULTI_HOT = "multi-hot"
    """independent 0/1 labels along an axis"""
    BINARY_LABEL = "binary label"
    """one 0/1 label a sample"""


class Relation(Enum):
    """How the target comes from the input."""

    UNKNOWN = "unknown"
    SAME = "same array"
    RESCALED = "rescaled"
    """an affine map of the input, other than the identity"""
    NOISED_INPUT = "the input is a corrupted target"
    NOISED_TARGET = "the target is a corrupted input"
    LABELS = "labels"
    OTHER = "other data"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the runtime stage counted on a real array; every share is a fraction of all values, in [0, 1]."""

    count: int
    """number of values (not of samples)"""
    samples: int
    mean: float
    std: float
    quantiles: tuple[float, ...]
    """at 0, 1, 25, 50, 75, 99, 100 %, of the finite values"""
    integer_share: float
    zero_share: float
    one_share: float
    mode: float
    """most frequent value, and the share of values equal to it"""
    mode_share: float
    non_finite: int
    """number of NaN or infinite values"""
    sums_to_one_along: tuple[int, ...] = ()
    """axes (0 is the batch) along which every sum is 1 and no value is negative"""
    one_hot_along: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of an array that meets the model: the target, or the input.

    ``shape`` has the batch axis first; an unknown extent is None, an unknown shape is None as a whole.
    """

    values: ValueRange = field(default=UNKNOWN_RANGE, metadata=fact("range", OWNED))
    dtype: str | None = field(default=None, metadata=OWNED)
    shape: tuple[int | None, ...] | None = field(default=None, metadata=fact("shape"))
    structure: Structure = Structure.UNKNOWN
    structure_axis: int | None = field(default=None, metadata=goes_with("structure"))
    """axis of a one-hot, distribution or multi-hot structure, as written (-1 is the last)"""
    source: str | None = field(default=None, metadata=READ)
    """where it comes from, for a sentence: ``mnist.load_data()``"""
    standardised: Tri = Tri.UNKNOWN
    """zero mean and unit variance, overall or per feature"""
    batched: bool = False
    """whether its first axis is known to be that of the samples: a loader put them together"""
    noised: Tri = Tri.UNKNOWN
    """whether random numbers were mixed into it"""
    normalised_channels: tuple[int, int] | None = None
    """of a per-channel normalisation whose statistics do not fit: the number of statistics, and of channels"""
    wrapped: TrailStep | None = field(default=None, metadata=JUDGED)
    """arithmetic on the way here that left the range of its unsigned type, and began again at the other end"""
    stand_in: bool = False
    """generated in place of a data set that is not on this machine"""
    measured: Measurement | None = field(default=None, metadata=OWNED)
    location: Location | None = field(default=None, metadata=READ)
    """where it was last scaled, or else where it was made"""
    trail: tuple[TrailStep, ...] = field(default=(), metadata=BOTH)

    def distribution_along(self, axis: int | None) -> Tri:
        """Whether the values along ``axis`` (None: along some axis) form a distribution in every sample."""
        if self.structure in {Structure.ONE_HOT, Structure.DISTRIBUTION}:
            if axis is None or self.structure_axis is None or self.shape is None:
                same = axis == self.structure_axis or None in {axis, self.structure_axis}
                return Tri.YES if same else Tri.UNKNOWN
            rank = len(self.shape)
            if rank == 0:
                return Tri.UNKNOWN
            return Tri.of(axis % rank == self.structure_axis % rank)
        if self.structure is Structure.UNKNOWN:
            return Tri.UNKNOWN
        return Tri.NO


@dataclass(frozen=True, slots=True)
class Head:
    """The output layer: what produces the prediction that the loss sees."""

    activation: str | None = field(default=None, metadata=fact("output activation", OWNED))
    """canonical name (:mod:`ae_audit.theory.activations`); ``linear`` where there is none; None where unknown"""
    written: str | None = field(default=None, metadata=READ)
    """as in the source: ``nn.Softmax(dim=1)``"""
    parameters: Parameters = field(default=(), metadata=OWNED)
    range: ActivationRange = field(default=UNKNOWN_ACTIVATION_RANGE, metadata=OWNED)
    """of the prediction itself, after everything that follows the activation"""
    axis: int | None = field(default=None, metadata=OWNED)
    """of a softmax, as written (-1 is the last; the batch axis counts, as in ``Softmax(axis=…)`` and ``dim=…``)"""
    units: int | None = field(default=None, metadata=RUN)
    """extent of the prediction along ``axis``, or along its channel or feature axis"""
    shape: tuple[int | None, ...] | None = field(default=None, metadata=RUN)
    after: tuple[str, ...] = field(default=(), metadata=OWNED)
    """what is applied to the activation's output before the loss sees it, innermost first: ``Reshape``, ``Dropout``"""
    sampled: bool = field(default=False, metadata=OWNED)
    """whether the range was found by trying an activation of the program's own: evidence, and no proof"""
    cut: float | None = field(default=None, metadata=OWNED)
    """share of the values that a clip at the very end cuts off as the training starts, where no gradient passes:
    measured, or by reading about a half where a layer's own output, whose mean is 0, is clipped at 0 or above"""
    logits_recoverable: Tri = field(default=Tri.UNKNOWN, metadata=OWNED)
    """whether Keras on TensorFlow finds the logits behind the activation (its output reaches the loss untouched)"""
    location: Location | None = field(default=None, metadata=READ)
    """of the expression that names the activation (the string, the layer or the call); the layer where there is none"""
    others: tuple[Location | None, ...] = field(default=(), metadata=JUDGED)
    """of the activations directly before and behind it: one chain, exchanged as a whole; None where one is unknown"""
    trail: tuple[TrailStep, ...] = field(default=(), metadata=JUDGED)


WEIGHTS = frozenset({"weight", "pos_weight"})
"""parameters of a loss by which values or classes are weighed; with them it has another floor"""


@dataclass(frozen=True, slots=True)
class LossUse:
    """The loss as this program uses it."""

    name: str | None = field(default=None, metadata=fact("loss", OWNED))
    """canonical name (:mod:`ae_audit.theory.losses`); None where unknown or the user's own"""
    written: str | None = field(default=None, metadata=READ)
    """as in the source: ``nn.BCELoss()``, ``"binary_crossentropy"``"""
    from_logits: Tri = field(default=Tri.NO, metadata=OWNED)
    parameters: Parameters = field(default=(), metadata=OWNED)
    reduction: str | None = None
    """``mean``, ``sum``, ``none``, Keras' ``sum_over_batch_size`` …; None where unknown"""
    weight: float | None = None
    custom: bool = field(default=False, metadata=JUDGED)
    """the user's own function"""
    alone: Tri = Tri.UNKNOWN
    """whether it is the only comparison of this prediction with data in what is minimised"""
    scores: bool = False
    """whether it is linear in the prediction, with both signs: means of a critic's scores, set against one another"""
    raises: str | None = None
    """what the loss itself said when it refused these values or shapes and the program ended there"""
    location: Location | None = field(default=None, metadata=READ)
    """of the expression that names the loss"""
    trail: tuple[TrailStep, ...] = field(default=(), metadata=READ)

    @property
    def theory(self) -> Loss | None:
        """Domains, minimiser and floor, where the loss and its logits convention are known."""
        if self.name is None:
            return None
        from ae_audit.theory.losses import find_loss  # reading source needs the names alone

        return find_loss(self.name, from_logits=self.from_logits is Tri.YES, **dict(self.parameters))

    @property
    def weighted(self) -> bool:
        """Whether it weighs values or classes, so that what it rewards most is not the mean of the target."""
        return any(name in WEIGHTS for name, _ in self.parameters)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the rules need of the rest of the model."""

    name: str | None = field(default=None, metadata=READ)
    first_layers: tuple[str, ...] = ()
    normalises_input: Tri = Tri.UNKNOWN
    """whether the model itself scales or normalises before its first weights (Rescaling, Normalization, BatchNorm)"""
    variational: Tri = Tri.UNKNOWN
    latent_activation: str | None = None
    """canonical name of a one-sided activation on the mean or the log-variance of a variational code"""
    latent_location: Location | None = field(default=None, metadata=READ)
    """of that activation"""


@dataclass(frozen=True, slots=True)
class MetricUse:
    """A metric that is computed beside the loss."""

    name: str
    """canonical: ``accuracy``, ``mse``, ``ssim``, ``psnr`` …"""
    written: str
    location: Location | None = None
    span: float | None = None
    """of a measure of image quality: the span of values that it is told of (``max_val``, ``data_range``) or assumes"""
    data: DataFacts | None = None
    """what it is computed on, where that is known to be something else than the target of the loss"""
    shared: bool = False
    """given for every one of several outputs, some of which classify"""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the values of one term of a loss become a single number. Each is ``mean`` or ``sum``; None where unknown."""

    sample: str | None = None
    """over the values of one sample (of a code: over its latents)"""
    batch: str | None = None
    weight: float | None = 1.0
    """what the term is multiplied by besides, None where unknown; any but 1 is the author's own choice, but for that of
    a divergence below 0, which is maximised while the reconstruction's loss is minimised"""


@dataclass(frozen=True, slots=True)
class VariationalTerms:
    """The two terms of a variational loss: the reconstruction, and the divergence of the code from its prior."""

    reconstruction: Reduction = field(metadata=OWNED)
    divergence: Reduction = field(metadata=OWNED)
    latents: int | None = None
    """values of one sample's code"""
    batch: int | None = None
    """samples of a batch; known where the terms were measured while the program ran"""
    location: Location | None = field(default=None, metadata=READ)
    """of the divergence"""


NOTHING_TO_SPEAK_OF = 0.01
"""R² below which no weights beat predicting the mean target by anything that counts"""


@dataclass(frozen=True, slots=True)
class Sampler:
    """How a variational code is drawn, ``mean + spread · noise``, beside the variance that its divergence charges."""

    drawn: float | None
    """k, where the spread is ``exp(k · output)`` of a layer; None where it is that output itself"""
    charged: float
    """k, where the divergence takes ``exp(k · output)`` of the same layer for the variance"""
    location: Location | None = None
    """of the spread"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What holds of this setup for *any* weights, computed on the captured data without training.

    ``attainable_r2`` is the best fraction of the target's variance that a prediction inside the activation range can
    explain, against the mean target; at or below 0 it is a proof that no training beats that mean.
    """

    samples: int
    unreachable_share: float
    """share of target values (for a simplex: of target vectors) outside the activation range, in [0, 1]"""
    attainable_r2: float | None = None
    floor: float | None = None
    """lowest value of the loss on this data, in the loss's own reduction over values (of a sum: the share of a
    sample); -inf where it has none"""
    mean_prediction_loss: float | None = None
    """the loss of predicting the mean target, for comparison with the floor"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a training goes, under an optimizer of which the learning rate bounds a step (Adam and its like)."""

    steps: int
    """that the optimizer takes in all"""
    rate: float
    """the learning rate: about the most by which a step moves a weight"""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for this setup to be the one that runs: ``act == 'tanh'``."""

    text: str
    default: bool = False
    """whether it holds when nothing is passed"""


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """One prediction meeting one target in one loss."""

    framework: Framework
    location: Location = field(metadata=READ)
    """where the loss is computed: the ``fit`` call, the loss call in the loop"""
    backend: str | None = None
    """``tensorflow``, ``torch``, ``jax``; None where unknown"""
    head: Head = field(default_factory=Head, metadata=INSIDE)
    loss: LossUse = field(default_factory=LossUse, metadata=INSIDE)
    target: DataFacts = field(default_factory=DataFacts, metadata=fact("target", INSIDE))
    input: DataFacts = field(default_factory=DataFacts, metadata=fact("input", INSIDE))
    relation: Relation = field(default=Relation.UNKNOWN, metadata=JUDGED)
    relation_scale: tuple[float, float] | None = field(default=None, metadata=goes_with("relation"))
    """``(scale, shift)`` with target = scale · input + shift, where the relation is RESCALED"""
    model: ModelFacts = field(default_factory=ModelFacts, metadata=INSIDE)
    metrics: tuple[MetricUse, ...] = field(default=(), metadata=JUDGED)
    validation_target: DataFacts | None = field(default=None, metadata=fact("validation target", INSIDE))
    validation_input: DataFacts | None = field(default=None, metadata=fact("validation input", INSIDE))
    optimizer: str | None = None
    pace: Pace | None = None
    """None where it is not known, or where the optimizer takes steps of any size"""
    gradients_reset: Tri = Tri.UNKNOWN
    """whether a hand-written training loop sets the gradients to zero between its steps"""
    backward_location: Location | None = None
    """of the call that computes the gradients, in a hand-written loop"""
    variational: VariationalTerms | None = field(default=None, metadata=INSIDE)
    """where a divergence of a code is part of what is minimised"""
    sampler: Sampler | None = None
    """where a variational code is drawn and charged with what one layer puts out"""
    generated: Head | None = field(default=None, metadata=INSIDE)
    """the output of a bounded generator that the same network is given elsewhere, in place of this input"""
    entering: DataFacts | None = field(default=None, metadata=INSIDE)
    """the input as the first weights get it, where the model itself scales it before"""
    asked: DataFacts | None = field(default=None, metadata=INSIDE)
    """other data of the input's source that the trained model is given, scaled otherwise than the input was"""
    mixed: DataFacts | None = field(default=None, metadata=INSIDE)
    """the data that unit noise was mixed with to make the input, where the target is that noise"""
    certificate: Certificate | None = None
    ideal: Ideal | None = None
    """what a network that could output anything makes of this loss; None where none was tried"""
    condition: Condition | None = field(default=None, metadata=OWNED)
    """none of a set-up that ran"""
    seen_by: tuple[str, ...] = field(default=("static",), metadata=BOTH)
    """the stages that filled it in: ``static``, ``runtime``"""

    @property
    def reconstruction(self) -> Tri:
        """Whether the model is trained to give back its input (or the clean form of it)."""
        if self.relation in {Relation.SAME, Relation.RESCALED, Relation.NOISED_INPUT, Relation.NOISED_TARGET}:
            return Tri.YES
        return Tri.UNKNOWN if self.relation is Relation.UNKNOWN else Tri.NO
