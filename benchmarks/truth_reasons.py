"""Why training did otherwise than theory or rules say, for the cells where it did."""

from __future__ import annotations

BOUNDED_BELOW = frozenset({"relu", "hard_sigmoid"})
REASONS = {
    "cosine": "Cosine similarity leaves the scale to the initial weights: its gradient is at right angles to the "
    "prediction. On pixels between 0 and 1 these nets happen to start near the right scale, so R² may come out well by "
    "luck; against one-hot classes they settle which class it is, not its probability. AE207 says so of "
    "reconstructions.",
    "dead": "Where relu and hard_sigmoid are cut off their gradient is zero: units that a steep loss pushes there in "
    "the first steps stay there, whatever the targets. A matter of optimisation, which no rule of pairings decides.",
    "mape": "MAPE weighs each error by 1/|y|: what counts is the targets nearest to 0, which standardised data has on "
    "both sides. Its minimiser is y itself, so the pairing suits on paper; AE206 speaks only where targets are exactly "
    "0, since elsewhere it depends on how near to 0 they come.",
    "hard labels": "A margin is never met by an output that cannot be negative, and a sigmoid before a loss on logits "
    "is a double sigmoid, whose probabilities lie in (0.5, 0.73). Against hard labels the output saturates at 0 or 1 "
    "all the same, and read as it is that is a decision as good as the right pairing's. The loss still cannot fall to "
    "its floor, and no probability comes out: AE104 stays an error (on grey pixels the same net fails).",
    "proportions": "Keras divides what reaches its categorical cross-entropy by its sum, so that only proportions "
    "count and the scale is left to the initial weights. These nets happen to start near the right one; on TensorFlow, "
    "which takes the logits behind a sigmoid instead, and in torch, which does not divide, the same pairing fails.",
    "decided": "Keras on TensorFlow trains a softmax under binary cross-entropy as a sigmoid. Against hard labels its "
    "logits go so far apart that their softmax is the same decision, if a less sure one (0.80 against 0.85); against "
    "shares it is not.",
    "small": "Sixty-four shares of 1 are so small that relu hardly leaves [0, 1], which is all that the loss asks for. "
    "Whether it does is a matter of the first steps: the same net fails on the other backends.",
    "shares": "Sixty-four shares of 1 are about 0.016 each: a head that does not sum to 1 by construction starts far "
    "too high, a sigmoid thirty times, and R² counts every thousandth. Softmax is right here; the others suit on "
    "paper only.",
    "simplex": "The outputs already sum to 1, and near 0 the loss is then the squared error to second order (exp p = "
    "1 + p + p²/2) or its logit the logarithm (p/(1 + p) ≈ p): for small shares the wrong reading is nearly the right "
    "one. With larger values it is not, so the rules stay with the error.",
    "255": "255 times a sigmoid starts at 127 where the targets are at most 1, and saturates on the way down. AE103 "
    "says so of reconstructions; of labels no rule does, since nobody writes it.",
    "rank": "A linear output of 32 codes spans 32 dimensions: on these black-and-white pixels the best of them, the "
    "principal components, stop at R² 0.92, and training on the way there. A sigmoid bends its way past (0.99).",
    "independent": "Ten independent outputs learn of one class what a softmax learns of all ten at once: level in the "
    "end, behind at equal steps by little more than the margin.",
    "slow": "The loss is flat where the training begins (a rate or its logarithm near 1, errors that count by their "
    "square root or logarithm): it goes the right way, slower than the yardstick even after the longer training.",
}
"""The causes, for the page."""


def reason_of(head: str, loss: str, data: str, trained: str) -> str | None:
    """The cause, for the page; None where there is none known."""
    key = _key(head, loss, data, trained)
    return None if key is None else REASONS[key]


def _key(head: str, loss: str, data: str, trained: str) -> str | None:
    fails = trained == "fails"
    if loss == "cosine":
        return "cosine"
    if loss == "mape" and data == "standardised" and fails:
        return "mape"
    if loss in {"bce on logits", "hinge"} and data in {"one label", "one-hot", "{0, 1}"} and not fails:
        return "hard labels"
    if loss == "cce" and head in {"sigmoid", "(tanh + 1) / 2"} and data in {"[0, 1]", "{0, 1}"} and not fails:
        return "proportions"
    if loss == "bce" and not fails and (head, data) in {("softmax", "one-hot"), ("relu", "shares")}:
        return "decided" if head == "softmax" else "small"
    if data == "shares":
        if not fails and head in {"softmax", "log_softmax"}:
            return "simplex"
        return "shares" if fails and head not in {"softmax", "log_softmax"} else None
    if head == "linear" and loss == "mse" and data == "{0, 1}" and fails:
        return "rank"
    if head in BOUNDED_BELOW and fails:
        return "dead"
    if head == "255 sigmoid" and fails:
        return "255"
    if fails and data == "one-hot" and head not in {"softmax", "log_softmax"}:
        return "independent"
    if fails and loss in {"poisson", "poisson on log-rates", "mae", "msle", "hinge"}:
        return "slow"
    return None
