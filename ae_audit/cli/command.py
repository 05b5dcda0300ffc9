"""The command ``ae-audit``: arguments in, report on standard output, everything else on standard error.

Nothing is imported before it is known to be needed: asking for the version costs what the interpreter costs.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import sys

from ae_audit.cli.common import (
    EXIT_FINDINGS,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_AUDITED,
    EXIT_OK,
    EXIT_USAGE,
    cleaned_up,
    progress_of,
    say,
    standard_input,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from ae_audit.cli.arguments import Request
    from ae_audit.engine.assembly import FileAudit
    from ae_audit.engine.discovery import AuditTarget
    from ae_audit.schema.report import Report
    from ae_audit.schema.shards import Shard
    from ae_audit.settings.options import Settings
    from ae_audit.source.text import Sources


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code, and never raises for a user's mistake."""
    try:
        return _main(argv)
    except KeyboardInterrupt:  # at any moment, also while an error was being told
        return EXIT_INTERRUPTED


def _main(argv: Sequence[str] | None) -> int:
    if argv is None:
        import gc

        gc.set_threshold(100_000, 50, 50)  # a short-lived process of ours: collecting early costs a twentieth of it
    arguments = list(sys.argv[1:] if argv is None else argv)
    from ae_audit.base.errors import UsageError

    try:
        if arguments in (["--version"], ["-V"]):
            from ae_audit.base.version import __version__

            sys.stdout.write(f"ae-audit {__version__}\n")
            return EXIT_OK
        arguments = _understood(arguments)
        command = _commands().get(arguments[0]) if arguments else None
        if command is not None:
            return command(arguments[1:])
        _check_for_a_slip(arguments)
        return _audit(arguments)
    except UsageError as error:
        return _complain(str(error))
    except BrokenPipeError:  # nobody reads on: `ae-audit … | head`
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:
        lost = _lost_output(error) if isinstance(error, OSError) else None
        if lost is not None:
            return _complain(lost)
        return _broken(error, verbose=not {"-v", "--verbose"}.isdisjoint(arguments))


def _lost_output(error: OSError | None = None) -> str | None:
    from ae_audit.cli.ends import give_up_output, lost_output

    lost = lost_output(error)
    if lost is not None:
        give_up_output()
    return lost


def _commands() -> dict[str, Callable[[Sequence[str]], int]]:
    """What may stand first in place of a path."""
    return {
        "rule": _subcommand("rule_command"),
        "explain": _subcommand("explain_command"),
        "merge": _merge,
        "compare": _compare,
        "server": _server,
        "config": _subcommand("config_command"),
        "completion": _subcommand("completion_command"),
    }


def _subcommand(name: str) -> Callable[[Sequence[str]], int]:
    def run(arguments: Sequence[str]) -> int:
        from ae_audit.cli import subcommands

        code: int = getattr(subcommands, name)(arguments)
        return code

    return run


def _compare(arguments: Sequence[str]) -> int:
    from ae_audit.cli.comparing import compare_command

    return compare_command(arguments)


def _server(arguments: Sequence[str]) -> int:
    from ae_audit.cli.language_server import serve

    return serve(arguments)


def _check_for_a_slip(arguments: Sequence[str]) -> None:
    """Find the command that was meant by a word that names neither one nor a file.

    Raises:
        UsageError: with the command, where one is near.
    """
    import os

    word = arguments[0] if arguments else ""
    if not word.isalpha() or os.path.exists(word):
        return
    from ae_audit.base.errors import UsageError, did_you_mean

    meant = did_you_mean(word, _commands())
    if meant:
        raise UsageError(f"No such file, folder or command: {word}.{meant}")


def _understood(arguments: list[str]) -> list[str]:
    """What is meant by words that other tools have for a command; a file of that name is the file."""
    meant = {
        "version": ["--version"],
        "help": ["--help"],
        "rules": ["rule", "--all"],
        "check": [],
        "audit": [],
        "lint": [],
    }
    if not arguments or arguments[0] not in meant:
        return arguments
    import os

    return arguments if os.path.exists(arguments[0]) else [*meant[arguments[0]], *arguments[1:]]


def run(*, interruptible: bool = False) -> NoReturn:
    """The command as a whole process, which ends without taking apart all that was read: a tenth of a static run.

    Args:
        interruptible: whether Ctrl-C, which ended the process until now, is to be an exception again.
    """
    import os

    try:
        if interruptible:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        if sys.stderr is None:  # closed; what is said goes nowhere, and no other file gets its number
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for as long as the process lives
        code = main() if sys.stdout is not None else _complain(_lost_output() or "")
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except BrokenPipeError:  # nobody reads on: `ae-audit … | head`
            code = EXIT_OK
        except OSError as error:
            lost = _lost_output(error)
            code = code if lost is None else _complain(lost)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    if sys.gettrace() is not None:  # a debugger or a coverage tool has to write down what it saw
        sys.exit(code)
    os._exit(code)


