"""One front for both frameworks: who answers for a model, without importing either."""

from __future__ import annotations

import subprocess
import sys

from ae_audit.runtime.frontend import FRONTENDS, framework_of


def _class(module: str, name: str = "Model") -> type:
    return type(name, (), {"__module__": module})


def test_a_model_belongs_to_the_framework_of_its_classes() -> None:
    keras, torch = _class("keras.src.models.model"), _class("torch.nn.modules.module", "Module")
    assert framework_of(type("Mine", (keras,), {})()) == "keras"
    assert framework_of(_class("tensorflow.python.keras.engine")()) == "keras"
    assert framework_of(type("Mine", (torch,), {})()) == "torch"
    assert framework_of(_class("torch.utils.data")()) is None
    assert framework_of([1]) is None
    assert sorted(FRONTENDS) == ["keras", "torch"]


def test_the_front_imports_no_framework() -> None:
    code = "import sys, ae_audit.runtime.frontend; print({'torch', 'keras', 'tensorflow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
