"""Model files with their data through the whole command: one of each kind, made by the framework itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .warm import WarmCommand

pytestmark = pytest.mark.slow

KERAS = """
import keras
from keras import layers
def model(head, loss=None, **compiled):
    made = keras.Sequential([keras.Input((16,)), layers.Dense(8, "relu"), layers.Dense(16, head)], name="made")
    if loss:
        made.compile("adam", loss, **compiled)
    return made
softmax = model("softmax", "binary_crossentropy")
softmax.save("softmax.keras")
softmax.save("softmax.h5")
open("softmax.json", "w").write(softmax.to_json())
model("sigmoid", "mse").save("right.keras")
model("linear").save("plain.keras")
classes = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3, "softmax")])
classes.compile("adam", "sparse_categorical_crossentropy")
classes.save("classes.keras")
x = keras.Input((16,))
heads = keras.Model(x, [layers.Dense(16, "softmax")(x), layers.Dense(3, "softmax")(x)])
heads.compile("adam", ["mse", "sparse_categorical_crossentropy"])
heads.save("heads.keras")
runs_code = keras.Sequential([keras.Input((16,)), layers.Lambda(lambda x: x * 2), layers.Dense(16, "softmax")])
runs_code.compile("adam", "mse")
runs_code.save("lambda.keras")
runs_code.save("lambda.h5")
import h5py, os, shutil
def hostile(name, change):
    shutil.copy("softmax.h5", name)
    with h5py.File(name, "r+") as file:
        kernels = []
        file["model_weights"].visititems(lambda path, item: kernels.append(path) if path.endswith("kernel") else None)
        place = "model_weights/" + kernels[0]
        del file[place]
        change(file, place)
def virtual(file, place):
    layout = h5py.VirtualLayout((16, 8), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "w", shape=(16, 8))
    file.create_virtual_dataset(place, layout)
os.mkfifo("waits")
hostile("link.h5", lambda file, place: file.__setitem__(place, h5py.ExternalLink("waits", "/w")))
hostile("circle.h5", lambda file, place: file.__setitem__(place, h5py.SoftLink("/" + place)))
hostile("virtual.h5", virtual)
hostile("raw.h5", lambda file, place: file.create_dataset(place, (16, 8), "f4", external=[("x.npy", 0, 512)]))
hostile("huge.h5", lambda file, place: file.create_dataset(place, (10**6, 10**6), "f4", chunks=(1000, 1000)))
open("cut.h5", "wb").write(open("softmax.h5", "rb").read()[:-3000])
"""
TORCH = """
import torch
from torch import nn
def export(head, path, example, **options):
    made = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 16), head)
    torch.export.save(torch.export.export(made, (example,), **options), path)
    return made
some = {0: torch.export.Dim("batch")}
made = export(nn.Softmax(dim=1), "softmax.pt2", torch.rand(4, 16), dynamic_shapes=(some,))
export(nn.Sigmoid(), "eights.pt2", torch.rand(8, 16))
torch.save(made, "pickled.pt")
torch.save(made.state_dict(), "weights.pth")
torch.jit.script(made).save("script.pt")
"""


def make(source: str, folder: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    generator = np.random.default_rng(0)
    pixels = generator.random((400, 3)) @ generator.random((3, 16))
    pixels = (pixels / pixels.max()).astype(np.float32)
    np.save(folder / "x.npy", pixels)
    np.save(folder / "bytes.npy", (255 * pixels).astype(np.uint8))
    np.save(folder / "narrow.npy", pixels[:, :12])
    np.save(folder / "squares.npy", pixels.reshape(400, 4, 4))
    np.save(folder / "labels.npy", generator.integers(0, 3, 400))
    np.savez_compressed(folder / "two.npz", x=pixels, labels=generator.integers(0, 3, 400))
    header = ",".join(f"p{i}" for i in range(16))
    np.savetxt(folder / "x.csv", pixels, fmt="%.5f", delimiter=",", header=header, comments="")
    return folder


@pytest.fixture(scope="module")
def keras(warm_keras: WarmCommand) -> WarmCommand:
    make(KERAS, warm_keras.folder)
    return warm_keras


@pytest.fixture(scope="module")
def torch(warm_torch: WarmCommand) -> WarmCommand:
    make(TORCH, warm_torch.folder)
    return warm_torch


@pytest.mark.parametrize(
    ("model", "data"),
    [("softmax.keras", "x.npy"), ("softmax.h5", "x.csv"), ("softmax.json", "two.npz:x")],
)
def test_keras_files_are_proved_wrong_with_their_data(keras: WarmCommand, model: str, data: str) -> None:
    result = keras(model, "--data", data, "--no-probe")
    assert result.code == 1
    assert result.finding("AE101")["verdict"] == "proved"
    assert result.finding("AE101")["path"] == model
    (setup,) = result.report["setups"]
    assert setup["seen_by"] == ["file", "runtime"]
    assert setup["relation"] == "same array"
    assert setup["target"]["source"] == data
    assert (result.report["errors"], result.report["undecided"]) == ([], [])


def test_the_probe_settles_and_a_loss_may_be_given(keras: WarmCommand) -> None:
    right = keras("right.keras", "--data", "x.npy")
    assert right.code == 0
    assert right.standing("error", "warning") == set()
    given = keras("plain.keras", "--data", "x.npy", "--loss", "bce")
    finding = given.finding("AE105")
    assert any(each["kind"] == "probe" and each["arms"] for each in finding["evidence"])


def test_scaling_and_a_target_of_its_own(keras: WarmCommand) -> None:
    raw = keras("right.keras", "--data", "bytes.npy", "--no-probe")
    assert {"AE102", "AE301"} <= raw.standing("error", "warning")
    scaled = keras("right.keras", "--data", "bytes.npy", "--scale", "1/255", "--no-probe")
    assert scaled.standing("error", "warning") == set()
    classes = keras("classes.keras", "--data", "squares.npy", "--target", "labels.npy", "--no-probe")
    assert classes.code == 0, classes.out
    assert classes.report["setups"][0]["target"]["structure"] == "class index"


def test_without_a_loss_the_data_are_measured_and_the_loss_stays_open(keras: WarmCommand) -> None:
    result = keras("plain.keras", "--data", "x.npy")
    assert result.code == 0
    assert [(each["what"], "--loss binary_crossentropy" in each["why"]) for each in result.report["undecided"]] == [
        ("loss", True)
    ]
    assert result.report["setups"][0]["certificate"]["attainable_r2"] == pytest.approx(1.0)


def test_several_outputs_are_told(keras: WarmCommand) -> None:
    result = keras("heads.keras", "--data", "x.npy")
    (error,) = result.report["errors"]
    assert error["message"].startswith("it has 2 outputs, and the command names one target")
    assert [setup["loss"]["name"] for setup in result.report["setups"]] == ["mse", "sparse_cce"]


@pytest.mark.parametrize("model", ["link.h5", "circle.h5", "virtual.h5", "raw.h5", "huge.h5", "cut.h5"])
def test_weights_that_lie_elsewhere_or_nowhere_are_refused_in_a_sentence(keras: WarmCommand, model: str) -> None:
    """External and circular links, virtual data sets, other files' bytes, terabytes that were never written."""
    result = keras(model, "--data", "x.npy")
    (error,) = result.report["errors"]
    assert re.match(r"Keras [\d.]+ cannot load it \(", error["message"]), error
    assert not error["internal"]
    assert result.finding("AE101")["verdict"] == "proved", "the head and the data prove it without the weights"


