"""Modules read as far as something of them is asked for, with what Python would have made of them as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from ae_audit.schema.training_setup import TrainingSetup
from ae_audit.static import Modules, StaticResult, analyse_file

TRAIN = """
import keras
{imports}
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / {divisor}
model = {model}
model.compile(loss="mse")
model.fit(x, x)
"""
PLAIN = 'keras.Sequential([keras.layers.Dense(784, activation="sigmoid")])'


class Counted(Modules):
    """Keeps the names of the files that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def load(self, path: str):  # type: ignore[no-untyped-def]
        self.loaded.append(Path(path).stem)
        return super().load(path)


def read(folder: Path, source: str, modules: Modules | None = None) -> StaticResult:
    (folder / "pyproject.toml").write_text("")
    script = folder / "train.py"
    script.write_text(source)
    return analyse_file(str(script), source.encode(), modules=modules)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def trained(folder: Path, imports: str, divisor: str = "255.0", model: str = PLAIN) -> TrainingSetup:
    (setup,) = read(folder, TRAIN.format(imports=imports, divisor=divisor, model=model)).setups
    return setup


def test_what_no_name_leads_to_is_not_even_parsed(tmp_path: Path) -> None:
    write(
        tmp_path,
        pkg__model='import keras\ndef build():\n    return keras.Sequential([keras.layers.Softmax()])\n',
        **{f"pkg__other_{number}": "from pkg import unused\n" for number in range(60)},
    )  # fmt: skip
    imports = "from .model import build\n" + "".join(f"from .other_{n} import thing_{n}\n" for n in range(60))
    (tmp_path / "pkg" / "__init__.py").write_text(imports)
    modules = Counted()
    result = read(tmp_path, TRAIN.format(imports="import pkg", divisor="255.0", model="pkg.build()"), modules)
    assert [setup.head.activation for setup in result.setups] == ["softmax"]
    assert set(modules.loaded) == {"__init__", "model"}


