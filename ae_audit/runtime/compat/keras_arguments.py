"""Arguments of Keras' layers, optimizers, callbacks and functions that Keras 3 has renamed or dropped."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from ae_audit.runtime.compat.arguments import DROPPED, Argument, Renamed, take_old_arguments, with_signature_of
from ae_audit.runtime.compat.uses import REFUSED, Uses
from ae_audit.runtime.stand_ins.shape_clues import clues_of

KIN = frozenset({"keras", "tensorflow", "tf_keras"})

_ORDERS = {"tf": "channels_last", "th": "channels_first", "default": None}
_INIT = {"init": "kernel_initializer"}
_WEIGHTS: Renamed = {
    **_INIT,
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
}
_IMAGE: Renamed = {"border_mode": "padding", "dim_ordering": Argument("data_format", lambda order: _ORDERS[order])}
_CONV: Renamed = {
    **_WEIGHTS,
    **_IMAGE,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}
_RECURRENT: Renamed = {
    **_INIT,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": DROPPED,
    "time_major": Argument(None, only=lambda value: not value),
}
_POOL: Renamed = {**_IMAGE, "pool_length": "pool_size", "stride": "strides"}

LAYERS: dict[str, Renamed] = {
    "Dense": {**_WEIGHTS, "output_dim": "units"},
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv2D"), _CONV),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _RECURRENT),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "MaxPooling3D"), _POOL),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D", "AveragePooling3D"), _POOL),
    **dict.fromkeys(
        (
            *("GlobalMaxPooling2D", "GlobalAveragePooling2D", "UpSampling2D", "UpSampling3D", "ZeroPadding2D"),
            *("ZeroPadding3D", "Cropping2D", "Cropping3D", "Flatten"),
        ),
        _IMAGE,
    ),
    "UpSampling1D": {"length": "size"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "dropout": Argument(None, only=lambda rate: not rate),
    },
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", **_IMAGE},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "PReLU": {"init": "alpha_initializer"},
    "BatchNormalization": {
        "mode": Argument(None, only=lambda mode: mode == 0),
        "fused": DROPPED,
        "virtual_batch_size": Argument(None, only=lambda size: size is None),
        "beta_init": "beta_initializer",
        "gamma_init": "gamma_initializer",
    },
    "Reshape": {"dims": "target_shape"},
    "RepeatVector": {},
}

FUNCTIONS: dict[str, Renamed] = {
    "utils.to_categorical": {"nb_classes": "num_classes"},
    "utils.plot_model": {"model_name": DROPPED},
}

CALLBACKS: dict[str, Renamed] = {
    "ModelCheckpoint": {"period": DROPPED, "options": DROPPED, "load_weights_on_restart": DROPPED},
    "TensorBoard": {
        **dict.fromkeys(
            ("write_grads", "batch_size", "embeddings_layer_names", "embeddings_data", "profile_batch"), DROPPED
        )
    },
}

_WORKERS: Renamed = dict.fromkeys(
    ("workers", "use_multiprocessing", "max_queue_size", "max_q_size", "nb_worker", "pickle_safe"), DROPPED
)
METHODS: dict[str, Renamed] = {
    "fit": {**_WORKERS, "nb_epoch": "epochs", "show_accuracy": DROPPED},
    "evaluate": {**_WORKERS, "show_accuracy": DROPPED},
    "predict": _WORKERS,
    "compile": {
        "sample_weight_mode": Argument(None, only=lambda mode: mode is None),
        "target_tensors": Argument(None, only=lambda tensors: tensors is None),
        "experimental_run_tf_function": DROPPED,
        "distribute": Argument(None, only=lambda value: not value),
        "class_mode": DROPPED,
    },
}
MODEL: Renamed = {"input": "inputs", "output": "outputs"}

KERAS_1 = re.compile(
    r"\b(border_mode|nb_epoch|nb_filter|nb_row|dim_ordering|samples_per_epoch|W_regularizer|inner_activation)\s*=(?!=)"
    r"|\bModel\(\s*input\s*="
)
"""names that only a program of Keras 1 gives to anything"""


def install(uses: Uses) -> None:
    """Have the installed Keras take the old arguments."""
    import keras

    _take_channels_first(keras, uses)
    for name, renamed in LAYERS.items():
        cls = getattr(keras.layers, name)
        _take_batch_shape(cls, name, uses)
        _whole_numbers(cls, name, uses)
        _take(cls, "__init__", renamed, uses, f"keras.layers.{name}")
    for name, axes in {"Conv2D": 2, "SeparableConv2D": 2, "Conv3D": 3}.items():
        _take_rows_and_columns(getattr(keras.layers, name), name, axes, uses)
    for path, renamed in FUNCTIONS.items():
        module, _, name = path.partition(".")
        for owner in _namespaces(module):
            _take(owner, name, renamed, uses, f"keras.{path}")
    _take_any_ending(keras.callbacks.ModelCheckpoint, uses)
    for name, renamed in CALLBACKS.items():
        _take(getattr(keras.callbacks, name), "__init__", renamed, uses, f"keras.callbacks.{name}")
    for name, renamed in METHODS.items():
        _take(keras.Model, name, renamed, uses, f"Model.{name}")
    _metrics_of_each_output(keras.Model, uses)
    _plain_initializers(uses)
    _take_models(keras.Model, uses)
    _take_losses(keras, uses)
    for cls in _subclasses(keras.optimizers.Optimizer):
        _take_learning_rate(cls, uses)
    _take_legacy_optimizers(keras, uses)


_SAYS_WHICH = re.compile(r"dim_ordering\s*=\s*['\"]|set_image_dim_ordering\(|data_format\s*=|set_image_data_format\(")
_CHANNELS = (1, 3)


def _take_channels_first(keras: Any, uses: Uses) -> None:
    """Keras 1 left the order of a picture's axes to each machine's settings; a program's input shape shows which."""
    try:
        text = uses.program()
    except (OSError, ValueError):
        return
    if not KERAS_1.search(text) or _SAYS_WHICH.search(text):
        return
    shape = clues_of(text).sample
    if shape is not None and len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        keras.config.set_image_data_format("channels_first")
        what = f"the setting by which the input shape {shape} has its channels first"
        uses.tell(what, "keras", "set_image_data_format('channels_first') was called")