@pytest.mark.parametrize("model", ["lambda.keras", "lambda.h5"])
def test_code_in_a_model_is_not_run(keras: WarmCommand, model: str) -> None:
    result = keras(model, "--data", "x.npy")
    (error,) = result.report["errors"]
    assert "a Lambda layer (`lambda`), whose Python code would run" in error["message"]
    assert result.finding("AE101")["verdict"] == "proved", "the head and the data prove it without the model"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("softmax.keras", "--data", "narrow.npy"), "samples of the shape (…, 12), and the model expects (…, 16)."),
        (("softmax.keras", "--data", "squares.npy"), "Both hold as many values"),
        (("softmax.keras", "--data", "two.npz"), "say which as two.npz:x."),
        (("classes.keras", "--data", "squares.npy"), "turns (…, 4, 4, 1) into (…, 3), so squares.npy cannot be its"),
        (("softmax.keras", "--data", "x.npy", "--target", "narrow.npy"), "(…, 12), and the model gives (…, 16)."),
    ],
)
def test_data_that_do_not_go_with_the_model(keras: WarmCommand, arguments: tuple[str, ...], sentence: str) -> None:
    result = keras(*arguments)
    assert result.code == 2
    assert sentence in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_exported_programs(torch: WarmCommand) -> None:
    softmax = torch("softmax.pt2", "--data", "x.npy", "--loss", "BCELoss")
    assert softmax.code == 1
    assert softmax.finding("AE101")["verdict"] == "proved"
    (probe,) = [each for each in softmax.finding("AE101")["evidence"] if each["kind"] == "probe"]
    assert len(probe["arms"]) == 2
    fixed = torch("eights.pt2", "--data", "x.npy", "--loss", "binary_crossentropy", "--no-probe")
    assert (fixed.code, fixed.report["errors"]) == (0, [])
    assert fixed.report["setups"][0]["head"]["activation"] == "sigmoid"


@pytest.mark.parametrize("name", ["pickled.pt", "weights.pth", "script.pt"])
def test_what_only_unpickling_could_load_is_refused(torch: WarmCommand, name: str) -> None:
    result = torch(name, "--data", "x.npy", "--loss", "mse")
    (error,) = result.report["errors"]
    assert "not loaded here; export the model with torch.export.save" in error["message"]
    assert result.code == 3


def test_pickled_weights_in_an_exported_program_are_not_unpickled(torch: WarmCommand, tmp_path: Path) -> None:
    import pickle
    import zipfile

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    folder = torch.folder
    with zipfile.ZipFile(folder / "softmax.pt2") as good, zipfile.ZipFile(folder / "trap.pt2", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, pickle.dumps(Trap()) if "sample_inputs" in name else data)
    result = torch("trap.pt2", "--data", "x.npy", "--loss", "mse", "--allow-write", str(tmp_path))
    assert not (tmp_path / "sprung").exists()
    assert "pickled object" in result.report["errors"][0]["message"]
