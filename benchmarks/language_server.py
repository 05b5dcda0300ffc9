"""How soon the language server answers, and whether its answers are those of the command.

usage: python benchmarks/language_server.py latency [--edits 100] [--starts 10] [--record FILE] [FILE …]
       python benchmarks/language_server.py edits [--edits 1000] [--seed 0] [--record FILE]

``latency`` opens training scripts of 500 lines (made here, or the files named) in a new server several times, and types
into them. Measured is the time from opening a document to its first diagnostics, and from the end of the server's pause
after an edit to the diagnostics of that text. ``edits`` types at random into a script and into a notebook, moves, adds
and takes out cells, and now and then waits for the server and compares its findings with those of the command. Takes
pygls; the server is a process of its own, spoken to over its standard streams.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from ae_audit.base.progress import Progress
from ae_audit.cli.language_server.server import PAUSE
from ae_audit.engine import audit_files
from ae_audit.engine.discovery import AuditTarget
from ae_audit.settings.options import Settings

PATIENCE = 120
FIRST, AFTER_PAUSE, SHARE = 0.400, 0.050, 0.95
"""seconds that are asked for, and how often"""
HEAD = '''"""Trains autoencoders of several widths on MNIST and compares them."""
import argparse
import json
import os
import time

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--width", choices=sorted(NETWORKS), default="w16")
    parser.add_argument("--out", default="runs")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def loaders(batch_size):
    scaled = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = datasets.MNIST("data", train=True, download=True, transform=scaled)
    valid = datasets.MNIST("data", train=False, download=True, transform=scaled)
    return DataLoader(train, batch_size=batch_size, shuffle=True), DataLoader(valid, batch_size=batch_size)


class Average:
    """Mean of a quantity over an epoch."""

    def __init__(self, name):
        self.name = name
        self.reset()

    def reset(self):
        self.total = 0.0
        self.count = 0

    def update(self, value, n=1):
        self.total += value * n
        self.count += n

    @property
    def mean(self):
        return self.total / max(1, self.count)


'''
NETWORK = '''class Encoder{n}(nn.Module):
    """Two convolutions and a code of {n} numbers."""

    def __init__(self, channels={n}, code={n}):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(2 * channels)
        self.head = nn.Linear(2 * channels * 49, code)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)))
        return self.head(self.drop(x.flatten(1)))


class Decoder{n}(nn.Module):
    def __init__(self, channels={n}, code={n}):
        super().__init__()
        self.channels = channels
        self.start = nn.Linear(code, 2 * channels * 49)
        self.up1 = nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1)

    def forward(self, code):
        x = torch.relu(self.start(code)).view(-1, 2 * self.channels, 7, 7)
        x = torch.relu(self.up1(x))
        return torch.sigmoid(self.up2(x))


class Autoencoder{n}(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder{n}()
        self.decoder = Decoder{n}()

    def forward(self, x):
        return self.decoder(self.encoder(x))


'''
TAIL = """NETWORKS = {{{names}}}


def train_epoch(model, loader, optimizer, criterion, device, log):
    model.train()
    losses = Average("loss")
    began = time.time()
    for step, (images, _) in enumerate(loader):
        images = images.to(device)
        optimizer.zero_grad()
        restored = model(images)
        loss = criterion(restored, images)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.update(loss.item(), len(images))
        if step % 100 == 0:
            log(f"step {{step}}: {{losses.mean:.4f}} after {{time.time() - began:.1f}} s")
    return losses.mean


@torch.no_grad()
def evaluate(model, loader, criterion, device):
    model.eval()
    losses, errors = Average("loss"), []
    for images, _ in loader:
        images = images.to(device)
        restored = model(images)
        losses.update(criterion(restored, images).item(), len(images))
        errors.append(((restored - images) ** 2).mean(dim=(1, 2, 3)).cpu().numpy())
    return losses.mean, float(np.concatenate(errors).mean())


def main():
    options = arguments()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, valid = loaders(options.batch_size)
    model = NETWORKS[options.width]().to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    schedule = optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
    os.makedirs(options.out, exist_ok=True)
    history = []
    for epoch in range(options.epochs):
        loss = train_epoch(model, train, optimizer, criterion, device, print)
        val_loss, error = evaluate(model, valid, criterion, device)
        schedule.step()
        history.append({{"epoch": epoch, "loss": loss, "val_loss": val_loss, "error": error}})
        with open(os.path.join(options.out, "history.json"), "w") as file:
            json.dump(history, file)
        torch.save(model.state_dict(), os.path.join(options.out, f"{{epoch}}.pt"))


