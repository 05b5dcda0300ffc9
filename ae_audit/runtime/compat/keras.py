"""Keras 1 and 2: modules, names and arguments that Keras 3 no longer has."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from ae_audit.runtime.compat import keras_arguments, keras_backend, keras_methods, keras_symbolic
from ae_audit.runtime.compat.names import AS_FUNCTION, OldNames, Successor
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

_MADE = "ae_audit.runtime.compat.keras_made"

_LAYER_MODULES = (
    "advanced_activations",
    "convolutional",
    "convolutional_recurrent",
    "core",
    "cudnn_recurrent",
    "embeddings",
    "experimental",
    "experimental.preprocessing",
    "merge",
    "noise",
    "normalization",
    "pooling",
    "preprocessing",
    "recurrent",
    "wrappers",
)
_ENGINE_MODULES = (
    "",
    ".topology",
    ".training",
    ".base_layer",
    ".input_layer",
    ".sequential",
    ".network",
    ".functional",
)

MODULES: dict[str, str] = {
    "backend.tensorflow_backend": "keras.backend",
    "callbacks.callbacks": "keras.callbacks",
    "initializations": "keras.initializers",
    "objectives": "keras.losses",
    "optimizers.experimental": "keras.optimizers",
    "preprocessing.text": "keras.src.legacy.preprocessing.text",
    "utils.data_utils": "keras.utils",
    "utils.generic_utils": "keras.utils",
    "utils.image_utils": "keras.utils",
    "utils.io_utils": "keras.utils",
    "utils.layer_utils": "keras.utils",
    "utils.np_utils": "keras.utils",
    "utils.training_utils": "keras.utils",
    "utils.vis_utils": "keras.utils",
    "utils.visualize_util": "keras.utils",
    **{f"layers.{name}": "keras.layers" for name in _LAYER_MODULES},
    **{f"engine{name}": "keras" for name in _ENGINE_MODULES},
}

_LOSSES = {
    "mse": "keras.losses:mean_squared_error",
    "MSE": "keras.losses:mean_squared_error",
    "mae": "keras.losses:mean_absolute_error",
    "MAE": "keras.losses:mean_absolute_error",
    "mape": "keras.losses:mean_absolute_percentage_error",
    "MAPE": "keras.losses:mean_absolute_percentage_error",
    "msle": "keras.losses:mean_squared_logarithmic_error",
    "MSLE": "keras.losses:mean_squared_logarithmic_error",
    "bce": "keras.losses:binary_crossentropy",
    "BCE": "keras.losses:binary_crossentropy",
    "kld": "keras.losses:kl_divergence",
    "KLD": "keras.losses:kl_divergence",
    "kullback_leibler_divergence": "keras.losses:kl_divergence",
    "logcosh": "keras.losses:log_cosh",
}
_LOSS_FUNCTIONS = (
    *("kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error"),
    "mean_squared_logarithmic_error",
)
"""which Keras has, and ``tf.keras`` in some releases of Keras 3 has not"""
_IMAGE = "keras.src.legacy.preprocessing.image:"
_OPTIMIZERS = ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")

NAMES: dict[str, dict[str, str | Successor]] = {
    "losses": {
        **_LOSSES,
        **{name: f"keras.losses:{name}" for name in _LOSS_FUNCTIONS},
        "Reduction": "keras.src.legacy.losses:Reduction",
    },
    "metrics": {
        **_LOSSES,
        **{
            name: f"keras.losses:{name}"
            for name in ("cosine_similarity", "hinge", "squared_hinge", "poisson", *_LOSS_FUNCTIONS)
        },
    },
    "layers": {
        "AtrousConvolution2D": "keras.layers:Conv2D",
        "AtrousConv2D": "keras.layers:Conv2D",
        "CuDNNGRU": "keras.layers:GRU",
        "CuDNNLSTM": "keras.layers:LSTM",
        "Deconv2D": "keras.layers:Conv2DTranspose",
        "ThresholdedReLU": "keras.src.legacy.layers:ThresholdedReLU",
        "TimeDistributedDense": Successor(f"{_MADE}:time_distributed_dense", "TimeDistributed(Dense(…))"),
        "InputLayer": "keras.layers:InputLayer",
    },
    "layers.merge": {AS_FUNCTION: Successor(f"{_MADE}:merge", "keras.layers.concatenate and its like")},
    "regularizers": {
        "activity_l1": "keras.regularizers:l1",
        "activity_l2": "keras.regularizers:l2",
        "activity_l1l2": "keras.regularizers:l1_l2",
        "l1l2": "keras.regularizers:l1_l2",
    },
    "constraints": {
        "maxnorm": Successor(f"{_MADE}:maxnorm", "keras.constraints.max_norm"),
        "nonneg": "keras.constraints:non_neg",
        "unitnorm": "keras.constraints:unit_norm",
    },
    "optimizers": {name.lower(): f"keras.optimizers:{name}" for name in _OPTIMIZERS},
    "preprocessing.image": {
        name: f"{_IMAGE}{name}"
        for name in (
            "DirectoryIterator",
            "ImageDataGenerator",
            "Iterator",
            "NumpyArrayIterator",
            "apply_affine_transform",
            "random_brightness",
            "random_channel_shift",
            "random_rotation",
            "random_shear",
            "random_shift",
            "random_zoom",
        )
    },
    "preprocessing.sequence": {"TimeseriesGenerator": "keras.src.legacy.preprocessing.sequence:TimeseriesGenerator"},
    "preprocessing": {
        "image_dataset_from_directory": "keras.utils:image_dataset_from_directory",
        "text_dataset_from_directory": "keras.utils:text_dataset_from_directory",
        "timeseries_dataset_from_array": "keras.utils:timeseries_dataset_from_array",
    },
    "utils": {
        "multi_gpu_model": Successor(f"{_MADE}:multi_gpu_model", "the model itself, on one device,"),
        "print_summary": Successor(f"{_MADE}:print_summary", "model.summary()"),
    },
    "utils.visualize_util": {"plot": "keras.utils:plot_model"},
    "utils.generic_utils": {"CustomObjectScope": "keras.utils:CustomObjectScope"},
    "backend": keras_backend.NAMES,
    "models": {"Input": "keras:Input"},
}
_WRAPPERS = Successor("ae_audit.runtime.host.accommodations.keras_wrappers", "an estimator that does the same")
_ENGINE = {"Input": "keras:Input", "Layer": "keras.layers:Layer", "InputSpec": "keras.layers:InputSpec"}
_ENGINE |= {"InputLayer": "keras.layers:InputLayer", "Network": "keras:Model", "Container": "keras:Model"}


def install(watch: ImportWatch, names: OldNames, uses: Uses) -> None:
    """Answer what Keras 3 has renamed, where that is the Keras that is installed."""
    legacy = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in {"1", "true"}
    prefixes = ("keras",) if legacy else ("keras", "tensorflow.keras", "keras._tf_keras.keras")
    for prefix in prefixes:
        for old, new in MODULES.items():
            names.module(f"{prefix}.{old}", new)
        names.module(f"{prefix}.wrappers.scikit_learn", _WRAPPERS)
        for module in _ENGINE_MODULES:
            names.names(f"{prefix}.engine{module}", _ENGINE)
        for old, table in NAMES.items():
            names.names(f"{prefix}.{old}", table)

    def when_there(module: ModuleType) -> None:
        if int(str(getattr(module, "__version__", "0")).partition(".")[0]) < 3:
            return
        keras_arguments.install(uses)
        keras_methods.install(uses)
        keras_symbolic.install(uses)
        if "tensorflow" in sys.modules:
            keras_symbolic.install_tensorflow(uses)

    watch.when_imported("keras", when_there)
    watch.when_imported("tensorflow", lambda _: _with_tensorflow(uses))


def _with_tensorflow(uses: Uses) -> None:
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "KerasTensor"):
        keras_symbolic.install_tensorflow(uses)
