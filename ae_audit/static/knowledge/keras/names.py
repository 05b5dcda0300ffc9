"""Keras' many import paths, brought to one name each: ``keras.layers.Dense``, ``keras.Model``."""

from __future__ import annotations

from ae_audit.static.interpreter.registry import Table

TABLE = Table("keras names")
for _root in ("tensorflow.keras", "tensorflow.python.keras", "tensorflow.contrib.keras",
    "tensorflow.contrib.keras.api.keras",
              "tensorflow.contrib.keras.python.keras", "tf_keras", "keras.api", "keras.src", "keras.api._v2.keras",
              "tensorflow.keras.api._v2.keras", "keras.api._v1.keras", "tensorflow._api.v2.v2.keras",
              "tensorflow.compat.v1.keras", "tensorflow.compat.v2.keras", "keras_core"):  # fmt: skip
    TABLE.aliases[_root] = "keras"
for _module in ("core", "convolutional", "pooling", "normalization", "recurrent", "embeddings", "advanced_activations",
                "noise", "merge", "wrappers", "local", "experimental.preprocessing", "experimental", "preprocessing",
                "convolutional_recurrent", "normalization.batch_normalization", "merging", "rnn", "activation",
                "regularization", "reshaping", "attention", "cudnn_recurrent"):  # fmt: skip
    TABLE.aliases[f"keras.layers.{_module}"] = "keras.layers"
for _name in ("keras.models.Model", "keras.engine.Model", "keras.engine.training.Model", "keras.engine.topology.Model"):
    TABLE.aliases[_name] = "keras.Model"
for _name in ("keras.models.Sequential", "keras.engine.sequential.Sequential"):
    TABLE.aliases[_name] = "keras.Sequential"
for _name in (
    "keras.layers.Input",
    "keras.engine.Input",
    "keras.engine.topology.Input",
    "keras.engine.input_layer.Input",
):
    TABLE.aliases[_name] = "keras.Input"
for _name in ("keras.layers.Layer", "keras.engine.Layer", "keras.engine.topology.Layer",
    "keras.engine.base_layer.Layer",
              "keras.engine.topology.Container"):  # fmt: skip
    TABLE.aliases[_name] = "keras.Layer"
TABLE.aliases.update(
    {
        "keras.engine.InputLayer": "keras.layers.InputLayer",
        "keras.engine.topology.InputLayer": "keras.layers.InputLayer",
        "keras.engine.InputSpec": "keras.layers.InputSpec",
        "keras.objectives": "keras.losses",
        "keras.utils.np_utils": "keras.utils",
        "keras.utils.generic_utils": "keras.utils",
        "keras.backend.tensorflow_backend": "keras.backend",
        "keras.optimizers.legacy": "keras.optimizers",
        "keras.optimizers.experimental": "keras.optimizers",
        "keras.preprocessing.image_dataset_from_directory": "keras.utils.image_dataset_from_directory",
        "keras.preprocessing.text_dataset_from_directory": "keras.utils.text_dataset_from_directory",
        "keras.preprocessing.timeseries_dataset_from_array": "keras.utils.timeseries_dataset_from_array",
        "keras.preprocessing.image.load_img": "keras.utils.load_img",
        "keras.preprocessing.image.img_to_array": "keras.utils.img_to_array",
        "keras.preprocessing.image.array_to_img": "keras.utils.array_to_img",
        "keras_preprocessing.image": "keras.preprocessing.image",
        "keras.legacy.preprocessing.image": "keras.preprocessing.image",
        "tensorflow.compat.v1": "tensorflow",
        "tensorflow.compat.v2": "tensorflow",
        "tensorflow.python.framework.ops": "tensorflow",
        "tensorflow.contrib.data": "tensorflow.data",
        "keras.layers.Convolution1D": "keras.layers.Conv1D",
        "keras.layers.Convolution2D": "keras.layers.Conv2D",
        "keras.layers.Convolution3D": "keras.layers.Conv3D",
        "keras.layers.Deconvolution2D": "keras.layers.Conv2DTranspose",
        "keras.layers.Deconv2D": "keras.layers.Conv2DTranspose",
        "keras.layers.Convolution2DTranspose": "keras.layers.Conv2DTranspose",
        "keras.layers.SeparableConvolution2D": "keras.layers.SeparableConv2D",
        "keras.layers.CuDNNLSTM": "keras.layers.LSTM",
        "keras.layers.CuDNNGRU": "keras.layers.GRU",
        "keras.layers.BatchNormalizationV2": "keras.layers.BatchNormalization",
        "keras.layers.SyncBatchNormalization": "keras.layers.BatchNormalization",
    }
)

FIRST_KERAS = frozenset(["nb_filter", "nb_row", "nb_col", "border_mode", "subsample", "dim_ordering", "init", "bias",
                         "W_regularizer", "b_regularizer", "W_constraint", "b_constraint"])  # fmt: skip
"""keywords of Keras 1, whose convolutions take the sides of their window one by one"""
