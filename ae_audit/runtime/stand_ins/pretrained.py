"""Weights that a program downloads: random ones in their place, and a sentence that says so.

The library's own way is tried first. Where it fails (there is no network in the sandbox) a marker takes the place of
the file or of the dictionary, and a network that is to be filled from it stays as it was made.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ae_audit.runtime.host.imports import ImportWatch

ENDINGS = (".h5", ".hdf5", ".keras", ".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_TEXT = (
    "the weights {what} are not on this machine: random ones stood in for them, so figures measured here are not those "
    "of the pretrained network"
)

_COUNTED = re.compile(r"epoch|step|iter", re.IGNORECASE)
_MEASURED = re.compile(r"loss|acc|best|metric|score|prec", re.IGNORECASE)

Attempt = Callable[..., Any]
"""calls a library's own function without the progress that it prints, and without a report of the refused download"""


class AbsentWeights(dict[str, Any]):
    """Stands for a dictionary of weights, and for one that holds several, and where the training stood."""

    def __missing__(self, name: str) -> Any:
        return 0 if _COUNTED.search(name) else 0.0 if _MEASURED.search(name) else AbsentWeights()


class _AbsentFile(str):
    """Stands for the path of a file with weights."""

    __slots__ = ()


class Pretrained:
    """Lets programs go on whose weights cannot be downloaded.

    Args:
        attempt: see :data:`Attempt`.
        note: told of each, once.
    """

    def __init__(self, watch: ImportWatch, attempt: Attempt, note: Callable[[str], None]) -> None:
        self._watch = watch
        self._attempt = attempt
        self._note = note
        self._told: set[str] = set()

    def install(self) -> None:
        """Watch the libraries that download weights."""
        for package in ("keras.src", "tf_keras.src"):
            self._watch.when_imported(f"{package}.utils.file_utils", self._keras_files)
            self._watch.when_imported(f"{package}.utils.data_utils", self._keras_files)
        self._watch.when_imported("keras.src.models.model", lambda module: self._filled(module.Model, "load_weights"))
        self._watch.when_imported("tf_keras.src.engine.training", lambda m: self._filled(m.Model, "load_weights"))
        self._watch.when_imported("torch.hub", self._torch_hub)
        self._watch.when_imported("torch.nn.modules.module", lambda m: self._filled(m.Module, "load_state_dict"))
        self._watch.when_imported("torch.optim.optimizer", lambda m: self._filled(m.Optimizer, "load_state_dict"))
        self._watch.when_imported("timm.models._factory", self._timm)
        self._watch.when_imported("transformers.modeling_utils", self._transformers)
        self._watch.when_imported("transformers.models.auto.auto_factory", self._transformers_by_name)

    def tell(self, what: str) -> None:
        """Say that the weights of ``what`` are not here."""
        if what not in self._told:
            self._told.add(what)
            self._note(_TEXT.format(what=what))

    def _keras_files(self, module: ModuleType) -> None:
        original = getattr(module, "get_file", None)
        if original is None:
            return

        @functools.wraps(original)
        def get_file(*args: Any, **kwargs: Any) -> Any:
            named = [value for value in (*args[:2], kwargs.get("fname"), kwargs.get("origin")) if value]
            weights = next((os.path.basename(str(name)) for name in named if str(name).endswith(ENDINGS)), None)
            if weights is None:
                return original(*args, **kwargs)
            try:
                return self._attempt(original, *args, **kwargs)
            except Exception:  # Keras raises a bare one where a download fails
                self.tell(weights)
                return _AbsentFile(weights)

        module.get_file = get_file  # type: ignore[attr-defined]

    def _filled(self, owner: Any, name: str) -> None:
        """A method that fills a network: with a marker it leaves the network as it is."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def fill(network: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(source, (AbsentWeights, _AbsentFile)):
                return original(network, source, *args, **kwargs)
            if isinstance(source, AbsentWeights):
                module: Any = importlib.import_module("torch.nn.modules.module")
                return module._IncompatibleKeys([], [])
            return None

        setattr(owner, name, fill)

    def _torch_hub(self, module: Any) -> None:
        by_url, load = module.load_state_dict_from_url, module.load

        @functools.wraps(by_url)
        def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> Any:
            try:
                return self._attempt(by_url, url, *args, **kwargs)
            except Exception:  # of the connection or of the cache's folder, which is not to be written
                self.tell(url.rpartition("/")[2])
                return AbsentWeights()

        @functools.wraps(load)
        def load_(repository: str, model: str, *args: Any, **kwargs: Any) -> Any:
            try:
                return self._attempt(load, repository, model, *args, **kwargs)
            except Exception:
                if not str(repository).startswith("pytorch/vision"):
                    raise
                where = ("source", "trust_repo", "force_reload", "verbose", "skip_validation")
                models = importlib.import_module("torchvision.models")
                own = {name: value for name, value in kwargs.items() if name not in where}
                return getattr(models, model)(*args, **own)

        module.load_state_dict_from_url, module.load = load_state_dict_from_url, load_

    def _timm(self, module: Any) -> None:
        original = module.create_model

        @functools.wraps(original)
        def create_model(model_name: str, pretrained: bool = False, *args: Any, **kwargs: Any) -> Any:
            if not pretrained:
                return original(model_name, pretrained, *args, **kwargs)
            try:
                return self._attempt(original, model_name, pretrained, *args, **kwargs)
            except Exception:
                self.tell(model_name)
                return original(model_name, False, *args, **kwargs)

        module.create_model = create_model

    def _transformers(self, module: Any) -> None:
        """``from_pretrained`` of a class: with the configuration at hand, else with that of the class itself."""
        owner = module.PreTrainedModel
        original = owner.from_pretrained.__func__

        @functools.wraps(original)
        def from_pretrained(cls: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return self._attempt(original, cls, name, *args, **kwargs)
            except OSError:  # which transformers makes of each way in which a download fails
                if os.path.exists(str(name)):
                    raise
                config = kwargs.get("config")
                if config is None or isinstance(config, (str, os.PathLike)):
                    usual = cls.config_class()
                    config = cls.config_class(**{key: value for key, value in kwargs.items() if hasattr(usual, key)})
                made = cls(config)
            self.tell(str(name))
            return made

        owner.from_pretrained = classmethod(from_pretrained)

    def _transformers_by_name(self, module: Any) -> None:
        """The same of a class that looks for the right one by a name: which it is, only a configuration says."""
        owner = module._BaseAutoModelClass
        original = owner.from_pretrained.__func__

        @functools.wraps(original)
        def from_pretrained(cls: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return self._attempt(original, cls, name, *args, **kwargs)
            except OSError:
                config = kwargs.get("config")
                if config is None or isinstance(config, (str, os.PathLike)) or os.path.exists(str(name)):
                    raise
                made = cls.from_config(config)
            self.tell(str(name))
            return made

        owner.from_pretrained = classmethod(from_pretrained)
