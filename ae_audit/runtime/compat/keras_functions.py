"""Functions of ``keras.backend`` whose arguments or defaults are not quite those of what took their place."""

from __future__ import annotations

import math
from typing import Any


def _ops() -> Any:
    from keras import ops

    return ops


def argmax(x: Any, axis: int = -1) -> Any:
    """Along the last axis unless told otherwise; ``keras.ops`` takes all of them."""
    return _ops().argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """As :func:`argmax`."""
    return _ops().argmin(x, axis=axis)


def batch_flatten(x: Any) -> Any:
    """All axes but the first made one."""
    return _ops().reshape(x, (-1, _flat(x.shape[1:])))


def _flat(extents: Any) -> int:
    return math.prod(extents)  # Keras flattens no axes of unknown extent either


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Elementwise; Keras 1 had its arguments the other way round, which nothing in a call tells."""
    return _ops().binary_crossentropy(target, output, from_logits=from_logits)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Along ``axis``."""
    return _ops().categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Along ``axis``."""
    return _ops().sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def concatenate(tensors: Any, axis: int = -1) -> Any:
    """Along the last axis unless told otherwise; ``keras.ops`` takes the first."""
    return _ops().concatenate(tensors, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """With a bound below."""
    return _ops().elu(x, alpha=alpha)


def expand_dims(x: Any, axis: int = -1) -> Any:
    """At the end unless told otherwise."""
    return _ops().expand_dims(x, axis)


def flatten(x: Any) -> Any:
    """All axes made one."""
    return _ops().reshape(x, (-1,))


def gather(reference: Any, indices: Any) -> Any:
    """Slices along the first axis."""
    return _ops().take(reference, indices, axis=0)


def get_session() -> None:
    """There are no sessions."""


def set_session(session: Any) -> None:
    """There are no sessions: what one was to be told (how much of a GPU to use) does not change what is trained."""


def learning_phase() -> int:
    """What is built here is trained."""
    return 1


def set_learning_phase(value: Any) -> None:
    """Nothing: a model is told with each call whether it trains."""


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """``x`` while the model trains or is built, ``alt`` while it predicts; either may be a function."""
    from keras.src.backend.common import global_state

    if training is None:
        training = getattr(global_state.get_global_attribute("current_call_ctx"), "training", None)
    chosen = x if training is None or training else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """The reverse of :func:`in_train_phase`."""
    return in_train_phase(alt, x, training)


def image_dim_ordering() -> str:
    """``tf`` or ``th``."""
    import keras

    return "tf" if keras.config.image_data_format() == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """``tf`` for channels last, ``th`` for channels first."""
    import keras

    keras.config.set_image_data_format({"tf": "channels_last", "th": "channels_first"}[dim_ordering])


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The static shape."""
    return tuple(x.shape)


def ndim(x: Any) -> int:
    """How many axes."""
    return len(x.shape)


def l2_normalize(x: Any, axis: int | None = None) -> Any:
    """Divided by its norm."""
    ops = _ops()
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def one_hot(indices: Any, num_classes: int) -> Any:
    """Along a new last axis."""
    return _ops().one_hot(indices, num_classes)


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float | None = None, dtype: Any = None, seed: Any = None, std: Any = None
) -> Any:
    """Keras 1 wrote ``std``."""
    import keras

    spread = stddev if stddev is not None else std if std is not None else 1.0
    return keras.random.normal(shape, mean=mean, stddev=spread, dtype=dtype, seed=seed)


def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """From ``minval`` to ``maxval``."""
    import keras

    return keras.random.uniform(shape, minval=minval, maxval=maxval, dtype=dtype, seed=seed)


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Nothing beyond two deviations."""
    import keras

    return keras.random.truncated_normal(shape, mean=mean, stddev=stddev, dtype=dtype, seed=seed)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """With a slope below the threshold and a bound above."""
    import keras

    return keras.activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def softmax(x: Any, axis: int = -1) -> Any:
    """Along ``axis``."""
    return _ops().softmax(x, axis=axis)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each slice along ``axis``, ``rep`` times."""
    return _ops().repeat(x, rep, axis=axis)


def set_value(x: Any, value: Any) -> None:
    """Assign to a variable."""
    x.assign(value)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Choice by element, or by sample where the condition has fewer axes; expressions may be functions."""
    made = [item() if callable(item) else item for item in (then_expression, else_expression)]
    axes = len(getattr(condition, "shape", ()))
    for _ in range(len(getattr(made[0], "shape", ())) - axes if axes else 0):
        condition = _ops().expand_dims(condition, -1)  # from the right; broadcasting would add axes on the left
    return _ops().where(condition, *made)
