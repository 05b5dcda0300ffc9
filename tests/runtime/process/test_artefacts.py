"""Artefact writers: nothing is written outside scratch, nothing shown, and the program goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, ended, events


def test_arrays_come_back_from_scratch_and_go_nowhere_else(run_program: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outcome = run_program(
        f"""
        import io, sys
        import numpy as np
        np.save("a.npy", np.arange(3))
        assert np.load("a.npy").tolist() == [0, 1, 2]
        np.savez({str(elsewhere / "b.npz")!r}, a=np.arange(3))
        np.savetxt({str(elsewhere / "b.csv")!r}, np.arange(3))
        buffer = io.BytesIO()
        np.save(buffer, np.arange(3))
        assert buffer.tell() > 0
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert [(event["call"], event["what"]) for event in events(outcome, "WriteSkipped")] == [
        ("numpy.savez", str(elsewhere / "b.npz")),
        ("numpy.savetxt", str(elsewhere / "b.csv")),
    ]
    assert list(elsewhere.iterdir()) == []
    assert events(outcome, "AccessBlocked") == []


def test_folders_outside_scratch_are_not_made_and_the_program_goes_on(run_program: Run, tmp_path: Path) -> None:
    outcome = run_program(
        f"""
        import os, pathlib
        os.makedirs({str(tmp_path / "out" / "run1")!r}, exist_ok=True)
        pathlib.Path({str(tmp_path / "out2")!r}).mkdir(parents=True)
        os.makedirs("here/too")
        assert os.path.isdir("here/too")
        try:
            os.mkdir("here")
        except FileExistsError:
            print("as ever")
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert outcome.stdout == "as ever\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]
    assert {event["what"] for event in events(outcome, "WriteSkipped")} == {
        str(tmp_path / "out"),
        str(tmp_path / "out" / "run1"),
        str(tmp_path / "out2"),
    }


def test_folders_that_only_the_author_has_are_there_for_who_writes_into_them(run_program: Run, tmp_path: Path) -> None:
    outcome = run_program(
        f"""
        import logging
        logging.getLogger().addHandler(logging.FileHandler("logs/run.log"))
        with open("out/a/b.txt", "w") as file:
            file.write("here")
        assert open("out/a/b.txt").read() == "here"
        for path, mode in (("none/a.txt", "r"), ({str(tmp_path / "none" / "a.txt")!r}, "w")):
            try:
                open(path, mode)
            except (FileNotFoundError, PermissionError):
                print("as ever")
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert outcome.stdout == "as ever\n" * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


def test_the_home_folder_can_be_read_and_written_without_changing(
    run_program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".keras").mkdir(parents=True)
    (home / ".keras" / "keras.json").write_text("real")
    (home / "data.csv").write_text("1")
    monkeypatch.setenv("HOME", str(home))
    for name in ("KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    outcome = run_program(
        """
        from pathlib import Path
        assert Path("~/data.csv").expanduser().read_text() == "1"
        assert Path("~/.keras/keras.json").expanduser().read_text() == "real"
        Path.home().joinpath("models").mkdir()
        Path("~/.keras/new.json").expanduser().write_text("x")
        Path("~/.cache/mine").expanduser().mkdir(parents=True)
        Path("~/data.csv").expanduser().write_text("2")
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert events(outcome, "AccessBlocked") == []
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == [
        ".keras",
        ".keras/keras.json",
        "data.csv",
    ]
    assert (home / "data.csv").read_text() == "1"


@pytest.mark.slow
def test_figures_are_neither_drawn_nor_shown(run_program: Run) -> None:
    pytest.importorskip("matplotlib")
    outcome = run_program(
        """
        import matplotlib
        matplotlib.use("TkAgg")
        import matplotlib.pyplot as plt
        import os
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        plt.savefig("figure.png")
        figure.savefig("/somewhere/figure.pdf")
        plt.show()
        plt.imsave("image.png", [[0, 1]])
        assert not os.path.exists("figure.png")
        from PIL import Image
        Image.new("L", (2, 2)).save("/somewhere/x.png")
        Image.new("L", (2, 2)).show()
        import webbrowser
        assert webbrowser.open("https://example.org") is False
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert [(event["call"], event["what"]) for event in events(outcome, "WriteSkipped")] == [
        ("Figure.savefig", "figure.png"),
        ("Figure.savefig", "/somewhere/figure.pdf"),
        ("matplotlib.imsave", "image.png"),
        ("Image.save", "/somewhere/x.png"),
    ]


@pytest.mark.slow
def test_tables_and_pickles(run_program: Run) -> None:
    pytest.importorskip("pandas")
    outcome = run_program(
        """
        import pandas as pd, joblib
        frame = pd.DataFrame({"a": [1, 2]})
        frame.to_csv("a.csv", index=False)
        assert pd.read_csv("a.csv")["a"].tolist() == [1, 2]
        assert frame.to_csv(index=False).startswith("a")
        frame.to_csv("/somewhere/a.csv")
        frame["a"].to_pickle("/somewhere/a.pkl")
        joblib.dump(frame, "/somewhere/a.joblib")
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert [event["what"] for event in events(outcome, "WriteSkipped")] == [
        "/somewhere/a.csv",
        "/somewhere/a.pkl",
        "/somewhere/a.joblib",
    ]


@pytest.mark.slow
def test_checkpoints_of_torch(run_program: Run) -> None:
    pytest.importorskip("torch")
    outcome = run_program(
        """
        import torch
        model = torch.nn.Linear(2, 2)
        torch.save(model.state_dict(), "model.pt")
        model.load_state_dict(torch.load("model.pt"))
        torch.save(model, "/somewhere/model.pt")
        torch.onnx.export(model, torch.zeros(1, 2), "model.onnx")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            pass
        else:
            writer = SummaryWriter("/somewhere/runs")
            writer.add_scalar("loss", 1.0, 0)
            writer.close()
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]
    assert [(event["call"], event["what"]) for event in events(outcome, "WriteSkipped")] == [
        ("torch.save", "/somewhere/model.pt"),
        ("torch.export", "model.onnx"),
    ]


@pytest.mark.slow
def test_workers_of_a_loader_run(run_program: Run) -> None:
    pytest.importorskip("torch")
    outcome = run_program(
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        data = TensorDataset(torch.arange(10.0))
        loader = DataLoader(data, 5, num_workers=2, persistent_workers=True, prefetch_factor=4, timeout=5)
        assert loader.num_workers == 2
        assert len([batch for batch in loader]) == 2
        """
    )
    assert ended(outcome)["how"] == "completed", ended(outcome)["sentence"]


def test_a_picture_that_opencv_does_not_find_is_named(run_program: Run) -> None:
    cv2 = "def imread(filename, flags=1):\n    return None\n"
    source = "import cv2\ncv2.imread(__file__)\ncv2.imread('images/cat.png').shape"
    outcome = run_program(source, files={"cv2.py": cv2})
    (note,) = events(outcome, "Noted")
    assert note["text"] == "cv2.imread gave None: the file images/cat.png does not exist"
