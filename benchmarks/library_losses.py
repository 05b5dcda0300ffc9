"""Losses of libraries, each with a head that fits it and with a fault: what the audit says of both.

usage: python benchmarks/library_losses.py [write FOLDER | run [--only TEXT] | table]

``write`` writes the programs, ``run`` audits them in full (needs torchmetrics, segmentation-models-pytorch, piq, kornia
and MONAI for torch's, and Keras; what cannot be imported is left out) and keeps what was said in
benchmarks/library_losses.json, ``table`` prints it. A study and no test: those libraries are none of ours.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "benchmarks" / "library_losses.json"
SERVER = ROOT / "tests" / "rules" / "warm_server.py"

DATA = {
    "images": """\
grid = torch.linspace(0, 1, 48)
phase = 6.0 * torch.rand(96, 3, 1, 1)
down, across = grid.view(1, 1, 48, 1), grid.view(1, 1, 1, 48)
clean = 0.5 + 0.25 * torch.sin(7 * down + phase) + 0.25 * torch.cos(9 * across - phase)
inputs = clean + 0.1 * torch.randn_like(clean)
targets = clean.clamp(0, 1)
""",
    "masks": """\
grid = torch.linspace(-1, 1, 32)
centre = 0.6 * (2 * torch.rand(128, 2, 1, 1) - 1)
distance = (grid.view(1, 32, 1) - centre[:, 0]) ** 2 + (grid.view(1, 1, 32) - centre[:, 1]) ** 2
targets = (distance < 0.2).float().unsqueeze(1)
inputs = targets + 0.3 * torch.randn_like(targets)
""",
    "planes": """\
grid = torch.linspace(-1, 1, 32)
centre = 0.6 * (2 * torch.rand(128, 2, 1, 1) - 1)
distance = (grid.view(1, 32, 1) - centre[:, 0]) ** 2 + (grid.view(1, 1, 32) - centre[:, 1]) ** 2
targets = (distance < 0.2).long() + (distance < 0.05).long()
inputs = targets.unsqueeze(1).float() + 0.3 * torch.randn(128, 1, 32, 32)
""",
    "table": """\
inputs = torch.randn(512, 8)
targets = (inputs @ torch.randn(8, 1)).sigmoid() * 3 + 0.5
""",
    "waves": """\
time = torch.linspace(0, 6.28, 64)
targets = torch.sin(time * (1 + 3 * torch.rand(256, 1)) + 6 * torch.rand(256, 1))
inputs = targets + 0.3 * torch.randn_like(targets)
""",
}
NETWORK = {
    "images": "nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1)",
    "masks": "nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1)",
    "planes": "nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1)",
    "table": "nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)",
    "waves": "nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)",
}

TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
{imported}

torch.manual_seed(0)
{data}
loader = DataLoader(TensorDataset(inputs, targets), batch_size={batch}, shuffle=True)
model = nn.Sequential({network}{head})
criterion = {criterion}
optimizer = torch.optim.Adam(model.parameters(), lr={rate})
for epoch in range({epochs}):
    for x, y in loader:
        output = model(x)
        loss = {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
"""

KERAS_DATA = {
    "table": "x = rng.normal(size=(512, 8)).astype('float32')\ny = 3 / (1 + np.exp(-x.sum(1, keepdims=True))) + 0.5",
    "unit": "x = rng.normal(size=(512, 8)).astype('float32')\ny = 1 / (1 + np.exp(-x[:, :4] * x[:, 4:]))",
    "binary": "x = rng.normal(size=(512, 8)).astype('float32')\ny = (x.sum(1, keepdims=True) > 0).astype('float32')",
    "signs": "x = rng.normal(size=(512, 8)).astype('float32')\ny = np.where(x.sum(1, keepdims=True) > 0, 1.0, -1.0)",
    "classes": "x = rng.normal(size=(512, 8)).astype('float32')\ny = x[:, :4].argmax(1)",
    "onehot": "x = rng.normal(size=(512, 8)).astype('float32')\ny = np.eye(4)[x[:, :4].argmax(1)]",
    "shares": "x = rng.normal(size=(512, 8)).astype('float32')\ny = np.exp(x[:, :4])\ny = y / y.sum(1, keepdims=True)",
    "vectors": "x = rng.normal(size=(512, 8)).astype('float32')\ny = np.tanh(x[:, :4] + x[:, 4:])",
}
KERAS = """\
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
{data}
y = y.astype("{dtype}")
model = keras.Sequential([
    keras.Input(shape=(8,)),
    layers.Dense(32, activation="relu"),
    {head},
])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss={loss})
model.fit(x, y, batch_size=32, epochs=40)
"""


