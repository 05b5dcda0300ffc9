"""Values of a network: tensors that have been through weights, with the facts of a head and of a divergence."""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework, Head
from ae_audit.static.domain.plain_values import Array, Value
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import Tri

Step = tuple[str, object]
"""``mean`` or ``sum``, and the axis or axes along which (None: all that are left)"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The divergence of a variational code from its prior, as far as it is summed up."""

    weight: float | None
    """what it is multiplied by; None where unknown"""
    steps: tuple[Step, ...]
    shape: tuple[int | None, ...] | None
    """of the code, batch first"""
    where: Where
    exponent: Exponent | None = None
    """what the variance is the exponential of"""


@dataclass(frozen=True, slots=True)
class Exponent:
    """A multiple of what a layer puts out: what a variance, or a deviation, is the exponential of."""

    layer: Location
    multiple: float | None
    """None where no exponential was taken: the output itself stretches the noise"""
    where: Where


@dataclass(frozen=True, slots=True)
class Tensor(Value):
    """What a network computes: the facts of the head as they stand at this point of the network."""

    framework: Framework
    head: Head
    fed: tuple[Array, ...] = ()
    """the data that entered the network on the way here"""
    first_layers: tuple[str, ...] = ()
    """names of the first few layers, outermost first"""
    normalises: Tri = Tri.UNKNOWN
    variational: Tri = Tri.NO
    why: str | None = None
    """why the head is unknown"""
    model: str | None = None
    log_of: Tensor | None = None
    """this is the logarithm of that (for cross-entropies written out)"""
    complement: bool = False
    """``1 - p`` of a prediction p"""
    activation_of: Tensor | None = None
    """what the activation was applied to, where it was the last thing done"""
    bare: bool = False
    """what a layer with weights gave, moved or scaled at most: as the training starts its values lie about 0"""
    parts: tuple[tuple[str, float], ...] = ()
    """coefficients of a square and an exponential that were added up: the elements of a divergence, perhaps"""
    divergence: Divergence | None = None
    """this is the divergence of a code from its prior"""
    latent: Head | None = None
    """the head of a mean or log-variance with a one-sided activation, in a variational code on the way here"""
    score: Score | None = None
    """a linear figure of an output, which is what a critic gives"""
    met: Meeting | None = None
    """the data that a prediction met in arithmetic that is no known loss: a loss of the program's own, perhaps"""
    multiple: float | None = 1.0
    """by what the output of the last layer was multiplied since, and by nothing else; None where it was moved too"""
    exponent: Exponent | None = None
    """of the exponential that is part of this"""
    drawn: Exponent | None = None
    """what stretches the noise of a code that was sampled on the way here"""
    entry: Location | None = None
    """the first layer with weights on the way here"""
    bounded: tuple[tuple[Location, Head], ...] = ()
    """layers that a bounded activation entered on the way here, each with that output"""
    overlap: Overlap | None = None
    """the sums or products of a prediction and its target that these values are"""
    derived: bool = False
    """derivatives of an output went into it"""
    mixed: bool = False
    """data were added to the output since its activation"""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A prediction and the data or the number that it was computed with; None where it was with neither."""

    prediction: Tensor
    target: Value | None
    where: Where
    moved: bool = False
    """a number was taken away from the prediction, and nothing else was done to it since"""


@dataclass(frozen=True, slots=True)
class Overlap:
    """``a + b · p + c · y + d · p · y`` of a prediction p and a target y, or the sum of that over their values."""

    prediction: Tensor | None
    target: Array | None
    parts: tuple[float, float, float, float]
    """a, b, c, d"""
    summed: bool = False
    seen: object = None
    """what the head of the tensor was that holds these values: it is something else once that has changed"""


@dataclass(frozen=True, slots=True)
class Score:
    """A linear figure of what a network gives.

    ``signs`` holds a 1 or -1 for each mean that was added up, None for one that was weighed by data; ``averaged`` is
    whether the mean was taken yet.
    """

    prediction: Tensor
    signs: tuple[float | None, ...]
    averaged: bool = True
    where: Where | None = None

    @property
    def opposed(self) -> bool:
        """Whether some are to rise and others to fall, or data say which."""
        return None in self.signs or {1.0, -1.0} <= set(self.signs)

    def of(self, head: Head) -> bool:
        """Whether it is one of that output as it is, and not of its logarithm."""
        ours = self.prediction.head
        return (ours.activation, ours.location) == (head.activation, head.location)
