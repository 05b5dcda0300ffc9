"""The script runner: as Python runs a script, as Jupyter runs a notebook, and each end in one sentence."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run, ended, events


def notebook(*cells: tuple[str, str]) -> str:
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)} for kind, text in cells
            ],
        }
    )


@pytest.mark.parametrize(
    ("source", "sentence", "line"),
    [
        ("x = 1\nraise ValueError('bad shape')", "ValueError at line 2: bad shape", 2),
        ("x = 1\nraise ValueError('first\\nsecond')", "ValueError at line 2: first", 2),
        ("raise ValueError('\\33[1mmissing:\\33[0m\\n  bias')", "ValueError at line 1: missing: bias", 1),
        ("import nowhere_at_all", "ModuleNotFoundError at line 1: No module named 'nowhere_at_all'", 1),
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError at line 2: maximum recursion depth exceeded", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt at line 1", 1),
        ("x = (1,\n", "SyntaxError at line 1: '(' was never closed", 1),
        (
            "import json\njson.loads('{')",
            "JSONDecodeError at line 2: Expecting property name enclosed in double quotes",
            2,
        ),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E at line 3", 3),
        ("raise BaseException('x' * 1000)", "BaseException at line 1: " + "x" * 399 + "…", 1),
    ],
)
def test_an_exception_becomes_a_sentence_with_the_scripts_line(
    run_program: Run, source: str, sentence: str, line: int
) -> None:
    outcome = ended(run_program(source))
    assert outcome["how"] == "raised"
    assert outcome["sentence"].startswith(sentence)
    assert outcome["line"] == line


@pytest.mark.parametrize(
    ("source", "sentence", "code"),
    [
        ("import sys\nsys.exit()", "the program left by sys.exit at line 2 with exit code 0", 0),
        ("import sys\nsys.exit(3)", "the program left by sys.exit at line 2 with exit code 3", 3),
        ("exit('no data')", "the program left by sys.exit at line 1 with exit code 1: no data", 1),
        ("import os\nos._exit(7)", "the program left by os._exit at line 2 with exit code 7", 7),
    ],
)
def test_leaving_early_is_told(run_program: Run, source: str, sentence: str, code: int) -> None:
    outcome = ended(run_program(source))
    assert (outcome["how"], outcome["sentence"], outcome["exit_code"]) == ("exited", sentence, code)


def test_an_error_in_a_helper_names_both_places(run_program: Run) -> None:
    outcome = ended(
        run_program("import helper\n\nhelper.build()", files={"helper.py": "def build():\n    return 1 / 0\n"})
    )
    assert outcome["sentence"] == "ZeroDivisionError at line 3 (in helper.py, line 2): division by zero"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "from numpy import nothing_such\n",
            "ImportError at line 1, raised by numpy {}: cannot import name",
        ),
        ("import numpy.no_such_part\n", "ModuleNotFoundError at line 1, raised by numpy {}: No module named"),
        ("import no_such_package\n", "ModuleNotFoundError at line 1: No module named 'no_such_package'"),
        ("import numpy\nnumpy.broadcast_shapes(2, 3)\n", "ValueError at line 2, raised by numpy {}: "),
        ("open('no_such_file')\n", "FileNotFoundError at line 1: "),
    ],
)
def test_the_library_that_refused_is_named_with_its_version(run_program: Run, source: str, sentence: str) -> None:
    told = ended(run_program(source))["sentence"]
    assert told.startswith(sentence.format(metadata.version("numpy")))
    assert "site-packages" not in told


def test_it_runs_as_main_with_its_arguments_and_folder(run_program: Run, tmp_path: Path) -> None:
    outcome = run_program(
        """
        import __main__, os, sys, pickle
        import helper
        class Thing:
            pass
        assert __name__ == "__main__" and __main__.Thing is Thing
        assert isinstance(pickle.loads(pickle.dumps(Thing())), Thing)
        assert sys.argv[1:] == ["--epochs", "3"]
        assert os.path.samefile(sys.path[0], os.path.dirname(helper.__file__))
        assert __file__ == sys.argv[0] and os.path.exists(__file__)
        if __name__ == "__main__":
            print("guarded part")
        """,
        files={"helper.py": ""},
        argv=["--epochs", "3"],
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert outcome.stdout == "guarded part\n"


def test_relative_paths_read_and_write_without_touching_the_originals(run_program: Run, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "more.csv").write_text("5")
    outcome = run_program(
        """
        import os, pathlib, shutil
        assert open("data/train.csv").read() == "1,2"
        assert open("../shared/more.csv").read() == "5"
        open("data/new.csv", "w").write("3")
        open("log.txt", "a").write(" and more")
        assert open("log.txt").read() == "old and more"
        open("data/train.csv", "w").write("overwritten")
        assert open("data/train.csv").read() == "overwritten"
        os.remove("gone.txt")
        here = os.path.dirname(os.path.abspath(__file__))
        os.makedirs(os.path.join(here, "results", "run1"))
        (pathlib.Path(__file__).resolve().parent / "results" / "run1" / "a.txt").write_text("x")
        shutil.rmtree("old_results")
        """,
        files={"data/train.csv": "1,2", "log.txt": "old", "gone.txt": "here", "old_results/a.txt": "a"},
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert events(outcome, "AccessBlocked") == []
    project = tmp_path / "project"
    found = {str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file()}
    del found["program.py"]
    assert found == {"data/train.csv": "1,2", "log.txt": "old", "gone.txt": "here", "old_results/a.txt": "a"}


def test_a_folder_of_many_files_takes_new_ones_in_scratch(run_program: Run, tmp_path: Path) -> None:
    outcome = run_program(
        """
        import os
        assert os.path.islink("images")
        open("images/new.png", "w").close()
        os.mkdir("images/more")
        os.remove("images/3.png")
        assert len(os.listdir("images")) == 501
        assert open("images/7.png").read() == "7"
        """,
        files={f"images/{i}.png": str(i) for i in range(500)},
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert len(list((tmp_path / "project" / "images").iterdir())) == 500


def test_the_folder_that_the_command_was_given_in_is_seen_too(run_program: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inputs").mkdir(parents=True)
    (root / "inputs" / "x.csv").write_text("7")
    outcome = run_program("assert open('inputs/x.csv').read() == '7'", working_folders=[root])
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]


def test_questions_get_an_empty_answer_and_those_for_yes_or_no_a_yes(run_program: Run) -> None:
    outcome = run_program(
        "import getpass\nassert input('name? ') == getpass.getpass() == ''\nbreakpoint()\n"
        "assert input('Train? [y/n] ') == 'y'\n"
    )
    assert ended(outcome)["how"] == "completed"
    told = [event["text"] for event in events(outcome, "Noted")]
    assert told == ["input() was answered with an empty line", "input() was answered with `y`"]


def test_questions_get_the_answer_that_they_propose_and_numbers_a_number(run_program: Run) -> None:
    lines = (
        'assert float(input("Test size (e.g., 0.2): ")) == 0.2',
        'assert input("Batch size [default: 64] ") == "64"',
        'assert input("Optimizer [adam/sgd]: ") == "adam"',
        'assert int(input("How many epochs? ")) == 2',
        'assert float(input("Rate: ")) == 0.1',
        'assert input("Your name? ") == ""',
    )
    outcome = run_program("\n".join(lines))
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]


def test_a_source_in_another_encoding_is_read_as_declared(run_program: Run) -> None:
    source = "# coding: latin-1\nassert len('é') == 1\n".encode("latin-1")
    assert ended(run_program("", files={"program.py": source}))["how"] == "completed"


def run_notebook(run_program: Run, *cells: tuple[str, str], **env: str) -> dict[str, Any]:
    return ended(run_program(notebook(*cells), name="book.ipynb", env=env))


def test_a_notebook_runs_cell_by_cell(run_program: Run) -> None:
    outcome = run_notebook(
        run_program,
        ("markdown", "# Title"),
        (
            "code",
            "%matplotlib inline\n!pip install nothing \\\n   more\nx = 2\nfiles = !ls\n%time y = x + 1\nx?\n"
            "if x:\n    !echo hi",
        ),
        ("code", "%%time\nz = y"),
        ("code", "%%bash\nrm -rf /"),
        (
            "code",
            "import asyncio\nawait asyncio.sleep(0)\ndisplay(z)\nget_ipython().run_line_magic('matplotlib', 'inline')",
        ),
        (
            "code",
            "assert (x, y, z, files) == (2, 3, 3, [])\ntext = '''\n%not magic\n!nor this\n'''\nassert '%not' in text",
        ),
        ("code", "import inspect\ndef f():\n    return 1\nassert 'return 1' in inspect.getsource(f)"),
    )
    assert outcome["how"] == "completed", outcome["sentence"]


def test_an_error_in_a_notebook_names_cell_and_line(run_program: Run) -> None:
    outcome = run_notebook(run_program, ("markdown", "text"), ("code", "def f():\n    return 1 / 0"), ("code", "\nf()"))
    assert outcome["sentence"] == "ZeroDivisionError at line 2 of cell 1: division by zero"
    assert (outcome["line"], outcome["cell"]) == (2, 1)


def test_a_notebook_that_does_not_parse_names_cell_and_line(run_program: Run) -> None:
    outcome = run_notebook(run_program, ("code", "x = 1"), ("code", "y = 1\nz = ]"))
    assert outcome["sentence"].startswith("SyntaxError at line 2 of cell 1")


def test_cells_before_a_broken_one_run_and_a_cell_may_be_indented(run_program: Run) -> None:
    cells = (
        ("code", "\n    x = [1,\n  2]\n    y = x"),
        ("code", "assert y == [1, 2]\nraise KeyError('reached')"),
        ("code", "]"),
    )
    assert run_notebook(run_program, *cells)["sentence"] == "KeyError at line 2 of cell 1: 'reached'"


def test_a_notebook_for_a_host_that_is_not_here_still_runs(run_program: Run) -> None:
    outcome = run_notebook(
        run_program,
        (
            "code",
            "from google.colab import drive, files\ndrive.mount('/content/drive')\nassert not list(files.upload())\n"
            "from google.colab.patches import cv2_imshow\ncv2_imshow(None)",
        ),
        ("code", "from google.colab.widgets import Grid\nclass Mine(Grid): pass\nMine(rows=3)"),
        ("code", "try:\n    import googly\nexcept ImportError:\n    pass\nelse:\n    raise AssertionError"),
        AE_AUDIT_TEST_ABSENT="1",
    )
    assert outcome["how"] == "completed", outcome["sentence"]


def test_a_notebook_that_hangs_is_cut_with_its_cell(run_program: Run, tmp_path: Path) -> None:
    outcome = run_program(
        notebook(("code", "x = 1"), ("markdown", ""), ("code", "\nwhile True: x += 1")), name="book.ipynb", timeout=1
    )
    sentence = "was still running at line 2 of cell 2 after 1 s and was stopped"
    assert outcome.sentence(tmp_path / "project" / "book.ipynb") == sentence


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"cells": 3}'])
def test_what_is_no_notebook_is_refused(run_program: Run, text: str) -> None:
    assert ended(run_program(text, name="book.ipynb"))["how"] == "raised"
