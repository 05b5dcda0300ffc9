"""Whether Keras takes the logits behind an activation when it computes a cross-entropy: asked of Keras itself.

On TensorFlow, ``keras.activations.sigmoid`` and ``softmax`` leave the logits on the tensor that they return, and the
cross-entropies use them, whatever the activation was. An operation in between (a reshape, a cast) loses them. In a
graph the backend also finds a bare ``tf.nn.sigmoid`` or ``softmax`` by its operation.
"""

from __future__ import annotations

from ae_audit.runtime.keras.losses import ON_LOGITS
from ae_audit.runtime.keras.program import KerasProgram, LossPoint, backend
from ae_audit.theory.ranges import Tri

OPERATIONS = {"bce": {"Sigmoid"}, "binary_focal": {"Sigmoid"}}
"""what a loss recognises by its operation, in a graph; the others recognise a softmax"""


def logits_recoverable(program: KerasProgram, point: LossPoint, loss: str | None) -> Tri:
    """Whether the loss computes from the logits behind the prediction at ``point``.

    Args:
        loss: its canonical name; for a loss that never looks for logits, whether a cross-entropy in its place would.
    """
    if backend() != "tensorflow":
        return Tri.NO
    if hasattr(point.prediction, "_keras_logits"):
        return Tri.YES
    kind = program.operation_at(point)
    if kind is None:
        return Tri.NO
    expected = OPERATIONS.get(loss or "", {"Softmax"}) if loss in ON_LOGITS else {"Sigmoid", "Softmax"}
    return Tri.of(kind in expected)