if __name__ == "__main__":
    main()
"""


HELPER = '''def table_{n}(history, digits={n}, name="loss"):
    """The history as a table of text."""
    rows = []
    for entry in history:
        values = [entry.get(key, float("nan")) for key in (name, "val_" + name, "error")]
        shown = [f"{{value:.{{digits}}f}}" for value in values]
        rows.append(" | ".join([str(entry["epoch"]), *shown]))
    width = max((len(row) for row in rows), default=0)
    best = min(history, key=lambda entry: entry["val_" + name])["epoch"] if history else None
    return "\\n".join([row.ljust(width) for row in rows] + [f"best: {{best}}"])


'''


def script(networks: int, lines: int = 500) -> str:
    """A training script of so many lines: networks of several widths, helpers, and the loop that trains a network."""
    widths = [8 * (number + 1) for number in range(networks)]
    names = ", ".join(f'"w{width}": Autoencoder{width}' for width in widths)
    parts = [HEAD, *(NETWORK.format(n=width) for width in widths)]
    tail = TAIL.format(names=names)
    while sum(part.count("\n") for part in (*parts, HELPER, tail)) <= lines:
        parts.append(HELPER.format(n=len(parts)))
    missing = lines - sum(part.count("\n") for part in (*parts, tail))
    return "".join([*parts, *(f"# run {number} is in runs/\n" for number in range(missing)), tail])


class Editor:
    """An editor with one server, and what it was told of each document."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.told: dict[str, types.PublishDiagnosticsParams] = {}
        self.at: dict[str, float] = {}
        self._news = asyncio.Condition()

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: types.PublishDiagnosticsParams) -> None:
            self.at[params.uri] = time.perf_counter()
            self.told[params.uri] = params
            async with self._news:
                self._news.notify_all()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until the server has said so; it has :data:`PATIENCE`."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(reached), PATIENCE)

    def open(self, uri: str, text: str) -> None:
        """Open a script."""
        document = types.TextDocumentItem(uri, "python", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))

    def change(self, uri: str, version: int, text: str, place: types.Range | None = None) -> None:
        """Put ``text`` in a place, or in place of everything."""
        document = types.VersionedTextDocumentIdentifier(version, uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        change = whole if place is None else types.TextDocumentContentChangePartial(place, text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Editor]:
    """A new server for ``folder``; it must end with 0."""
    client = LanguageClient("benchmark", "1")
    editor = Editor(client)
    await client.start_io(sys.executable, "-m", "ae_audit", "server", cwd=str(folder))
    await client.initialize_async(
        types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=folder.as_uri(), process_id=None)
    )
    client.initialized(types.InitializedParams())
    try:
        yield editor
    finally:
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        process: Any = client._server
        code = await asyncio.wait_for(process.wait(), PATIENCE)
        await client.stop()
    if code:
        raise SystemExit(f"the server ended with {code}")


async def latency(text: str, starts: int, edits: int) -> dict[str, Any]:
    """Milliseconds to first diagnostics, and to those of an edit after the pause."""
    first, after = [], []
    with tempfile.TemporaryDirectory() as name:
        uri = (Path(name) / "train.py").as_uri()
        for number in range(starts):
            async with server(Path(name)) as editor:
                began = time.perf_counter()
                editor.open(uri, text)
                await editor.until(lambda: uri in editor.told)
                first.append(editor.at[uri] - began)
                if number:
                    continue
                lines = text.split("\n")
                for version in range(2, edits + 2):
                    line = 1 + version * 37 % (len(lines) - 2)
                    place = types.Range(types.Position(line, len(lines[line])), types.Position(line, len(lines[line])))
                    lines[line] += " " if version % 2 else "  # typed"
                    began = time.perf_counter()
                    editor.change(uri, version, " " if version % 2 else "  # typed", place)
                    await editor.until(lambda version=version: editor.told[uri].version == version)
                    after.append(editor.at[uri] - began - PAUSE)
    return {
        "lines": text.count("\n"),
        "first_ms": _spread(first),
        "after_pause_ms": _spread(after),
        "first_within_400": sum(one <= FIRST for one in first) / len(first),
        "after_pause_within_50": sum(one <= AFTER_PAUSE for one in after) / len(after),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"median": 0.5, "95 of 100": 0.95, "worst": 1.0}
    return {
        name: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in at.items()
    }


