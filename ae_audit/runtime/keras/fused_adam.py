"""Adam in one operation a variable, on TensorFlow: the same update, traced and run in half the time.

Keras spells the update out in a dozen operations for each variable. ``ResourceApplyAdam`` computes the same formula:
``m ← m + (1 − β₁)(g − m)``, ``v ← v + (1 − β₂)(g² − v)``, ``w ← w − lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε)``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ae_audit.runtime.keras.patching import attribute


def fused_updates(optimizer: Any) -> AbstractContextManager[Any]:
    """Let ``optimizer`` use the fused update while this lasts, where it is plain Adam on TensorFlow's dense float32."""
    if not _is_plain_adam(optimizer):
        return nullcontext()
    return attribute(optimizer, "update_step", _update_step(optimizer))


def _is_plain_adam(optimizer: Any) -> bool:
    import keras

    return (
        keras.config.backend() == "tensorflow"
        and type(optimizer) is keras.optimizers.Adam
        and not optimizer.amsgrad
        and bool(optimizer.built)
        and all(str(variable.dtype) == "float32" for variable in optimizer._trainable_variables)
    )


def _update_step(optimizer: Any) -> Any:
    import tensorflow as tf

    original = type(optimizer).update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if not isinstance(gradient, tf.Tensor):
            original(optimizer, gradient, variable, learning_rate)
            return
        step = tf.cast(optimizer.iterations.value + 1, tf.float32)
        index = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=(variable if isinstance(variable, tf.Variable) else variable.value).handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(optimizer.beta_1, tf.float32), step),
            beta2_power=tf.pow(tf.constant(optimizer.beta_2, tf.float32), step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )

    return update_step
