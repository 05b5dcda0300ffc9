"""Values of losses: comparisons of predictions with targets, what they add up to, and the places that compute them."""

from __future__ import annotations

from ae_audit.base.records import dataclass, replace
from ae_audit.schema.training_setup import Framework, LossUse, Relation
from ae_audit.static.domain.network_values import Divergence, Step, Tensor
from ae_audit.static.domain.plain_values import Array, Value
from ae_audit.static.source.sources import Where
from ae_audit.theory.ranges import Tri

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable
    from typing import Any

    from ae_audit.schema.training_setup import TrainingSetup


class LossFunction(Value):
    """A loss to be called with target and prediction; ``order`` is the order of its arguments."""

    __slots__ = ("framework", "function", "order", "use", "why")

    def __init__(
        self,
        use: LossUse,
        framework: Framework,
        *,
        order: str = "prediction, target",
        function: Value | None = None,
        why: str | None = None,
    ) -> None:
        self.use = use
        self.framework = framework
        self.order = order
        self.function = function
        self.why = why


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One prediction compared with one target, somewhere inside a loss expression."""

    use: LossUse
    prediction: Value
    target: Value
    where: Where
    weight: float | None = 1.0
    reductions: tuple[str, ...] = ()
    """``mean`` and ``sum`` applied so far, innermost first"""
    steps: tuple[Step, ...] = ()
    """the same with their axes"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A reconstruction and the divergence that was added to it; what is done to both does not change their ratio."""

    term: LossTerm
    divergence: Divergence

    def reduced(self, step: Step) -> Pair:
        """Both summed or averaged."""
        term = replace(self.term, steps=(*self.term.steps, step)[:8])
        return Pair(term, replace(self.divergence, steps=(*self.divergence.steps, step)[:8]))


@dataclass(frozen=True, slots=True)
class LossValue(Value):
    """The value of a loss expression: the comparisons that it adds up, and whether a KL term is among them."""

    terms: tuple[LossTerm, ...] = ()
    latent: bool = False
    """a regulariser of a latent code (a KL term written out) is part of it"""
    reductions: tuple[str, ...] = ()
    """of the latent part"""
    others: bool = False
    """something else is added that is not known: another comparison, perhaps"""
    pair: Pair | None = None
    """its only comparison and the divergence of a code, as they were when they were added up"""
    rooted: bool = False
    """its root was taken"""
    between: tuple[LossUse, Tensor] | None = None
    """a loss that compared outputs with each other, or with what was drawn from them, and the first of them"""
    peak: float | None = None
    """what was divided by it: the square of the peak in a PSNR, or the peak by its root"""

    @property
    def alone(self) -> Tri:
        """Whether there is but one comparison in it, and nothing that may be another."""
        if len(self.terms) > 1:
            return Tri.NO
        return Tri.UNKNOWN if self.others or self.latent else Tri.YES


@dataclass(frozen=True, slots=True)
class Difference(Value):
    """``prediction - target``, or a power or absolute value of it, elementwise."""

    prediction: Tensor
    target: Value
    where: Where
    power: float = 1.0
    absolute: bool = False
    relative: bool = False
    scaled: bool = False
    """multiplied or divided by something: the same error, another prediction"""


@dataclass(slots=True)
class Site:
    """A place where a loss is computed, as the interpreter meets it; see :mod:`ae_audit.static.sites`."""

    framework: Framework
    where: Where
    use: LossUse
    prediction: Value
    target: Value
    input: Value | None = None
    backend: str | None = None
    metrics: tuple[Any, ...] = ()
    validation_target: Value | None = None
    validation_input: Value | None = None
    optimizer: str | None = None
    model: str | None = None
    relation: Relation | None = None
    why_loss: str | None = None
    evaluation: bool = False
    """computed where nothing is trained (``no_grad``, ``evaluate``)"""
    completed: Callable[[TrainingSetup], TrainingSetup] | None = None
    """adds facts to the set-up that this becomes: those that one library's table knows, and nothing in between needs"""
    term: tuple[Where, int] | None = None
    """of a comparison that is computed value by value: where, and the identity of its prediction"""
    trained: bool = False
    """``backward`` was seen to be called on it"""
    unread: bool = False
    """it trains on a loss of the program's own in which no comparison was seen"""
    unfitted: bool = False
    """the model was compiled, and nothing was seen to fit it"""
    uncalled: int | None = None
    """the function that was entered although nothing calls it, by its node, where this was met in one"""
    fitted_model: Value | None = None
    """the model that ``fit`` trains"""
    asked: Array | None = None
    """data of the same source that the trained model is asked, on another scale"""
    pair: Pair | None = None
    """the comparison and the divergence that were added up, in a variational loss"""
