"""Whether Keras takes the logits behind an activation when it computes a cross-entropy: asked of Keras itself.

On TensorFlow, ``keras.activations.sigmoid`` and ``softmax`` leave the logits on the tensor that they return, and the
cross-entropies use them, whatever the activation was. An operation in between (a reshape, a cast) loses them. In a
graph the backend also finds a bare ``tf.nn.sigmoid`` or ``softmax`` by its operation.
"""

from __future__ import annotations

from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend
from ae_audit.theory.loss import Link
from ae_audit.theory.loss_families import link_of
from ae_audit.theory.ranges import Tri

OPERATIONS = {Link.SIGMOID: "Sigmoid", Link.SOFTMAX: "Softmax"}
"""the operation of a graph that a loss recognises, by what it would apply to logits itself"""


def logits_recoverable(program: KerasProgram, point: LossPoint, loss: str | None) -> Tri:
    """Whether the loss computes from the logits behind the prediction at ``point``.

    Args:
        loss: its canonical name; for a loss that never looks for logits, whether a cross-entropy in its place would.
    """
    if backend() != "tensorflow" or (point.call is not None and point.call.symbol.startswith("tensorflow.nn.")):
        return Tri.NO  # TensorFlow's own losses take what they are given
    if hasattr(point.prediction, "_keras_logits"):
        return Tri.YES
    kind = program.operation_at(point)
    if kind is None:
        return Tri.NO
    link = link_of(loss, from_logits=True)
    return Tri.of(kind == OPERATIONS[link] if link in OPERATIONS else kind in OPERATIONS.values())