def _take(owner: Any, name: str, renamed: Renamed, uses: Uses, shown: str) -> None:
    take_old_arguments(owner, name, renamed, uses, shown=shown, library="keras", kin=KIN)


def _namespaces(module: str) -> list[Any]:
    """The public modules ``keras.MODULE`` that are loaded, under Keras' own name and TensorFlow's."""
    names = (f"keras.{module}", f"keras._tf_keras.keras.{module}", f"tensorflow.keras.{module}")
    return [sys.modules[name] for name in names if name in sys.modules]


def _subclasses(cls: Any) -> list[Any]:
    return [cls, *(each for child in cls.__subclasses__() for each in _subclasses(child))]


def _wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, with_signature_of(original, make(original)))


def _plain_initializers(uses: Uses) -> None:
    """Functions of a shape alone that make initial weights, as Keras 1 and 2 took them."""
    module: Any = importlib.import_module("keras.src.initializers")
    original = module.get

    @functools.wraps(original)
    def get(identifier: Any) -> Any:
        made = original(identifier)
        if not inspect.isfunction(made):
            return made
        parameters = inspect.signature(made).parameters
        if "dtype" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return made

        @functools.wraps(made)
        def initial(shape: Any, dtype: Any = None) -> Any:
            uses.tell("an initializer without dtype", "keras", "it was called with the shape alone", gone=REFUSED)
            return made(shape)

        return initial

    module.get = get


def _metrics_of_each_output(model: Any, uses: Uses) -> None:
    """A list of metrics for a model of several outputs, which Keras 2 computed of each of them."""
    original = model.compile

    @functools.wraps(original)
    def compile_(self: Any, *args: Any, **kwargs: Any) -> Any:
        metrics, outputs = kwargs.get("metrics"), getattr(self, "outputs", None)
        several = len(outputs) if isinstance(outputs, list) else 1
        flat = metrics if isinstance(metrics, list) else []
        nested = any(isinstance(each, (list, tuple, dict)) for each in flat)
        if several > 1 and not nested and len(flat) not in {0, several}:
            uses.tell("one list of metrics for several outputs", "keras", "each output was given it", gone=REFUSED)
            kwargs["metrics"] = [list(flat) for _ in range(several)]
        return original(self, *args, **kwargs)

    with_signature_of(original, compile_)
    model.compile = compile_