def exit_code(report: Report, settings: Settings) -> int:
    """What the command returns for a report: 0, 1 or 3, and 2 where ae-audit itself failed."""
    from ae_audit.engine.gate import fails, nothing_audited

    if fails(report, settings):
        return EXIT_OK if settings.exit_zero else EXIT_FINDINGS
    if report.broken:
        return EXIT_USAGE
    return EXIT_NOTHING_AUDITED if nothing_audited(report) else EXIT_OK


def _audit(arguments: Sequence[str]) -> int:
    from ae_audit.cli.arguments import read_arguments

    request = read_arguments(arguments)
    if isinstance(request, str):
        sys.stdout.write(request)
        return EXIT_OK
    from ae_audit.base.errors import UsageError
    from ae_audit.engine.discovery import discover
    from ae_audit.source.text import STDIN, Sources

    settings = request.settings
    if settings.rules_not_imported and not settings.quiet:
        say(f"Not imported: the rules in {', '.join(settings.rules_not_imported)}; --project-rules imports them.")
    targets = discover(request.paths, request.configured)
    sources = Sources({STDIN: standard_input()} if "-" in request.paths else None)
    if settings.fix and "-" in request.paths:
        raise UsageError("--fix writes into files, and - is none; --diff shows what it would change.")
    if not targets and not settings.hook:
        where = "here" if request.paths == (".",) else f"in {', '.join(request.paths)}"
        say(f"Nothing to audit: there is no Python file and no notebook {where}.")
    if settings.diff_base is not None:
        from ae_audit.engine.changes import touched

        named, targets = targets, touched(targets, settings.diff_base, request.configured)
        if named and not targets and not settings.quiet:
            say(f"Nothing to audit: no file differs from {settings.diff_base} or imports one that does.")
    from ae_audit.engine import Interrupted, assemble

    everything = targets
    if settings.shard is not None:
        from ae_audit.engine.shards import share

        targets = share(targets, settings.shard)
    known = _baseline(settings)
    interrupted = False
    try:
        with cleaned_up(targets):
            audits = _audited(targets, settings, sources)
        report = assemble(audits)
        if settings.fix:
            report, sources = _mended(report, targets, settings, sources)
    except Interrupted as stopped:
        audits, report, interrupted = stopped.audits, stopped.report, True
    shard = None
    if settings.shard is not None:
        from ae_audit.engine.shards import shard_of

        shard = shard_of(everything, settings.shard, audits)
    report = _without_known(report, known, settings, sources, [target.path for target in targets])
    if settings.write_baseline is not None and not interrupted:
        return _write_baseline(settings.write_baseline, report, sources)
    if targets or settings.output_format not in {"full", "concise"} or request.outputs:
        _write(report, sources, request, interrupted, shard)
    if interrupted:
        return EXIT_INTERRUPTED
    code = exit_code(report, settings)
    if code != EXIT_NOTHING_AUDITED:
        return code
    if settings.hook or settings.shard is not None or settings.diff_base is not None:
        return EXIT_OK  # a part of the files need not hold a training
    if targets and not report.errors:
        files = "this file" if len(targets) == 1 else f"these {len(targets)} files"
        say(f"Nothing to audit: no training of a Keras or PyTorch model was found in {files}.")
    return code


def _audited(targets: Sequence[AuditTarget], settings: Settings, sources: Sources) -> Sequence[FileAudit]:
    """What is known of each file, found out here or by the workers of a cluster."""
    if settings.dask is not None:
        from ae_audit.engine.cluster import audit_on_cluster

        return audit_on_cluster(targets, settings, progress_of(settings), settings.dask)
    from ae_audit.engine import audit_each

    return audit_each(targets, settings, progress_of(settings), sources)


def _merge(arguments: Sequence[str]) -> int:
    """``ae-audit merge [options] FILE ...``: one report of the parts of an audit; 2 where one is missing."""
    from ae_audit.cli.arguments import read_arguments
    from ae_audit.engine.shards import merged, read_shards
    from ae_audit.source.text import Sources

    request = read_arguments(arguments)
    if isinstance(request, str):
        sys.stdout.write(request)
        return EXIT_OK
    settings = request.settings
    if settings.fix or settings.shard is not None:
        from ae_audit.base.errors import UsageError

        raise UsageError(f"{'--fix' if settings.fix else '--shard'} is for audits; `ae-audit merge` only reports.")
    shards = read_shards(request.paths)
    report, complete = merged(shards)
    sources = Sources()
    report = _without_known(report, _baseline(settings), settings, sources, shards[0].paths)
    if settings.write_baseline is not None and complete:
        return _write_baseline(settings.write_baseline, report, sources)
    _write(report, sources, request, interrupted=False)
    return exit_code(report, settings) if complete else EXIT_USAGE