@pytest.mark.parametrize(
    ("module", "name", "values"),
    [
        ("a = 255.0\nscale = a\na = 1.0\n", "scale", "[0, 1]"),
        ("a = 1.0\nscale = a\na = 255.0\n", "scale", "[0, 255]"),
        ("parts = []\nparts.append(255.0)\nscale = parts[0]\n", "scale", "[0, 1]"),
        ("parts = {}\nscale = 255.0\nparts['s'] = scale\n", "parts['s']", "[0, 1]"),
        ("def set_up():\n    global scale\n    scale = 255.0\nscale = 1.0\nset_up()\n", "scale", "[0, 1]"),
        ("def set_up(to):\n    global scale\n    scale = to\n    return 1\nscale = 1.0\ntry:\n    how = 255.0\n"
         "    set_up(how)\nexcept ImportError:\n    pass\n", "scale", "[0, 1]"),
        ("def set_up():\n    global scale\n    scale = 255.0\n    return 1\nscale = 1.0\ndone = set_up()\n", "scale",
         "[0, 1]"),
        ("scale = 1.0\nif True:\n    scale = 255.0\n", "scale", "[0, 1]"),
        ("try:\n    import nothing\n    scale = 255.0\nexcept ImportError:\n    scale = 255.0\n", "scale", "[0, 1]"),
        ("class Options:\n    pass\nOptions.scale = 255.0\n", "Options.scale", "[0, 1]"),
        ("for number in (1.0, 255.0):\n    scale = number\n", "scale", "[0, 1]"),
        ("def factor():\n    return later\nscale = factor\nlater = 255.0\n", "scale()", "[0, 1]"),
        ("scale = 255.0\nif __name__ == '__main__':\n    scale = 1.0\n", "scale", "[0, 1]"),
        ("def fill(options):\n    options['scale'] = 255.0\nparts = {}\nfill(parts)\n", "parts['scale']", "[0, 1]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["from settings import *", "import settings", "from settings import {first}"])
def test_a_name_is_bound_as_by_the_whole_module(module: str, name: str, values: str, how: str, tmp_path: Path) -> None:
    write(tmp_path, settings=module)
    first = name.partition(".")[0].partition("[")[0].partition("(")[0]
    used = f"settings.{name}" if how == "import settings" else name
    setup = trained(tmp_path, how.format(first=first), used)
    assert str(setup.target.values) == values


REGISTRY = """
MODELS = {}
def register(name):
    def enter(cls):
        MODELS[name] = cls
        return cls
    return enter
def make(name):
    return MODELS[name]()
"""
REGISTERED = """
import keras
from .registry import register
@register("ae")
def auto_encoder():
    return keras.Sequential([keras.layers.Dense(784, activation="softmax")])
"""


@pytest.mark.parametrize("package", ["from .registry import make\nfrom .models import auto_encoder\n",
                                     "from .registry import *\nfrom .models import *\n",
                                     "from .registry import make\nfrom . import models\n"])  # fmt: skip
def test_what_decorators_enter_into_a_registry_is_found_there(package: str, tmp_path: Path) -> None:
    write(tmp_path, zoo__registry=REGISTRY, zoo__models=REGISTERED)
    (tmp_path / "zoo" / "__init__.py").write_text(package)
    assert trained(tmp_path, "import zoo", model="zoo.make('ae')").head.activation == "softmax"


def test_modules_that_import_each_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        first="import keras\nfrom second import scale\ndef head():\n    return keras.layers.Softmax()\n",
        second="from first import head\nscale = 255.0\ndef build():\n    import keras\n"
        "    return keras.Sequential([head()])\n",
    )
    setup = trained(tmp_path, "from first import scale\nimport second", "scale", "second.build()")
    assert (setup.head.activation, str(setup.target.values)) == ("softmax", "[0, 1]")


def test_names_through_a_chain_of_stars(tmp_path: Path) -> None:
    write(
        tmp_path, one="from two import *\n", two="from three import *\nown = 1\n", three="scale = 255.0\n_hidden = 3\n"
    )
    assert str(trained(tmp_path, "from one import *", "scale").target.values) == "[0, 1]"
    assert trained(tmp_path, "from one import *", "_hidden").target.values.unknown


def test_a_module_of_the_project_changed_by_the_program(tmp_path: Path) -> None:
    write(tmp_path, settings="scale = 1.0\ndef factor():\n    return scale\n")
    setup = trained(tmp_path, "import settings\nsettings.scale = 255.0", "settings.factor()")
    assert str(setup.target.values) == "[0, 1]"


def test_names_looked_up_by_text(tmp_path: Path) -> None:
    write(tmp_path, models="import keras\ndef soft():\n    return keras.Sequential([keras.layers.Softmax()])\n"
          "def make(name):\n    return globals()[name]()\n")  # fmt: skip
    assert trained(tmp_path, "import models", model="models.make('soft')").head.activation == "softmax"
    assert trained(tmp_path, "import models", model="getattr(models, 'soft')()").head.activation == "softmax"


def test_a_name_bound_by_text_asks_for_no_other_name(tmp_path: Path) -> None:
    write(tmp_path, unread="other = 1\n", settings="from unread import other\nglobals()['scale'] = 255.0\n")
    modules = Counted()
    source = TRAIN.format(imports="import settings", divisor="settings.scale", model=PLAIN)
    (setup,) = read(tmp_path, source, modules).setups
    assert str(setup.target.values) == "[0, 1]"
    assert set(modules.loaded) == {"settings"}


def test_what_a_module_does_when_it_is_imported_is_seen(tmp_path: Path) -> None:
    write(tmp_path, helper=TRAIN.format(imports="", divisor="1.0", model=PLAIN) + "width = 3\n")
    result = read(tmp_path, "import keras\nfrom helper import width\nloss = width\n")
    assert [Path(setup.location.path).stem for setup in result.setups] == ["helper"]


def test_a_name_that_was_imported_and_is_bound_again_is_the_new_one(tmp_path: Path) -> None:
    write(tmp_path, settings="scale = 1.0\n")
    assert str(trained(tmp_path, "from settings import scale\nscale = 255.0", "scale").target.values) == "[0, 1]"
    assert trained(tmp_path, "from settings import scale\ndel scale", "scale").target.values.unknown


def test_data_changed_in_place_by_a_module_that_was_not_asked_for_yet(tmp_path: Path) -> None:
    write(tmp_path, steps="def shrink(data):\n    data /= 255.0\n")
    setup = trained(tmp_path, "from steps import shrink", "1.0", f"{PLAIN}\nshrink(x)")
    assert str(setup.target.values) == "[0, 1]"


def test_a_registry_is_searched_without_reading_what_enters_nothing_there(tmp_path: Path) -> None:
    write(tmp_path, zoo__registry=REGISTRY, zoo__models=REGISTERED,
          zoo__others="from .registry import make\n@make\ndef other():\n    pass\nheavy = 1\n",
          zoo__plain="KNOWN = {'a': 1}\ndef known(name):\n    return KNOWN.get(name, 255.0)\n")  # fmt: skip
    (tmp_path / "zoo" / "__init__.py").write_text(
        "from .registry import make\nfrom .plain import known\n"
        "from .models import auto_encoder\nfrom .others import other\n"
    )
    modules = Counted()
    source = TRAIN.format(imports="import zoo", divisor="zoo.known('b')", model=PLAIN)
    (setup,) = read(tmp_path, source, modules).setups
    assert str(setup.target.values) == "[0, 1]"
    assert set(modules.loaded) == {"__init__", "plain"}
    assert trained(tmp_path, "import zoo", model="zoo.make('ae')").head.activation == "softmax"


def test_in_a_librarys_own_sources_what_is_known_of_it_counts(tmp_path: Path) -> None:
    dense = "class Dense:\n    def __init__(self, units, activation=None):\n        self.units = register(units)\n"
    write(
        tmp_path, keras__src__layers__core__dense=dense, keras__src__models__sequential="class Sequential:\n    pass\n"
    )
    for folder in ("keras", "keras/src", "keras/src/layers", "keras/src/layers/core", "keras/src/models"):
        (tmp_path / folder / "__init__.py").write_text("")
    setup = trained(
        tmp_path,
        "from keras.src.layers.core.dense import Dense\nfrom keras.src.models.sequential import Sequential",
        model="Sequential([Dense(784, activation='softmax')])",
    )
    assert setup.head.activation == "softmax"
