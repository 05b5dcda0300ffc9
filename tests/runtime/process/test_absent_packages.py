"""Packages that are not installed: what stands in for them, for whom, and where it refuses."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ae_audit.runtime.host.accommodations.absent_packages import AbsentPackages
from ae_audit.runtime.host.scripts import HowItEnded, ScriptOutcome, run_script
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.stand_ins.downloads import packages

Run = Callable[[str], ScriptOutcome]


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[tuple[Run, list[str]]]:
    told: list[str] = []
    script = tmp_path / "program.py"
    finder = AbsentPackages(UserCode(script), told.append, told.append)

    def run(program: str) -> ScriptOutcome:
        script.write_text(textwrap.dedent(program))
        return run_script(script)

    path, main, argv, finders = list(sys.path), sys.modules["__main__"], sys.argv, list(sys.meta_path)
    finder.install()
    yield run, told
    sys.meta_path[:] = finders
    for name in [
        name for name in sys.modules if name.partition(".")[0] in {*told, "IPython", "optuna", "keras_tuner", "fire"}
    ]:
        del sys.modules[name]
    sys.path[:], sys.modules["__main__"], sys.argv = path, main, argv


def completes(outcome: ScriptOutcome) -> None:
    assert outcome.how is HowItEnded.COMPLETED, outcome.sentence


def test_what_only_shows_and_logs_does_nothing(absent: tuple[Run, list[str]]) -> None:
    run, told = absent
    completes(
        run(
            """
            import plots_absent as sns
            from log_absent.writers import Writer
            import log_absent.more.deep as deep
            from bars_absent import tqdm, trange

            fig, (a, b) = sns.subplots(2, sharex=True)
            a.set_title(f"{sns.palette:.2f}")
            with Writer("runs") as writer:
                writer.config["x"] = 3
                writer.add_scalar("loss", 0.5, global_step=1)
            assert list(tqdm([3, 4], desc="x")) == [3, 4]
            assert len(tqdm([3, 4])) == 2
            assert list(trange(3)) == [0, 1, 2]
            bar = tqdm(total=100)
            bar.update(1)

            @deep.cached
            def made(): return 1

            @deep.traced(level=2)
            def other(): return 2

            class Callback(deep.Callback):
                def __init__(self, more):
                    super().__init__(more)
                    self.more = more
                def on_epoch_end(self, epoch): return epoch

            assert (made(), other(), Callback(5).more, Callback(5).on_epoch_end(2)) == (1, 2, 5, 2)
            assert not isinstance(3, sns.Figure)
            """
        )
    )
    assert told == ["plots_absent", "log_absent", "bars_absent"]


@pytest.mark.parametrize(
    "use",
    [
        "1 + thing",
        "thing * 2.0",
        "float(thing.value)",
        "thing.size > 3",
        "len(thing.load())",
        "for row in thing.load('x'): pass",
        "np.asarray(thing['x'])",
        "np.ones(3) + thing",
        "thing(np.ones(3)).backward()",
        "torch.nn.functional.mse_loss(thing(torch.ones(3)), torch.ones(3))",
        "torch.ones(3) * thing",
        "class Net(thing.Module):\n    def forward(self, x): return x",
        "class Data(thing):\n    def __getitem__(self, i): return i",
    ],
)
def test_what_is_computed_with_is_missing(absent: tuple[Run, list[str]], use: str) -> None:
    pytest.importorskip("torch")
    run, _ = absent
    outcome = run(f"import numpy as np\nimport torch\nfrom sets_absent import thing\n{use}\n")
    assert outcome.line == 4
    assert outcome.sentence.startswith(
        "ModuleNotFoundError at line 4: No module named 'sets_absent', and the program computes with what `sets_absent."
    )


def test_who_says_what_to_do_without_goes_without(absent: tuple[Run, list[str]]) -> None:
    run, told = absent
    completes(
        run(
            """
            import contextlib, importlib.util
            try:
                import optional_absent
                found = True
            except ImportError:
                found = False
            assert not found
            try:
                from optional_absent import thing
            except:
                thing = None
            assert thing is None
            with contextlib.suppress(ModuleNotFoundError):
                import optional_absent
                found = True
            assert not found
            assert importlib.util.find_spec("optional_absent") is None
            """
        )
    )
    assert told == []
    completes(
        run(
            """
            try:
                import needed_absent
            except ImportError:
                print("install it")
                raise SystemExit(1)
            needed_absent.show()
            """
        )
    )
    assert told == ["needed_absent"]


@pytest.mark.parametrize(
    "program",
    ["from names_absent import *", "import json.absent", "import shown_absent\nimport sacred"],
)
def test_what_nothing_can_stand_in_for(absent: tuple[Run, list[str]], program: str) -> None:
    """Names that nobody knows, parts of what is installed, and what would run the program."""
    run, _ = absent
    assert "No module named" in run(program).sentence


def test_a_module_that_is_of_no_use_without_an_absent_package(
    absent: tuple[Run, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``torch.utils.tensorboard`` is without TensorBoard."""
    run, told = absent
    for name in ("wsgiref.validate", "wsgiref.headers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    needed = {"wsgiref.validate": "absent_board", "wsgiref.headers": "json"}
    monkeypatch.setattr("ae_audit.runtime.host.accommodations.absent_packages._BESIDE", needed)
    program = """\
        from wsgiref.validate import SummaryWriter
        writer = SummaryWriter("runs")
        writer.add_scalar("loss", 1.0, 1)
        from wsgiref.headers import Headers
        assert Headers([("a", "b")])["a"] == "b"
        """
    completes(run(program))
    assert told == ["absent_board"]
    monkeypatch.delitem(sys.modules, "wsgiref.validate")


def test_tools_that_only_name_a_platform(absent: tuple[Run, list[str]]) -> None:
    run, _ = absent
    completes(run("from pip.pep425tags import get_abbr_impl\nprint(f'{get_abbr_impl()}')"))
    sys.modules.pop("pip.pep425tags", None)


def test_words_are_cut_by_simple_rules(absent: tuple[Run, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as if NLTK were absent, wherever it is installed."""
    run, told = absent
    finder = next(one for one in reversed(sys.meta_path) if isinstance(one, AbsentPackages))
    sys.meta_path.insert(0, finder)
    before = [name for name in sys.modules if name.partition(".")[0] == "nltk"]
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    program = """\
        import nltk
        from nltk.corpus import stopwords
        from nltk.stem.porter import PorterStemmer
        from nltk.tokenize import RegexpTokenizer, sent_tokenize
        nltk.download("punkt")
        assert nltk.word_tokenize("Don't stop, she said.") == ["Don't", "stop", ",", "she", "said", "."]
        assert sent_tokenize("One. Two! Three?") == ["One.", "Two!", "Three?"]
        assert RegexpTokenizer(r"\\d+").tokenize("a1b22") == ["1", "22"]
        assert "the" in stopwords.words("english")
        stem = PorterStemmer().stem
        assert (stem("walking"), stem("walked"), stem("is")) == ("walk", "walk", "is")
        assert nltk.FreqDist("abca").most_common(1) == [("a", 2)]
        """
    completes(run(program))
    for name in [name for name in sys.modules if name.partition(".")[0] == "nltk"]:
        del sys.modules[name]
    assert len(told) == 1
    assert told[0].startswith("`nltk` is not installed here: texts were cut into words")


def test_samples_of_rare_classes_are_drawn_again(absent: tuple[Run, list[str]]) -> None:
    if importlib.util.find_spec("imblearn") is not None:
        pytest.skip("imblearn is installed")
    run, told = absent
    completes(
        run(
            """
            import numpy as np
            from imblearn.over_sampling import SMOTE
            from imblearn.under_sampling import RandomUnderSampler
            x, y = np.arange(20.0).reshape(10, 2), np.array([0] * 8 + [1] * 2)
            more, labels = SMOTE(random_state=1).fit_resample(x, y)
            assert more.shape == (16, 2) and labels.sum() == 8 and set(more[labels == 1, 0]) == {16.0, 18.0}
            fewer, labels = RandomUnderSampler().fit_resample(x, y)
            assert len(fewer) == 4 and labels.sum() == 2
            """
        )
    )
    assert len(told) == 1
    assert told[0].startswith("`imblearn` is not installed here: samples of its own classes were drawn again")
    for name in [name for name in sys.modules if name.partition(".")[0] == "imblearn"]:
        del sys.modules[name]


def test_what_would_have_been_downloaded_is_made_up(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    said: list[str] = []

    class Files:
        def say(self, path: str, what: str, *, guessed_rank: bool = True) -> None:
            said.append(f"{path}: {what}")

    script, told = tmp_path / "program.py", list[str]()
    finders, path, main, argv = list(sys.meta_path), list(sys.path), sys.modules["__main__"], sys.argv
    AbsentPackages(UserCode(script), told.append, told.append, packages(Files())).install()
    script.write_text(
        textwrap.dedent("""\
        from pandas_datareader import data
        import quandl, kagglehub
        prices = data.DataReader("TSLA", data_source="yahoo")
        assert list(prices)[:4] == ["Open", "High", "Low", "Close"] and len(prices) == 1024
        assert (prices.High >= prices.Low).all() and (prices.Close > 0).all()
        assert quandl.get("WIKI/GOOGL").shape == prices.shape
        assert kagglehub.dataset_download("some/thing") == "downloaded/some/thing"
        """)
    )
    try:
        completes(run_script(script))
    finally:
        sys.meta_path[:], sys.path[:], sys.modules["__main__"], sys.argv = finders, path, main, argv
        for name in ("pandas_datareader", "pandas_datareader.data", "quandl", "kagglehub"):
            sys.modules.pop(name, None)
    assert told == []
    assert said[0] == "pandas_datareader.data: TSLA: prices of 1024 days"


def test_libraries_go_without(absent: tuple[Run, list[str]], tmp_path: Path) -> None:
    run, told = absent
    package = tmp_path / "site-packages" / "somewhere_else.py"
    package.parent.mkdir()
    package.write_text("import optional_absent\n")
    outcome = run(
        "import sys\nsys.path.append('site-packages')\nsys.path.append(sys.path[0] + '/site-packages')\n"
        "import somewhere_else\n"
    )
    assert "No module named 'optional_absent'" in outcome.sentence
    assert told == []


def test_matplotlib_plots_where_a_program_imports_an_absent_ipython(absent: tuple[Run, list[str]]) -> None:
    pytest.importorskip("matplotlib")
    if importlib.util.find_spec("IPython") is not None:
        pytest.skip("IPython is installed")
    run, _ = absent
    completes(
        run(
            """
            import matplotlib
            matplotlib.use("Agg")
            from IPython import get_ipython, display
            get_ipython().run_line_magic("matplotlib", "inline")
            import matplotlib.pyplot as plt
            plt.figure()
            plt.plot([1, 2])
            plt.draw()
            display.clear_output(wait=True)
            """
        )
    )


def test_settings_and_sweeps_of_wandb(absent: tuple[Run, list[str]]) -> None:
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    run, _ = absent
    completes(
        run(
            """
            import argparse
            import wandb
            run = wandb.init(project="x", config={"lr": 0.1, "width": 8})
            wandb.config.update(argparse.Namespace(depth=3))
            wandb.config.epochs = 5
            assert (wandb.config.lr, wandb.config["width"], run.config.depth, wandb.config.epochs) == (0.1, 8, 3, 5)
            wandb.log({"loss": 0.1}); wandb.watch(3); run.finish()
            seen = []
            sweep = wandb.sweep({"parameters": {"size": {"values": [4, 8]}}}, project="x")
            wandb.agent(sweep, function=lambda: seen.append(wandb.config.size), count=3)
            assert seen == [4]
            """
        )
    )


def test_trainers_and_optimizers_of_torch(absent: tuple[Run, list[str]]) -> None:
    pytest.importorskip("torch")
    run, _ = absent
    completes(
        run(
            """
            import torch
            from mixed_absent import amp
            from steps_absent import AdaThing, EMA
            model = torch.nn.Linear(3, 3)
            optimizer = AdaThing([{"params": model.parameters()}], lr=0.5)
            assert type(optimizer) is torch.optim.Adam and optimizer.param_groups[0]["lr"] == 0.5
            assert len(optimizer.param_groups[0]["params"]) == 2
            EMA(model.parameters(), decay=0.99).update()
            model, optimizer = amp.initialize(model, optimizer, opt_level="O1")
            before = model.weight.detach().clone()
            loss = model(torch.ones(2, 3)).sum()
            with amp.scale_loss(loss, optimizer) as scaled:
                scaled.backward()
            optimizer.step()
            assert not torch.equal(before, model.weight)
            """
        )
    )


@pytest.mark.parametrize(
    "program",
    [
        """
        import optuna
        seen = []
        def objective(trial):
            seen.append((trial.suggest_int("n", 4, 8), trial.suggest_float("lr", 0.1, 1, log=True)))
            trial.report(0.5, 1)
            if trial.should_prune():
                raise optuna.exceptions.TrialPruned()
            return 0.5
        study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=100)
        assert seen == [(4, 0.1)]
        assert (study.best_params, study.best_value) == ({"n": 4, "lr": 0.1}, 0.5)
        """,
        """
        import keras_tuner as kt
        class Model:
            fitted = []
            def fit(self, x, y, epochs): self.fitted.append((x, y, epochs))
        def build(hp):
            assert hp.Int("n", 4, 8, step=2) == 4 and hp.Choice("a", ["relu", "tanh"]) == "relu"
            return Model()
        for given in (build, type("Space", (kt.HyperModel,), {"build": lambda self, hp: build(hp)})()):
            tuner = kt.RandomSearch(given, objective="val_loss", max_trials=9)
            tuner.search(1, 2, epochs=3)
            tuner.results_summary()
            assert tuner.get_best_hyperparameters()[0].get("n") == 4
            assert isinstance(tuner.get_best_models()[0], Model)
        assert Model.fitted == [(1, 2, 3)] * 2
        """,
    ],
    ids=["optuna", "keras tuner"],
)
def test_searches_run_one_trial(absent: tuple[Run, list[str]], program: str) -> None:
    if any(importlib.util.find_spec(name) is not None for name in ("optuna", "keras_tuner")):
        pytest.skip("it is installed")
    run, told = absent
    completes(run(program))
    assert [text.partition(": ")[2] for text in told] == [
        "one trial was run in its place, with the first value of each choice"
    ]


@pytest.mark.parametrize(
    ("component", "arguments", "expected"),
    [
        ("train", ["--epochs", "5", "--name=a b", "--fast"], "(5, 'a b', True)"),
        ("train", ["7"], "(7, 'x', False)"),
        ("{'train': train}", ["train", "--epochs=2"], "(2, 'x', False)"),
        ("Trainer", ["run-it", "--epochs", "3"], "('made', 3)"),
        ("None", ["train"], "(1, 'x', False)"),
    ],
)
def test_fire_calls_the_program(
    absent: tuple[Run, list[str]], monkeypatch: pytest.MonkeyPatch, component: str, arguments: list[str], expected: str
) -> None:
    if importlib.util.find_spec("fire") is not None:
        pytest.skip("fire is installed")
    run, told = absent
    program = f"""
        import sys
        import fire
        sys.argv[1:] = {arguments!r}
        def train(epochs=1, name="x", fast=False): return epochs, name, fast
        class Trainer:
            def __init__(self): self.made = "made"
            def run_it(self, epochs): return self.made, epochs
        assert fire.Fire({component}) == {expected}
    """
    completes(run(program))
    assert "called the program in its place" in told[0]