@dataclass(frozen=True)
class Case:
    """One loss: the program that is right and the one with a fault."""

    library: str
    name: str
    data: str
    right: str
    wrong: str
    fault: str

    @property
    def key(self) -> str:
        """A file's name."""
        return f"{self.library}_{self.name}".lower()


def _torch(
    library: str,
    name: str,
    data: str,
    criterion: str,
    *,
    imported: str,
    head: str = "",
    bad: str | None = None,
    loss: str = "criterion(output, y)",
    wrong_loss: str | None = None,
    fault: str = "",
    wrong_criterion: str | None = None,
) -> Case:
    """A case of torch's: its fault is another head (``bad``), or the sign of the loss."""
    batch = 16 if data == "images" else 32

    def program(head: str, loss: str, criterion: str) -> str:
        return TORCH.format(
            imported=imported,
            data=DATA[data],
            batch=batch,
            rate="1e-2" if data == "table" else "1e-3",
            epochs=40 if data == "table" else 2,  # what far targets need: AE311 is right about less
            network=NETWORK[data],
            head=f", {head}" if head else "",
            criterion=criterion,
            loss=loss,
        )

    if wrong_loss is None:
        wrong_loss = loss if bad is not None or wrong_criterion is not None else f"-({loss})"
    words = fault or (f"head `{bad or 'none'}`" if bad is not None else "the sign is reversed")
    wrong = program(head if bad is None else bad, wrong_loss, wrong_criterion or criterion)
    return Case(library, name, data, program(head, loss, criterion), wrong, words)


