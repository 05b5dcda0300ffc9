"""Programs that nobody wrote, read and reported: no crash, no hang, no growth.

usage: python benchmarks/fuzz.py [--seed N] [--minutes M | --inputs N] [--kinds KIND,…] [--keep FOLDER] [FOLDER …]

Takes inputs of each kind in turn through reading, rules, fixes and every report:

- ``grammar``, ``notebook``: what a grammar gives (:mod:`fuzz_grammar`; needs Hypothesis)
- ``syntax``: any valid Python (needs hypothesmith; left out where it is not installed)
- ``tree``, ``bytes``, ``json``: mutants of the programs in the folders (default: the fixtures and right neighbours)
- ``config``: mutants of a configuration
- ``model``: mutants of model files (:mod:`fuzz_models`)

An input fails if ae-audit raises or reports a failure of its own, needs more than 2 s of processor time, or takes more
than 512 MiB more memory. What fails is cut down to as few lines as still fail, written to ``--keep`` and named at the
end. No program is run. The same seed gives the same inputs. Ends with 1 where anything failed. Bytes that are led
by what they reach are :mod:`fuzz_coverage`'s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import fuzz_models
import fuzz_mutants

from ae_audit.base.errors import AuditError
from ae_audit.base.progress import Progress
from ae_audit.engine.assembly import assemble
from ae_audit.engine.discovery import AuditTarget
from ae_audit.engine.static_stage import audit_statically
from ae_audit.report import render
from ae_audit.settings.options import FORMATS, Settings
from ae_audit.settings.pyproject import load_config
from ae_audit.source.text import Sources
from ae_audit.static.model_files.models import read_model

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (ROOT / "fixtures", ROOT / "tests" / "right_neighbours")
KINDS = ("grammar", "syntax", "notebook", "tree", "bytes", "json", "config", "model")
PATIENCE = 2.0
"""seconds of processor time for one input"""
ROOM = 512 << 20
"""bytes by which one input may raise the memory of this process"""
BATCH = {"grammar": 20, "syntax": 20, "notebook": 20, "tree": 120, "bytes": 120, "json": 80, "config": 40, "model": 120}
"""inputs that are made at a time; each that a strategy draws, which is dear, is also mutated"""
OFFSPRING = 4
CONFIG = """\
select = ["AE1"]
ignore = ["AE104"]
extend-select = []
exclude = ["old/*"]
fail-on = "error"
timeout = 30
probe = true
per-file-ignores = { "a.py" = ["AE101"] }
severity = { AE101 = "info" }
programs = { "a.py" = ["--epochs", "1"] }
rules = []
baseline = "x.json"
"""


class Hang(BaseException):
    """An input took too long; no ``except Exception`` of the audited code stops it."""


@dataclass
class Tally:
    """What has been tried, and what failed."""

    tried: Counter[str] = field(default_factory=Counter)
    failures: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """the shortest input (its file name and bytes) by what went wrong with it"""
    slowest: float = 0.0


def audited(name: str, source: bytes) -> None:
    """Take one input through all that reads; what is wrong is raised."""
    if name.endswith(".toml"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pyproject.toml")
            Path(path).write_bytes(b"[tool.ae-audit]\n" + source)
            try:
                load_config(path)
            except AuditError:
                return
            return
    if name.endswith(fuzz_models.SUFFIXES):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(source)
            result = read_model(str(path)).result
        told = [item.why for item in result.undecided] + [error.message for error in result.errors if error.internal]
        if any("please report it" in text for text in told):
            raise AssertionError(told)
        return
    sources = Sources({name: source})
    report = assemble([*audit_statically([AuditTarget(name)], Settings(static=True), Progress(), sources)])
    internal = [error.message for error in report.errors if error.internal]
    internal += [item.why for item in report.undecided if "please report it" in item.why]
    if internal:
        raise AssertionError(internal[0])
    for format in FORMATS:
        render(report, format, sources).encode("utf-8")


def wrong(name: str, source: bytes) -> tuple[str | None, float]:
    """What is wrong with an input, as a key that like failures share, and the seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        audited(name, source)
        found = None
    except Hang as hang:
        found = str(hang)
    except Exception as error:
        found = f"{type(error).__name__}{_place(error)}: {' '.join(str(error).split())[:160]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if found is None and grown > ROOM:
        found = "memory"
    return found, time.process_time() - begun


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        if "ae_audit" in trace.tb_frame.f_code.co_filename:
            place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def interrupt(_: int, frame: FrameType | None) -> None:
    """Raise :class:`Hang`, naming what of ae-audit was being run."""
    ours = []
    while frame is not None:
        if "ae_audit" in frame.f_code.co_filename:
            ours.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
        frame = frame.f_back
    raise Hang(f"hang in {ours[0] if ours else 'a library'}")


def smallest(name: str, source: bytes, key: str, seconds: float = 20.0) -> bytes:
    """As few lines of ``source`` as still fail in the same way."""
    end = time.monotonic() + seconds
    alike = key.partition(":")[0]
    lines = source.split(b"\n")
    step = len(lines) // 2
    while step and time.monotonic() < end:
        at = 0
        while at < len(lines) and time.monotonic() < end:
            fewer = lines[:at] + lines[at + step :]
            found, _ = wrong(name, b"\n".join(fewer))
            if found is not None and found.partition(":")[0] == alike:
                lines = fewer
            else:
                at += step
        step //= 2
    return b"\n".join(lines)


