"""Whether Keras takes the logits behind an activation when it computes a cross-entropy: asked of Keras itself.

On TensorFlow, ``keras.activations.sigmoid`` and ``softmax`` leave the logits on the tensor that they return, and the
cross-entropies use them, whatever the activation was. An operation in between (a reshape, a cast) loses them. In a
graph the backend also finds a bare ``tf.nn.sigmoid`` or ``softmax`` by its operation.
"""

from __future__ import annotations

from typing import Any

from ae_audit.runtime import keras_swap
from ae_audit.runtime.keras_data import tree
from ae_audit.runtime.keras_losses import ON_LOGITS
from ae_audit.runtime.keras_program import KerasProgram, LossPoint, backend, quiet
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
    if point.output is None or program.model.run_eagerly:
        return Tri.NO
    kind = _operation(program, point)
    if kind is None:
        return Tri.NO
    expected = OPERATIONS.get(loss or "", {"Softmax"}) if loss in ON_LOGITS else {"Sigmoid", "Softmax"}
    return Tri.of(kind in expected)


def _operation(program: KerasProgram, point: LossPoint) -> str | None:
    """The kind of the graph operation that makes the prediction; ``Sigmoid`` too where Keras' mark is on the tensor."""
    import tensorflow as tf

    seen: list[str] = []

    def forward(data: Any) -> Any:
        outputs = (
            program.model(data[0], training=True) if program.model._call_has_training_arg else program.model(data[0])
        )
        prediction = tree().flatten(outputs)[point.output or 0]
        seen.append(str(prediction.op.type))
        return prediction

    x = program.first(2)[0] if isinstance(program.batches.data, tuple) else program.first(2)
    try:
        with quiet(), program.unchanged(), keras_swap.frozen_optimizers(program.model):
            tf.function(forward, autograph=False).get_concrete_function(program.tensors((x,)))
    except Exception:  # a model that runs eagerly only
        return None
    return seen[-1] if seen else None