PROGRAM = """\
import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(-1, 784) / 255
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="binary_crossentropy")
model.fit(x, x)
"""
CELLS = ["import keras", "(x, _), _ = keras.datasets.mnist.load_data()", "x = x.reshape(-1, 784) / 255",
         'model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])',
         'model.compile(loss="binary_crossentropy")', "model.fit(x, x)"]  # fmt: skip
TYPED = ["", "x", "\n", '"', "(", ")", "# ", "255", " / 255", "sigmoid", "ä", "😀", "\t", "model", "\\", "'''"]


async def random_edits(edits: int, seed: int) -> dict[str, Any]:
    """So many random edits of a script and of a notebook each, with comparisons in between."""
    chance = random.Random(seed)
    compared = {"script": 0, "notebook": 0}
    different: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with server(folder) as editor:
            await _edit_script(editor, folder, edits, chance, compared, different)
            await _edit_notebook(editor, folder, edits, chance, compared, different)
    return {"edits_of_each": edits, "seed": seed, "compared": compared, "different": different}


async def _edit_script(
    editor: Editor, folder: Path, edits: int, chance: random.Random, compared: dict[str, int], different: list[str]
) -> None:
    uri = (folder / "train.py").as_uri()
    text = PROGRAM
    editor.open(uri, text)
    for version in range(2, edits + 2):
        if chance.random() < 0.05:
            text = PROGRAM.replace("softmax", chance.choice(["softmax", "sigmoid", "relu"]))
            editor.change(uri, version, text)
        else:
            lines = text.split("\n")
            line = chance.randrange(len(lines))
            start = chance.randrange(len(lines[line]) + 1)
            end = min(start + chance.randrange(4), len(lines[line]))
            new = chance.choice(TYPED)
            place = types.Range(
                types.Position(line, _utf16(lines[line][:start])), types.Position(line, _utf16(lines[line][:end]))
            )
            lines[line] = lines[line][:start] + new + lines[line][end:]
            text = "\n".join(lines)
            editor.change(uri, version, new, place)
        if version % 10 == 0 or version == edits + 1:
            await editor.until(lambda version=version: uri in editor.told and editor.told[uri].version == version)
            found = sorted(_told(editor.told[uri]))
            wanted = sorted(_command(folder / "train.py", text))
            compared["script"] += 1
            if found != wanted:
                different.append(f"script, version {version}: {found} and {wanted}: {text!r}")