def _drawn(strategy: object, seed: int, number: int) -> Iterator[str]:
    """Examples of a strategy of Hypothesis."""
    import hypothesis

    found: list[str] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def keep(text: str) -> None:
        found.append(text)

    keep()
    yield from found


def inputs(kind: str, seed: int, programs: list[Path]) -> Iterator[tuple[str, bytes]]:
    """One batch of a kind: names as files have them, and bytes."""
    chance = random.Random(f"{kind} {seed}")
    if kind == "config":
        for _ in range(BATCH[kind]):
            yield "fuzzed.toml", fuzz_mutants.of_bytes(CONFIG.encode(), chance)
        return
    if kind == "model":
        for number in range(BATCH[kind]):
            suffix = fuzz_models.SUFFIXES[number % len(fuzz_models.SUFFIXES)]
            yield f"fuzzed{suffix}", fuzz_models.mutant(suffix, chance)
        return
    if kind == "json":
        for _ in range(BATCH[kind]):
            yield (
                "fuzzed.ipynb",
                _encoded(fuzz_mutants.of_json(notebook(chance.choice(programs).read_text("utf-8", "replace")), chance)),
            )
        return
    if kind == "notebook":
        import fuzz_grammar

        for text in _drawn(fuzz_grammar.notebooks, seed, BATCH[kind]):
            yield "fuzzed.ipynb", _encoded(text)
            for _ in range(OFFSPRING):
                yield "fuzzed.ipynb", _encoded(fuzz_mutants.of_json(text, chance))
        return
    if kind in {"grammar", "syntax"}:
        for text in _drawn_programs(kind, seed):
            yield "fuzzed.py", _encoded(text)
            for _ in range(OFFSPRING):
                yield from _trees(text, chance)
        return
    for _ in range(BATCH[kind]):
        source = chance.choice(programs).read_bytes()
        if kind == "tree":
            yield from _trees(source.decode(), chance)
        else:
            yield "fuzzed.py", fuzz_mutants.of_bytes(source, chance)


def _drawn_programs(kind: str, seed: int) -> Iterator[str]:
    if kind == "grammar":
        import fuzz_grammar

        yield from _drawn(fuzz_grammar.programs, seed, BATCH[kind])
        return
    import hypothesmith

    for text in _drawn(hypothesmith.from_grammar(), seed, BATCH[kind]):
        yield "import keras, torch\nmodel = keras.Sequential()\n" + text


def _trees(text: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """A mutant of the tree, where there is one that Python can write down."""
    try:
        yield "fuzzed.py", _encoded(fuzz_mutants.of_tree(text, chance))
    except (SyntaxError, ValueError, RecursionError, TypeError, AttributeError, IndexError, MemoryError):
        return


def notebook(program: str) -> str:
    """The program as a notebook, a cell for each of its paragraphs."""
    parts = program.split("\n\n")
    cells = [{"cell_type": "code", "source": part, "outputs": [], "metadata": {}} for part in parts]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def fuzz(
    kinds: tuple[str, ...],
    seed: int,
    programs: list[Path],
    go_on: Callable[[Tally], bool],
    say: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Batches of every kind in turn, until ``go_on`` says no."""
    tally = Tally()
    signal.signal(signal.SIGPROF, interrupt)
    while go_on(tally):
        for kind in kinds:
            for name, source in inputs(kind, seed, programs):
                tally.tried[kind] += 1
                found, seconds = wrong(name, source)
                tally.slowest = max(tally.slowest, seconds)
                if found is not None and found not in tally.failures:
                    say(f"{kind}, seed {seed}: {found}")
                    tally.failures[found] = (name, smallest(name, source, found))
            if not go_on(tally):
                break
        seed += 1
    return tally


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _available(kinds: tuple[str, ...]) -> tuple[str, ...]:
    from importlib.util import find_spec

    missing = {"syntax"} if find_spec("hypothesmith") is None else set()
    return tuple(kind for kind in kinds if kind not in missing)


def main() -> int:
    """Fuzz for as long as is asked, and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, help="stop after so many inputs, whatever the time")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path, help="folder for the inputs that fail")
    parser.add_argument("folders", nargs="*", type=Path, default=SEEDS)
    options = parser.parse_args()
    programs = sorted(path for folder in options.folders for path in folder.rglob("*.py"))
    end = time.monotonic() + 60 * options.minutes
    start, told = time.monotonic(), [0.0, float(_resident())]

    def go_on(tally: Tally) -> bool:
        now, done = time.monotonic(), sum(tally.tried.values())
        if now > told[0] + 60:
            told[0] = now
            print(
                f"{now - start:6.0f} s  {done:,} inputs  {_resident() >> 20} MiB  {len(tally.failures)} failures",
                flush=True,
            )
        return now < end if options.inputs is None else done < options.inputs

    tally = fuzz(
        _available(tuple(options.kinds.split(","))), options.seed, programs, go_on, lambda text: print(text, flush=True)
    )
    print(", ".join(f"{kind} {number:,}" for kind, number in tally.tried.items()))
    print(
        f"{sum(tally.tried.values()):,} inputs in {(time.monotonic() - start) / 60:.1f} min, "
        f"the slowest {tally.slowest:.2f} s, {_resident() >> 20} MiB at the end, {len(tally.failures)} failures"
    )
    for position, (key, (name, source)) in enumerate(tally.failures.items()):
        print(f"- {key}")
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{position}-{name}").write_bytes(source)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