def _baseline(settings: Settings) -> list[dict[str, str]] | None:
    """What the baseline records, read before a long audit begins; None where there is none, or a new one is made."""
    if settings.baseline is None or settings.write_baseline is not None:
        return None
    from ae_audit.engine.baseline import read_baseline

    return read_baseline(settings.baseline)


def _without_known(
    report: Report, known: list[dict[str, str]] | None, settings: Settings, sources: Sources, paths: Sequence[str]
) -> Report:
    if known is None or settings.baseline is None:
        return report
    from ae_audit.engine.baseline import without_known

    return without_known(report, settings.baseline, known, sources, paths)


def _write_baseline(path: str, report: Report, sources: Sources) -> int:
    from ae_audit.engine.baseline import write_baseline

    number = write_baseline(path, report, sources)
    say(f"{number} finding{'' if number == 1 else 's'} recorded in {path}.")
    return EXIT_OK


def _mended(
    report: Report, targets: Sequence[AuditTarget], settings: Settings, sources: Sources
) -> tuple[Report, Sources]:
    from ae_audit.cli.fixing import mend

    mended = mend(report, targets, settings, progress_of(settings), sources)
    for problem in mended.problems:
        say(problem)
    if mended.findings or not settings.quiet:
        findings = "1 finding" if mended.findings == 1 else f"{mended.findings} findings"
        files = "1 file" if mended.files == 1 else f"{mended.files} files"
        more = f" {_unsafe_hint(mended.unsafe)}" if mended.unsafe else ""
        say(f"Fixed {findings} in {files}.{more}")
    return mended.report, mended.sources


def _unsafe_hint(number: int) -> str:
    fixes = "1 fix changes" if number == 1 else f"{number} fixes change"
    return f"{fixes} program behavior; apply them with --unsafe-fixes."


def _write_diff(report: Report, sources: Sources, settings: Settings) -> None:
    """What ``--fix`` would change, as a unified diff on standard output."""
    from ae_audit.fix.files import diffs, plan

    paths = {finding.location.path for finding in report.findings}
    planned = plan(report.standing, paths, unsafe=settings.unsafe_fixes)
    sys.stdout.write("".join(diffs(planned.edits, sources)))
    if planned.unsafe and not settings.quiet:
        say(_unsafe_hint(planned.unsafe))


def _write(report: Report, sources: Sources, request: Request, interrupted: bool, shard: Shard | None = None) -> None:
    from ae_audit.base.errors import UsageError, own_failure
    from ae_audit.cli.arguments import is_folder
    from ae_audit.report import render, to_folder

    settings = request.settings
    problems: list[Exception] = []
    for name, path in request.outputs:
        try:
            if name == "html" and is_folder(path):
                _write_folder(path, to_folder(report, sources, interrupted=interrupted))
                continue
            text = render(
                report,
                name,
                sources,
                hints=not settings.quiet,
                interrupted=interrupted,
                fail_on=settings.fail_on,
                shard=shard,
            )
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            problems.append(UsageError(f"--{name}-output: {path} cannot be written: {error.strerror}."))
        except Exception as error:  # of ours; the report is not lost for it
            problems.append(error)
    _print(report, sources, request, interrupted, shard)
    for problem in problems[1:]:
        say(str(problem) if isinstance(problem, UsageError) else own_failure(problem))
    if problems:
        raise problems[0]


def _write_folder(folder: str, files: Mapping[str, str]) -> None:
    import os

    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _print(report: Report, sources: Sources, request: Request, interrupted: bool, shard: Shard | None) -> None:
    """The report on standard output."""
    from ae_audit.report import to_terminal

    settings = request.settings
    if settings.diff:
        _write_diff(report, sources, settings)
        return
    to_terminal(
        sys.stdout,
        report,
        settings.output_format,
        sources,
        color=settings.color,
        hints=not settings.quiet,
        interrupted=interrupted,
        fail_on=settings.fail_on,
        statistics=settings.statistics,
        verbose=settings.verbose,
        shard=shard,
    )
    if "github" in {settings.output_format, *(name for name, _ in request.outputs)}:
        from ae_audit.report.github import write_step_summary

        write_step_summary(report)


def _complain(sentence: str) -> int:
    say(sentence)
    return EXIT_USAGE


def _broken(error: Exception, verbose: bool) -> int:
    """An error of ae-audit itself."""
    if verbose:
        import traceback

        traceback.print_exception(error)
    advice = "please report it with the trace above" if verbose else "--verbose shows where"
    return _complain(f"Internal error, {advice}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