def _take_batch_shape(cls: Any, shown: str, uses: Uses) -> None:
    """``batch_input_shape`` tells the shape of a sample too; only a stateful layer needs the size of the batch."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            shape = kwargs.get("batch_input_shape")
            if shape is not None and not kwargs.get("stateful") and uses.answers(KIN, sys._getframe(1), named=False):
                del kwargs["batch_input_shape"]
                kwargs["input_shape"] = tuple(shape[1:])
                uses.tell(f"keras.layers.{shown}(batch_input_shape=…)", "keras", "input_shape= was given")
            both = "input_length" in kwargs and "input_dim" in kwargs and shown in _OF_SEQUENCES
            if both and uses.answers(KIN, sys._getframe(1), named=False):
                kwargs["input_shape"] = (kwargs.pop("input_length"), kwargs.pop("input_dim"))
                uses.tell(f"keras.layers.{shown}(input_length=…)", "keras", "input_shape= was given")
            original(self, *args, **kwargs)

        return init

    _wrap(cls, "__init__", make)


_OF_SEQUENCES = frozenset({"LSTM", "GRU", "SimpleRNN", "Conv1D"})


_SIZES = ("units", "filters", "n", "input_dim", "output_dim")


def _whole_numbers(cls: Any, shown: str, uses: Uses) -> None:
    """Sizes of a layer that are whole numbers of NumPy's or floats (``784 / 2``), made integers by Keras 2."""
    parameters = list(inspect.signature(cls.__init__).parameters)
    sizes = {name: parameters.index(name) - 1 for name in _SIZES if name in parameters}

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            for name, place in sizes.items():
                value = kwargs.get(name, args[place] if place < len(args) else None)
                whole = _whole(value)
                if whole is None or type(value) in (int, bool):
                    continue
                if not uses.answers(KIN, sys._getframe(1), named=False):
                    continue
                if name in kwargs:
                    kwargs[name] = whole
                else:
                    args = (*args[:place], whole, *args[place + 1 :])
                what = f"keras.layers.{shown}({name}=…) of type {type(value).__name__}"
                uses.tell(what, "keras", "the integer was given", gone=REFUSED)
            original(self, *args, **kwargs)

        return init

    if sizes and shown in _STRICT:
        _wrap(cls, "__init__", make)


_STRICT = frozenset({"Dense", "Embedding", "RepeatVector"})
"""layers of Keras 3 that refuse whole numbers of another type; the others take them still"""


def _whole(value: Any) -> int | None:
    """The whole number that a value of any type is."""
    if isinstance(value, (str, bytes)) or getattr(value, "shape", ()) != ():
        return None
    try:
        return int(value) if value == int(value) else None
    except (TypeError, ValueError):
        return None


def _take_rows_and_columns(cls: Any, shown: str, axes: int, uses: Uses) -> None:
    """``Conv2D(n, rows, columns)`` of Keras 1, where the file shows that it is written for that: today, a stride."""
    names = ("nb_row", "nb_col") if axes == 2 else ("kernel_dim1", "kernel_dim2", "kernel_dim3")

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            sizes = args[1 : 1 + axes]
            positional = len(args) == 1 + axes and all(isinstance(size, int) for size in sizes)
            if positional and "strides" not in kwargs and KERAS_1.search(uses.source()):
                if uses.answers(KIN, sys._getframe(1), named=False):
                    args, kwargs = args[:1], {**kwargs, "kernel_size": tuple(sizes)}
                    uses.tell(f"keras.layers.{shown}(filters, rows, columns)", "keras", "kernel_size= was given")
            elif all(name in kwargs for name in names) and uses.answers(KIN, sys._getframe(1), named=False):
                kwargs["kernel_size"] = tuple(kwargs.pop(name) for name in names)
                uses.tell(f"keras.layers.{shown}({'=…, '.join(names)}=…)", "keras", "kernel_size= was given")
            original(self, *args, **kwargs)

        return init

    _wrap(cls, "__init__", make)


def _take_models(model: Any, uses: Uses) -> None:
    """``Model(input=, output=)``: renamed where it is made and where it is filled."""
    from keras.src.models.functional import Functional

    for cls, name in ((model, "__new__"), (model, "__init__"), (Functional, "__init__")):
        _take(cls, name, MODEL, uses, "keras.Model")
    model.__new__ = staticmethod(model.__new__)


