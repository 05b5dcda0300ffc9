"""Take the pictures in docs/look: the page in Chromium, on a phone, printed, under Jenkins' policy, and the terminal.

usage: python docs/screenshots.py [REPORT.json]

Needs Chromium and Pillow; the printed page needs pdftoppm besides, and is left as it is without it. The report is made
anew (a minute) unless one is given, as :func:`ae_audit.schema.codec.to_json` writes it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ae_audit.base.progress import Progress  # noqa: E402
from ae_audit.engine import audit_files  # noqa: E402
from ae_audit.engine.discovery import discover  # noqa: E402
from ae_audit.report import render, to_folder  # noqa: E402
from ae_audit.report.display import PresentedReport  # noqa: E402
from ae_audit.schema.codec import from_json  # noqa: E402
from ae_audit.schema.report import Report  # noqa: E402
from ae_audit.settings.options import Settings  # noqa: E402
from ae_audit.source.text import Sources  # noqa: E402
from tests.report.browser import Browser, browser  # noqa: E402

LOOK = ROOT / "docs" / "look"
PROGRAM = "fixtures/keras/dense_softmax_raw.py"
COLOURS = 200
"""of a picture: enough for its greys and its few colours, at half the size"""
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"


class Strict(SimpleHTTPRequestHandler):
    """Serves as Jenkins does."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main() -> None:
    """Take them all."""
    os.chdir(ROOT)  # the report shows paths as they were given
    if len(sys.argv) > 1:
        report = from_json(Report, json.loads(Path(sys.argv[1]).read_text("utf-8")))
    else:
        settings = Settings()
        report = audit_files(discover((PROGRAM,), settings), settings, Progress())
    LOOK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as tab:
        for name, text in to_folder(report, Sources()).items():
            Path(folder, name).write_text(text, "utf-8")
        page = Path(folder, "single.html")
        page.write_text(render(report, "html", Sources()), "utf-8")
        windows(tab, page)
        printed(tab, page, folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Strict, directory=folder)) as http:
            threading.Thread(target=http.serve_forever, daemon=True).start()
            tab.resize(1200, 900)
            tab.open(f"http://127.0.0.1:{http.server_port}/index.html")
            keep("jenkins.png", tab.screenshot())
            http.shutdown()
        for width in (80, 160):
            terminal(tab, report, width, Path(folder, f"{width}.svg"))


def windows(tab: Browser, page: Path) -> None:
    """The page light, dark and on a phone."""
    for scheme in ("light", "dark"):
        tab.resize(1200, 900)
        tab.prefer(scheme)
        tab.open(page.as_uri())
        keep(f"{scheme}.png", tab.screenshot())
    tab.prefer("light")
    tab.resize(390, 1560, mobile=True)
    keep("phone.png", tab.screenshot())


def printed(tab: Browser, page: Path, folder: str) -> None:
    """The first two sheets of the page on paper, side by side."""
    if shutil.which("pdftoppm") is None:
        return
    tab.open(page.as_uri())
    Path(folder, "page.pdf").write_bytes(tab.pdf())
    subprocess.run(["pdftoppm", "-r", "72", "-png", "-l", "2", "page.pdf", "sheet"], cwd=folder, check=True)
    sheets = [Image.open(path).convert("RGB") for path in sorted(Path(folder).glob("sheet*.png"))]
    together = Image.new("RGB", (sum(sheet.width for sheet in sheets), max(sheet.height for sheet in sheets)), "white")
    at = 0
    for sheet in sheets:
        together.paste(sheet, (at, 0))
        at += sheet.width
    stream = io.BytesIO()
    together.save(stream, "PNG")
    keep("printed.png", stream.getvalue())


def terminal(tab: Browser, report: Report, width: int, path: Path) -> None:
    """The text in colour, as a terminal of that width shows its first fifty lines."""
    from rich.console import Console

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    lines = [*PresentedReport.of(report).__rich_console__(console, console.options)]
    console.print(*lines[:50], sep="\n")
    path.write_text(console.export_svg(title=f"ae-audit {PROGRAM}", unique_id="ae-audit"), "utf-8")
    tab.resize(1000 if width < 100 else 1500, 1300 if width < 100 else 1000)
    tab.open(path.as_uri())
    keep(f"terminal-{width}.png", tab.screenshot())


def keep(name: str, png: bytes) -> None:
    """Write a picture with few colours."""
    picture = (
        Image.open(io.BytesIO(png))
        .convert("RGB")
        .quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    picture.save(LOOK / name, optimize=True)


if __name__ == "__main__":
    main()