def _keras(
    loss: str, data: str, head: str, bad: str, *, dtype: str = "float32", name: str = "", fault: str = ""
) -> Case:
    """A case of Keras': its fault is another head, or ``bad`` is another loss."""

    def program(head: str, loss: str) -> str:
        return KERAS.format(data=KERAS_DATA[data], dtype=dtype, head=head, loss=loss)

    wrong = program(bad, loss) if bad.startswith("layers") else program(head, bad)
    return Case(
        "keras", name or loss.split(".")[-1].split("(")[0], data, program(head, loss), wrong, fault or f"`{bad}`"
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _torchmetrics()
    yield from _segmentation_models()
    yield from _piq()
    yield from _kornia()
    yield from _monai()
    yield from _keras_cases()


def _torchmetrics() -> Iterator[Case]:
    imported = (
        "import torchmetrics.functional as M\n"
        "from torchmetrics.functional import multiscale_structural_similarity_index_measure as multiscale"
    )
    sigmoid = "nn.Sigmoid()"
    for name, call in (
        ("ssim", "1 - M.structural_similarity_index_measure(output, y, data_range=1.0)"),
        (
            "ms_ssim",
            "1 - multiscale(output, y, data_range=1.0, kernel_size=5, betas=(0.3, 0.3, 0.4))",
        ),
        ("psnr", "-M.peak_signal_noise_ratio(output, y, data_range=1.0)"),
        ("uqi", "1 - M.universal_image_quality_index(output, y)"),
        ("sam", "M.spectral_angle_mapper(output, y)"),
        ("ergas", "M.error_relative_global_dimensionless_synthesis(output, y)"),
    ):
        yield _torch("torchmetrics", name, "images", "None", imported=imported, head=sigmoid, loss=call)
    for name, call in (
        ("pearson", "1 - M.pearson_corrcoef(output.squeeze(1), y.squeeze(1))"),
        ("concordance", "1 - M.concordance_corrcoef(output.squeeze(1), y.squeeze(1))"),
        ("r2", "1 - M.r2_score(output, y)"),
        ("log_cosh", "M.log_cosh_error(output.squeeze(1), y.squeeze(1))"),
        ("smape", "M.symmetric_mean_absolute_percentage_error(output, y)"),
        ("minkowski", "M.minkowski_distance(output, y, p=3)"),
        ("nrmse", "M.normalized_root_mean_squared_error(output, y, normalization='range')"),
    ):
        yield _torch("torchmetrics", name, "table", "None", imported=imported, loss=call)
    for name, call in (
        ("si_sdr", "-M.scale_invariant_signal_distortion_ratio(output, y).mean()"),
        ("snr", "-M.signal_noise_ratio(output, y).mean()"),
        ("cosine", "-M.cosine_similarity(output, y, reduction='mean')"),
    ):
        yield _torch("torchmetrics", name, "waves", "None", imported=imported, loss=call)


def _segmentation_models() -> Iterator[Case]:
    imported = "import segmentation_models_pytorch as smp"
    for name in ("DiceLoss", "JaccardLoss", "TverskyLoss", "LovaszLoss", "MCCLoss", "FocalLoss"):
        mode = "" if name == "MCCLoss" else '"binary"'
        head = "nn.Sigmoid()" if name == "MCCLoss" else ""
        yield _torch("smp", name, "masks", f"smp.losses.{name}({mode})", imported=imported, head=head)
    yield _torch(
        "smp",
        "SoftBCEWithLogitsLoss",
        "masks",
        "smp.losses.SoftBCEWithLogitsLoss()",
        imported=imported,
        bad="nn.Sigmoid()",
    )
    for name in ("DiceLoss", "JaccardLoss", "FocalLoss", "LovaszLoss"):
        yield _torch("smp", f"{name}_multiclass", "planes", f'smp.losses.{name}("multiclass")', imported=imported)
    yield _torch(
        "smp",
        "SoftCrossEntropyLoss",
        "planes",
        "smp.losses.SoftCrossEntropyLoss(smooth_factor=0.1)",
        imported=imported,
        bad="nn.Softmax(dim=1)",
    )


def _piq() -> Iterator[Case]:
    for name in (
        "SSIMLoss",
        "GMSDLoss",
        "MultiScaleGMSDLoss",
        "VIFLoss",
        "FSIMLoss",
        "VSILoss",
        "HaarPSILoss",
        "MDSILoss",
        "SRSIMLoss",
        "DSSLoss",
    ):
        arguments = "data_range=1.0"
        if name == "MultiScaleGMSDLoss":
            arguments += ", scale_weights=torch.tensor([0.5, 0.5])"
        yield _torch("piq", name, "images", f"piq.{name}({arguments})", imported="import piq", head="nn.Sigmoid()")


def _kornia() -> Iterator[Case]:
    imported = "import kornia.losses as K"
    for name, arguments in (
        ("SSIMLoss", "window_size=5"),
        ("PSNRLoss", "max_val=1.0"),
        ("CharbonnierLoss", "reduction='mean'"),
        ("WelschLoss", "reduction='mean'"),
        ("CauchyLoss", "reduction='mean'"),
        ("GemanMcclureLoss", "reduction='mean'"),
    ):
        yield _torch("kornia", name, "images", f"K.{name}({arguments})", imported=imported, head="nn.Sigmoid()")
    for name, arguments in (
        ("DiceLoss", ""),
        ("TverskyLoss", "alpha=0.5, beta=0.5"),
        ("FocalLoss", "alpha=0.5, gamma=2.0, reduction='mean'"),
        ("LovaszSoftmaxLoss", ""),
    ):
        yield _torch("kornia", name, "planes", f"K.{name}({arguments})", imported=imported)
    yield _torch(
        "kornia",
        "BinaryFocalLossWithLogits",
        "masks",
        "K.BinaryFocalLossWithLogits(alpha=0.5, reduction='mean')",
        imported=imported,
        bad="nn.Sigmoid()",
    )


def _monai() -> Iterator[Case]:
    imported = "import monai.losses as L"
    yield _torch(
        "monai",
        "DiceLoss",
        "masks",
        "L.DiceLoss(sigmoid=True)",
        imported=imported,
        wrong_criterion="L.DiceLoss()",
        fault="no sigmoid anywhere",
    )
    yield _torch("monai", "DiceCELoss", "masks", "L.DiceCELoss(sigmoid=True)", imported=imported)
    yield _torch(
        "monai", "GeneralizedDiceLoss", "masks", "L.GeneralizedDiceLoss()", imported=imported, head="nn.Sigmoid()"
    )
    yield _torch("monai", "FocalLoss", "masks", "L.FocalLoss()", imported=imported)
    yield _torch("monai", "TverskyLoss", "masks", "L.TverskyLoss()", imported=imported, head="nn.Sigmoid()", bad="")
    yield _torch("monai", "HausdorffDTLoss", "masks", "L.HausdorffDTLoss(sigmoid=True)", imported=imported)
    yield _torch(
        "monai",
        "DiceCELoss_multiclass",
        "planes",
        "L.DiceCELoss(softmax=True, to_onehot_y=True)",
        imported=imported,
        loss="criterion(output, y.unsqueeze(1))",
    )
    yield _torch(
        "monai", "SSIMLoss", "images", "L.SSIMLoss(spatial_dims=2, win_size=7)", imported=imported, head="nn.Sigmoid()"
    )
    yield _torch(
        "monai",
        "LocalNormalizedCrossCorrelationLoss",
        "images",
        "L.LocalNormalizedCrossCorrelationLoss(spatial_dims=2)",
        imported=imported,
        head="nn.Sigmoid()",
    )
    yield _torch(
        "monai",
        "GlobalMutualInformationLoss",
        "images",
        "L.GlobalMutualInformationLoss(num_bins=16)",
        imported=imported,
        head="nn.Sigmoid()",
    )
    yield _torch(
        "monai", "JukeboxLoss", "images", "L.JukeboxLoss(spatial_dims=2)", imported=imported, head="nn.Sigmoid()"
    )


def _keras_cases() -> Iterator[Case]:
    one, four = "layers.Dense(1)", "layers.Dense(4)"
    reversed_sign = "lambda y_true, y_pred: -keras.losses.{}(y_true, y_pred)"
    for name in (
        "mean_squared_error",
        "mean_absolute_error",
        "mean_squared_logarithmic_error",
        "mean_absolute_percentage_error",
        "huber",
        "log_cosh",
    ):
        head = 'layers.Dense(1, activation="softplus")' if name == "mean_squared_logarithmic_error" else one
        yield _keras(f'"{name}"', "table", head, reversed_sign.format(name), name=name, fault="the sign is reversed")
    yield _keras(
        '"poisson"',
        "table",
        'layers.Dense(1, activation="exponential")',
        'layers.Dense(1, activation="tanh")',
        name="poisson",
    )
    yield _keras(
        '"cosine_similarity"',
        "vectors",
        four,
        "lambda a, b: -keras.losses.cosine_similarity(a, b)",
        name="cosine_similarity",
        fault="the sign is reversed",
    )
    yield _keras(
        '"kl_divergence"',
        "shares",
        'layers.Dense(4, activation="softmax")',
        'layers.Dense(4, activation="sigmoid")',
        name="kl_divergence",
    )
    yield _keras(
        '"binary_crossentropy"', "unit", 'layers.Dense(4, activation="sigmoid")', four, name="binary_crossentropy"
    )
    yield _keras(
        '"binary_focal_crossentropy"',
        "binary",
        'layers.Dense(1, activation="sigmoid")',
        one,
        name="binary_focal_crossentropy",
    )
    yield _keras('"hinge"', "signs", one, 'layers.Dense(1, activation="sigmoid")', name="hinge")
    yield _keras(
        '"squared_hinge"',
        "signs",
        'layers.Dense(1, activation="tanh")',
        'layers.Dense(1, activation="relu")',
        name="squared_hinge",
    )
    yield _keras(
        '"categorical_hinge"',
        "onehot",
        four,
        "lambda a, b: -keras.losses.categorical_hinge(a, b)",
        name="categorical_hinge",
        fault="the sign is reversed",
    )
    yield _keras(
        '"categorical_crossentropy"',
        "onehot",
        'layers.Dense(4, activation="softmax")',
        four,
        name="categorical_crossentropy",
    )
    yield _keras(
        '"sparse_categorical_crossentropy"',
        "classes",
        'layers.Dense(4, activation="softmax")',
        four,
        dtype="int64",
        name="sparse_categorical_crossentropy",
    )
    yield _keras(
        '"categorical_focal_crossentropy"',
        "onehot",
        'layers.Dense(4, activation="softmax")',
        four,
        name="categorical_focal_crossentropy",
    )
    yield _keras('"dice"', "binary", 'layers.Dense(1, activation="sigmoid")', one, name="dice")
    yield _keras('"tversky"', "binary", 'layers.Dense(1, activation="sigmoid")', one, name="tversky")


# Running


def programs() -> dict[str, tuple[str, str]]:
    """By file's name: the framework and the source."""
    found = {}
    for case in cases():
        framework = "keras" if case.library == "keras" else "torch"
        found[f"{case.key}_right.py"] = framework, case.right
        found[f"{case.key}_wrong.py"] = framework, case.wrong
    return found


def write(folder: Path) -> None:
    """The programs as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, source) in programs().items():
        (folder / name).write_text(source, encoding="utf-8")


def run(only: str) -> None:
    """Audit them, and keep what was said."""
    told: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for framework in ("torch", "keras"):
            chosen = [name for name, (kind, _) in programs().items() if kind == framework and only in name]
            for name, said in _audited(framework, Path(folder), [name for name in chosen if _importable(name)]):
                told[name.removesuffix(".py")] = said
                print(name, said["codes"], said["ideal"], flush=True)
                FIGURES.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _importable(name: str) -> bool:
    library = {"smp": "segmentation_models_pytorch"}.get(name.split("_")[0], name.split("_")[0])
    return importlib.util.find_spec(library) is not None


def _audited(framework: str, folder: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not names:
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(SERVER), framework], stdin=pipe, stdout=pipe, text=True, cwd=folder, env=environment
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        for name in names:
            server.stdin.write(json.dumps({"arguments": ["--output-format", "json", "--no-cache", name]}) + "\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
            if not answer["out"]:
                yield name, {"codes": [], "ideal": None, "why": answer["err"][-200:], "undecided": []}
                continue
            report = json.loads(answer["out"])
            loud = [one for one in report["findings"] if one["severity"] != "info" and one["verdict"] != "refuted"]
            seen = [setup["ideal"] for setup in report["setups"] if setup["ideal"] is not None]
            errors = [one["message"] for one in report["errors"]]
            yield (
                name,
                {
                    "codes": sorted({one["code"] for one in loud}),
                    "ideal": seen[0]["outcome"] if seen else None,
                    "why": seen[0]["why"] if seen else "; ".join(errors) or None,
                    "undecided": sorted({one["what"] for one in report["undecided"]}),
                },
            )
        server.stdin.close()


def table() -> None:
    """What was said of each loss, and the totals."""
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    accused, missed, count = [], [], 0
    for case in cases():
        right, wrong = told.get(f"{case.key}_right"), told.get(f"{case.key}_wrong")
        if right is None or wrong is None:
            continue
        count += 1
        if right["codes"]:
            accused.append(case.key)
        if not wrong["codes"]:
            missed.append(case.key)
        said = ", ".join(right["codes"]) or f"nothing ({right['ideal'] or 'not tried'})"
        found = ", ".join(wrong["codes"]) or f"NOTHING ({wrong['why'] or wrong['ideal'] or 'not tried'})"
        print(f"{case.key:45s} {said:25s} {case.fault:45s} {found}")
    print(f"{count} losses; accused: {accused}; missed: {missed}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder]:
            write(Path(folder))
        case ["run", *rest]:
            run(rest[1] if rest[:1] == ["--only"] else "")
        case _:
            table()