async def _edit_notebook(
    editor: Editor, folder: Path, edits: int, chance: random.Random, compared: dict[str, int], different: list[str]
) -> None:
    uri = (folder / "book.ipynb").as_uri()
    made = 0

    def new_uri() -> str:
        nonlocal made
        made += 1
        return f"{uri.replace('file', 'vscode-notebook-cell')}#{made}"

    cells = [[new_uri(), text, 1] for text in CELLS]
    code = types.NotebookCellKind.Code
    book = types.NotebookDocument(uri, "jupyter-notebook", 1, [types.NotebookCell(code, cell[0]) for cell in cells])
    items = [types.TextDocumentItem(place, "python", version, text) for place, text, version in cells]
    editor.client.notebook_document_did_open(types.DidOpenNotebookDocumentParams(book, items))
    for version in range(2, edits + 2):
        kind = chance.choice(["type", "type", "type", "move", "add", "remove", "restore"])
        now = types.VersionedNotebookDocumentIdentifier(version, uri)
        change = types.NotebookDocumentCellChanges()
        if kind in {"type", "restore"} and cells:
            cell = chance.choice(cells)
            text = cell[1]
            at = chance.randrange(len(text) + 1)
            wanted = chance.choice(CELLS) if kind == "restore" else text[:at] + chance.choice(TYPED) + text[at:]
            cell[1], cell[2] = wanted, cell[2] + 1
            change = types.NotebookDocumentCellChanges(
                text_content=[
                    types.NotebookDocumentCellContentChanges(
                        types.VersionedTextDocumentIdentifier(cell[2], cell[0]),
                        [types.TextDocumentContentChangeWholeDocument(wanted)],
                    )
                ]
            )
        elif kind == "move" and len(cells) > 1:
            one, other = sorted(chance.sample(range(len(cells)), 2))
            cells[one : other + 1] = [cells[other], *cells[one:other]]
            moved = [types.NotebookCell(code, cell[0]) for cell in cells[one : other + 1]]
            array = types.NotebookCellArrayChange(one, other + 1 - one, moved)
            change = types.NotebookDocumentCellChanges(structure=types.NotebookDocumentCellChangeStructure(array))
        elif kind == "add" and len(cells) < 12:
            at, fresh = chance.randrange(len(cells) + 1), [new_uri(), chance.choice(CELLS), 1]
            cells.insert(at, fresh)
            array = types.NotebookCellArrayChange(at, 0, [types.NotebookCell(code, fresh[0])])
            opened = [types.TextDocumentItem(fresh[0], "python", 1, fresh[1])]
            change = types.NotebookDocumentCellChanges(
                structure=types.NotebookDocumentCellChangeStructure(array, did_open=opened)
            )
        elif kind == "remove" and len(cells) > 3:
            at = chance.randrange(len(cells))
            (gone,) = cells[at : at + 1]
            del cells[at]
            array = types.NotebookCellArrayChange(at, 1)
            change = types.NotebookDocumentCellChanges(
                structure=types.NotebookDocumentCellChangeStructure(
                    array, did_close=[types.TextDocumentIdentifier(gone[0])]
                )
            )
        editor.client.notebook_document_did_change(
            types.DidChangeNotebookDocumentParams(now, types.NotebookDocumentChangeEvent(cells=change))
        )
        if version % 10 == 0 or version == edits + 1:
            began = time.perf_counter()
            await editor.until(lambda began=began: all(editor.at.get(cell[0], 0.0) > began for cell in cells))
            found = sorted((number, *rest) for number, cell in enumerate(cells) for rest in _told(editor.told[cell[0]]))
            document = {
                "cells": [_cell(text) for _, text, _ in cells],
                "metadata": {},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
            wanted_codes = sorted(_command(folder / "book.ipynb", json.dumps(document), cells=True))
            compared["notebook"] += 1
            if found != wanted_codes:
                different.append(f"notebook, version {version}: {found} and {wanted_codes}: {document['cells']}")


def _cell(text: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}


def _told(params: types.PublishDiagnosticsParams) -> list[tuple[Any, ...]]:
    return [(one.range.start.line + 1, str(one.code)) for one in params.diagnostics if one.code is not None]


def _command(path: Path, text: str, cells: bool = False) -> list[tuple[Any, ...]]:
    """Line (and cell) and code of each finding of the command in ``text``."""
    path.write_text(text, "utf-8", newline="")
    report = audit_files([AuditTarget(str(path), named=True)], Settings(static=True), Progress())
    where = [(one.location.cell or 0, one.location.line or 1) for one in report.standing]
    codes = [one.code for one in report.standing]
    return [(cell, line, code) if cells else (line, code) for (cell, line), code in zip(where, codes, strict=True)]


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f} when it began" if hasattr(os, "getloadavg") else ""
    first = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in {os.SCHED_RR, os.SCHED_FIFO}
    return f"{model}, {os.cpu_count()} cores{load}{', at real-time priority' if first else ''}"


def main() -> int:
    """Measure or compare, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("latency", "edits"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--edits", type=int)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    machine = _processor()
    if options.what == "edits":
        result = asyncio.run(random_edits(options.edits or 1000, options.seed))
        right = not result["different"]
    else:
        texts = {str(path): path.read_text("utf-8", "replace") for path in options.files} or {
            "one network": script(1),
            "seven networks": script(7),
        }
        result = {
            name: asyncio.run(latency(text, options.starts, options.edits or 100)) for name, text in texts.items()
        }
        right = all(min(one["first_within_400"], one["after_pause_within_50"]) >= SHARE for one in result.values())
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if options.record is not None:
        known = json.loads(options.record.read_text("utf-8")) if options.record.exists() else {}
        known[options.what] = {"machine": machine, **result}
        options.record.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