_MEAN = "sum_over_batch_size"
_LOSSES = {"kullback_leibler_divergence": "kl_divergence", "logcosh": "log_cosh"}


def _take_losses(keras: Any, uses: Uses) -> None:
    """Losses by the names that they had, and the reduction ``auto``, which was the mean over the batch."""

    def named(original: Callable[..., Any]) -> Callable[..., Any]:
        def get(identifier: Any) -> Any:
            new = _LOSSES.get(identifier) if isinstance(identifier, str) else None
            if new is not None:
                uses.tell(f"the loss `{identifier}`", "keras", f"`{new}` stood in for it")
            return original(new or identifier)

        return get

    def reduced(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, name: Any = None, reduction: Any = _MEAN, *args: Any, **kwargs: Any) -> None:
            if reduction == "auto":
                uses.tell("the reduction `auto`", "keras", f"`{_MEAN}` was given")
                reduction = _MEAN
            original(self, name, reduction, *args, **kwargs)

        return init

    _wrap(keras.src.losses, "get", named)
    _wrap(keras.losses.Loss, "__init__", reduced)


def _take_learning_rate(cls: Any, uses: Uses) -> None:
    """``lr``, and with it ``decay``, by which it fell with each batch; beside ``learning_rate``, Keras 3 ignores it."""
    if "__init__" not in vars(cls) or "learning_rate" not in inspect.signature(cls.__init__).parameters:
        return
    shown = f"keras.optimizers.{cls.__name__}"

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            if "lr" in kwargs and not args and uses.answers(KIN, sys._getframe(1), named=False):
                rate, decay = kwargs.pop("lr"), kwargs.pop("decay", 0.0)
                kwargs.setdefault("learning_rate", _falling(rate, decay) if decay else rate)
                uses.tell(f"{shown}(lr=…)", "keras", "learning_rate= was given")
                if decay:
                    uses.tell(f"{shown}(decay=…)", "keras", "schedules.InverseTimeDecay of the same course was given")
            original(self, *args, **kwargs)

        return init

    _wrap(cls, "__init__", make)


def _take_legacy_optimizers(keras: Any, uses: Uses) -> None:
    """``optimizers.legacy``, which Keras 3 has for its names alone: they are those of today, with ``decay``."""

    def made(cls: Any) -> Callable[..., Any]:
        def optimizer(*args: Any, **kwargs: Any) -> Any:
            shown = f"keras.optimizers.legacy.{cls.__name__}"
            uses.tell(shown, "keras", f"keras.optimizers.{cls.__name__} stood in for it")
            decay = kwargs.pop("decay", 0.0)
            if decay:
                rate = kwargs.pop("lr", None) or kwargs.pop("learning_rate", None) or (args[0] if args else None)
                rate = float(cls().learning_rate) if rate is None else rate
                args, kwargs = (), {**kwargs, "learning_rate": _falling(rate, decay)}
            return cls(*args, **kwargs)

        return optimizer

    for module in _namespaces("optimizers.legacy"):
        for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam"):
            setattr(module, name, made(getattr(keras.optimizers, name)))


def _falling(rate: float, decay: float) -> Any:
    """``rate / (1 + decay · batch)``, as Keras 1 and 2 computed it."""
    import keras

    return keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay)


def _take_any_ending(cls: Any, uses: Uses) -> None:
    """A checkpoint's file may have any name again: one with an ending that Keras 3 takes is written."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind_partial(self, *args, **kwargs).arguments
            path = bound.get("filepath")
            name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
            endings = (".weights.h5",) if bound.get("save_weights_only") else (".keras", ".h5")
            refused = name is not None and not name.endswith(endings)
            if refused and uses.answers(KIN, sys._getframe(1), named=False):
                kwargs = {key: value for key, value in bound.items() if key not in {"self", "filepath"}}
                args = (f"{name}{endings[0]}",)
                what = f"the checkpoint `{os.path.basename(str(name))}`"
                uses.tell(what, "keras", f"{endings[0]} was added", gone=REFUSED)
            original(self, *args, **kwargs)

        return init

    _wrap(cls, "__init__", make)
