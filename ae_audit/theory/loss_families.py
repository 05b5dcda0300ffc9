"""Families of losses: what several stages ask of a loss by its canonical name, derived from the loss itself.

Nothing is listed here: a family holds the losses of which the theory says that they belong to it, so a loss that is
added to :mod:`ae_audit.theory.pointwise_losses` or :mod:`ae_audit.theory.vector_losses` is in all its families at once.
"""

from __future__ import annotations

from ae_audit.theory.loss_names import SYMMETRIC as SYMMETRIC

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable, Iterator

    from ae_audit.theory.loss import Link, Loss

OWN_DISTANCE = "distance"
"""names a loss of the program's own of which it was measured that its minimiser is the target itself"""


class Family:
    """The canonical names of the losses for which ``belongs`` holds, as each is with its default parameters.

    The theory of losses is imported when the first name is looked up: most files that are read train nothing.
    """

    __slots__ = ("_belongs", "_names", "_others")

    def __init__(self, belongs: Callable[[Loss], bool], *others: str) -> None:
        self._belongs = belongs
        self._others = others
        self._names: frozenset[str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """All canonical names of the family."""
        if self._names is None:
            from ae_audit.theory.losses import LOSSES, find_loss

            every = ((name, find_loss(name)) for name in LOSSES)
            self._names = frozenset(
                (*self._others, *(name for name, loss in every if loss is not None and self._belongs(loss)))
            )
        return self._names

    def __contains__(self, name: object) -> bool:
        return name is not None and name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names))

    def __or__(self, other: Family) -> frozenset[str]:
        """The losses of either family."""
        return self.names | other.names


def _kind(loss: Loss) -> str:
    return loss.prediction_kind.name


def _target(loss: Loss) -> str:
    return loss.target_kind.name


BINARY = Family(lambda loss: loss.pointwise and _kind(loss) == "PROBABILITY")
"""losses that read each predicted value as the probability of a 1"""

OVERLAP = Family(lambda loss: not loss.pointwise and _kind(loss) == "PROBABILITY")
"""losses that compare two sets: each predicted value says how far a place belongs to the set"""

CATEGORICAL = Family(lambda loss: _kind(loss) in {"SIMPLEX", "LOG_SIMPLEX"})
"""losses that read the predictions along an axis as one distribution"""


def _rewards_larger_outputs(loss: Loss) -> bool:
    """Whether twice the same shares cost less: Keras divides by their sum in the cross-entropies alone."""
    if _kind(loss) != "SIMPLEX":
        return False
    target = 0 if _target(loss) == "CLASS_INDEX" else (1.0, 0.0)
    return loss.value(target, (0.4, 0.4)) < loss.value(target, (0.2, 0.2)) - 1e-9


UNNORMALISED = Family(_rewards_larger_outputs)
"""losses over a distribution that take the predictions as they are, whatever they sum to"""

TAKES_CLASS_INDEX = Family(lambda loss: _target(loss) in {"CLASS_INDEX", "DISTRIBUTION_OR_INDEX"})
"""losses whose target is a class index"""

ONLY_CLASS_INDEX = Family(lambda loss: _target(loss) == "CLASS_INDEX")
"""losses that refuse every target but a class index"""

POINTWISE = Family(lambda loss: loss.pointwise and _kind(loss) == "ANY", OWN_DISTANCE)
"""losses that compare a value with a value: their minimiser is the target itself, on its own scale"""

MARGIN = Family(lambda loss: _target(loss) == "SIGN")
"""losses of the product of a score and a target of −1 or 1"""

CLASS_SCORES = Family(lambda loss: _kind(loss) == "SCORE_VECTOR" and _target(loss) in {"CLASS_INDEX", "MULTI_INDEX"})
"""losses that compare the score of a class with the scores of the other classes"""

RATES = Family(lambda loss: _kind(loss) in {"RATE", "LOG_RATE"})
"""likelihoods of counts, whose prediction is a rate or its logarithm"""


def takes_log_probabilities(name: str | None, *, torch: bool) -> bool:
    """Whether a loss takes the logarithms of probabilities, as torch's KL divergence does and Keras' does not."""
    if name is None:
        return False
    from ae_audit.theory.losses import find_loss

    loss = find_loss(name, log_input=torch)
    return loss is not None and _kind(loss) == "LOG_SIMPLEX"


def link_of(name: str | None, *, from_logits: bool, **parameters: object) -> Link | None:
    """The map from a loss's prediction to the data's space; None for a loss without theory."""
    if name is None:
        return None
    from ae_audit.theory.losses import find_loss

    loss = find_loss(name, from_logits=from_logits, **parameters)
    return None if loss is None else loss.link
