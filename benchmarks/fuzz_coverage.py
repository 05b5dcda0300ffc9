"""Bytes that reach new lines of the reader, kept and altered further: libFuzzer, by way of atheris.

usage: python benchmarks/fuzz_coverage.py [--seed N] [--minutes M] [--as SUFFIX] [--keep FOLDER]

Needs atheris, which is no dependency of ours and comes for Linux alone (``pip install atheris``). An input fails as in
:mod:`fuzz`; the first that does ends the search with libFuzzer's exit code and lies in ``--keep``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import atheris
import fuzz_models

with atheris.instrument_imports(include=["ae_audit"]):
    import fuzz


def corpus(folder: Path, suffix: str) -> None:
    """What the search begins with: programs, or model files and configurations as they should be."""
    if suffix in fuzz_models.SUFFIXES:
        for name in ("KERAS", "FUNCTIONAL", "TORCH"):
            text = fuzz.json.dumps(getattr(fuzz_models, name)).encode()
            (folder / name).write_bytes(fuzz_models.file_of(suffix, text))
        return
    if suffix == ".toml":
        (folder / "config").write_text(fuzz.CONFIG)
        return
    for number, path in enumerate(sorted(path for place in fuzz.SEEDS for path in place.rglob("*.py"))):
        source = path.read_bytes()
        (folder / str(number)).write_bytes(
            source if suffix == ".py" else fuzz.notebook(source.decode("utf-8", "replace")).encode()
        )


def main() -> None:
    """Search for as long as is asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--as", dest="suffix", choices=(".py", ".ipynb", ".toml", *fuzz_models.SUFFIXES), default=".py")
    parser.add_argument("--keep", type=Path, default=Path("."), help="folder for the input that fails")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGPROF, fuzz.interrupt)

    def one(data: bytes) -> None:
        found, _ = fuzz.wrong(f"fuzzed{options.suffix}", data)
        if found is not None:
            raise AssertionError(found)

    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder), options.suffix)
        flags = [f"-seed={options.seed}", f"-max_total_time={round(60 * options.minutes)}", "-max_len=20000"]
        flags += [f"-artifact_prefix={options.keep}/", "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *flags, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
