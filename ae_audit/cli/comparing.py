"""``ae-audit compare``: its own options beside those of an audit, and where its report goes."""

from __future__ import annotations

import os
import sys

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import replace
from ae_audit.schema.comparison import REACHED, SEEDS, STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

    from ae_audit.base.progress import Progress
    from ae_audit.schema.comparison import GridOptions
    from ae_audit.settings.options import Settings

TIMEOUT = 600.0
"""seconds, where neither the command nor the configuration says: a dozen fits take longer than two"""
MOST_SEEDS, MOST_STEPS = 30, 1_000_000
OPTIONS = (
    ("--head", "NAMES", "output activations, separated by commas (default: those that fit the data)"),
    (
        "--loss",
        "NAMES",
        "losses as Keras or PyTorch name them: bce, BCEWithLogitsLoss, mse, l1 (default: as for heads)",
    ),
    ("--seeds", "N", f"fits of each pair, 1 to {MOST_SEEDS} (default: {SEEDS})"),
    ("--steps", "N", f"optimizer steps of a fit (default: {STEPS})"),
    ("--reach", "R2", f"count steps and time up to this R² (default: {REACHED} of the best)"),
)
"""flag, what it is given, help"""
_OWN = tuple(flag for flag, _, _ in OPTIONS)
USAGE = f"""\
usage: ae-audit compare [options] PATH [-- ARGUMENTS ...]

Fits heads (output activations) and losses side by side on the program's own data and network, each from the
same initial weights, and compares R², brightness, sharpness, speed and dead outputs.

options:
{chr(10).join(f"  {f'{flag} {given}':<14}  {told}" for flag, given, told in OPTIONS)}

--jobs N and --dask ADDRESS share the fits out among processes or the workers of a cluster; the figures stay the same.
--output-format full|json|html, --json-output, --html-output, --timeout (default here: {TIMEOUT:.0f} s), --stand-in,
--seed, --device, --data and the other options of an audit that say how a program is run hold here too: ae-audit --help.
"""


def read_grid(arguments: Sequence[str]) -> tuple[GridOptions, list[str]]:
    """What is to be compared, and the arguments that are an audit's.

    Raises:
        UsageError: for a head, loss or number that is none.
    """
    from ae_audit.schema.comparison import GridOptions
    from ae_audit.schema.comparison_names import head_named, loss_named

    given: dict[str, list[str]] = {}
    rest: list[str] = []
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    literal, words = words[end:], words[:end]
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        meant = did_you_mean(flag, _OWN) if flag.startswith("--") and flag not in _OWN else ""
        if meant and flag not in _audit_flags():
            raise UsageError(f"Unknown option '{flag}' of ae-audit compare.{meant}")
        if flag not in _OWN:
            rest.append(word)
            continue
        if not equals:
            if not words:
                raise UsageError(f"{flag} needs a value.")
            value = words.pop(0)
        given.setdefault(flag, []).append(value)
    names = {flag: [name.strip() for text in texts for name in text.split(",")] for flag, texts in given.items()}
    grid = GridOptions(
        tuple(dict.fromkeys(map(head_named, names.get("--head", ())))),
        tuple(dict.fromkeys(map(loss_named, names.get("--loss", ())))),
    )
    if "--seeds" in given:
        grid = replace(grid, seeds=_whole("--seeds", given["--seeds"][-1], MOST_SEEDS))
    if "--steps" in given:
        grid = replace(grid, steps=_whole("--steps", given["--steps"][-1], MOST_STEPS))
    if "--reach" in given:
        grid = replace(grid, reach=_r2(given["--reach"][-1]))
    return grid, [*rest, *literal]


def _audit_flags() -> frozenset[str]:
    """The options of an audit, which hold here too."""
    from ae_audit.settings.options import FORMATS
    from ae_audit.settings.options import OPTIONS as OF_AUDIT

    known = {f"--{option.key}" for option in OF_AUDIT} | {f"--no-{option.key}" for option in OF_AUDIT}
    return frozenset(
        {*known, *(f"--{name}-output" for name in FORMATS), "--config", "--isolated", "--help", "--version"}
    )


def _whole(flag: str, text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise UsageError(f"{flag} is a whole number from 1 to {most}, not '{text}'.")
    return int(text)


def _r2(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 2.0
    if not 0.0 < value < 1.0:
        raise UsageError(f"--reach is an R² between 0 and 1, not '{text}'.")
    return value


def compare_command(arguments: Sequence[str], progress: Progress | None = None) -> int:
    """Run ``ae-audit compare``; 0 where something was compared, else 3.

    Raises:
        UsageError: for wrong options or paths.
    """
    from ae_audit.cli.arguments import read_arguments
    from ae_audit.cli.common import EXIT_NOTHING_AUDITED, EXIT_OK, EXIT_USAGE, progress_of
    from ae_audit.engine.discovery import discover
    from ae_audit.report.comparison import FORMATS
    from ae_audit.source.text import STDIN, Sources, is_model_file

    if not arguments or arguments[0] in {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return EXIT_OK if arguments else EXIT_USAGE
    grid, rest = read_grid(arguments)
    request = read_arguments(rest)
    if isinstance(request, str):
        sys.stdout.write(USAGE)
        return EXIT_OK
    settings = request.settings
    for name in (settings.output_format, *(name for name, _ in request.outputs)):
        if name not in FORMATS:
            raise UsageError(f"ae-audit compare writes {', '.join(FORMATS)}, and not {name}.")
    if settings.static:
        raise UsageError("ae-audit compare fits the program's model, which --static forbids.")
    if len(request.paths) != 1 or request.paths[0] == STDIN or os.path.isdir(request.paths[0]):
        raise UsageError("ae-audit compare needs the file of one program or model: ae-audit compare model.py.")
    if settings.timeout == type(settings)().timeout:
        settings = replace(settings, timeout=TIMEOUT)
    if grid.losses and is_model_file(request.paths[0]):
        first = next(text for flag, text in _flags(arguments) if flag == "--loss")
        settings = replace(settings, loss=first.partition(",")[0])
    targets = discover(request.paths, settings)
    from ae_audit.engine.comparing import compare_files

    report = compare_files(targets, settings, grid, progress or progress_of(settings), Sources())
    _write(report, settings, request.outputs)
    if any(error.internal for error in report.errors):
        return EXIT_USAGE
    return EXIT_OK if any(comparison.best is not None for comparison in report.comparisons) else EXIT_NOTHING_AUDITED


def _flags(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Flags with their values, written either way."""
    found = []
    for index, word in enumerate(arguments):
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            found.append((flag, value if equals else "".join(arguments[index + 1 : index + 2])))
    return found


def _write(report: object, settings: Settings, outputs: Sequence[tuple[str, str]]) -> None:
    from ae_audit.report import paint
    from ae_audit.report.comparison import comparison_json, comparison_lines
    from ae_audit.schema.comparison import ComparisonReport

    assert isinstance(report, ComparisonReport)

    def text_of(name: str) -> str:
        from ae_audit.report.text_layout import plain

        if name == "json":
            return comparison_json(report)
        if name == "html":
            from ae_audit.report.comparison_html import comparison_html

            return comparison_html(report)
        return plain(comparison_lines(report))

    for name, path in outputs:
        try:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text_of(name))
        except OSError as error:
            raise UsageError(f"--{name}-output: {path} cannot be written: {error.strerror}.") from None
    if settings.output_format != "full":
        sys.stdout.write(text_of(settings.output_format))
        return
    paint(
        sys.stdout,
        lambda width, ascii_only: comparison_lines(report, width=width, ascii_only=ascii_only),
        settings.color,
    )
