"""Keras' model files, loaded in safe mode: nothing that the file holds is run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ae_audit.runtime.data_files.model_checks import CannotLoad, LoadedModel, first_line


def load_saved(path: str, loss: tuple[str, bool] | None, compiled: Any) -> LoadedModel:
    """The model in a ``.keras``, HDF5 or JSON file.

    Args:
        path: of the file.
        loss: class and whether it takes logits, of ``--loss``; goes before the model's own.
        compiled: the loss in the file, for models that Keras leaves uncompiled.

    Raises:
        CannotLoad: if Keras refuses it.
    """
    try:
        import keras
    except Exception as error:  # whatever a backend that is installed by halves raises
        raise CannotLoad(f"loading it requires Keras, which cannot be imported here ({first_line(error)})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.lower().endswith(".json"):
                model = keras.models.model_from_json(_text(path))
            else:
                model = keras.saving.load_model(path, safe_mode=True)
    except Exception as error:  # of Keras' and its backends' many kinds
        why = f"{type(error).__name__}: {first_line(error)}".rstrip(" .")
        raise CannotLoad(f"Keras {keras.__version__} cannot load it ({why})") from None
    output = getattr(model, "output_shape", None)
    shape = output if isinstance(output, tuple) else None
    if loss is not None:
        cls = getattr(keras.losses, loss[0])
        return LoadedModel(model, cls(from_logits=True) if loss[1] else cls(), shape)
    if getattr(model, "_compile_loss", None) is None and compiled is not None:
        return LoadedModel(model, _deserialised(compiled), shape)
    return LoadedModel(model, None, shape)


def _text(path: str) -> str:
    import json

    text = Path(path).read_text(encoding="utf-8-sig")
    parsed = json.loads(text)
    return parsed if isinstance(parsed, str) else text  # json.dump(model.to_json(), file) quotes the text once more


def _deserialised(loss: Any) -> Any:
    import keras

    if isinstance(loss, dict) and "class_name" in loss:
        return keras.losses.deserialize(loss)
    if isinstance(loss, dict):
        return {name: _deserialised(item) for name, item in loss.items()}
    if isinstance(loss, list):
        return [_deserialised(item) for item in loss]
    return loss
