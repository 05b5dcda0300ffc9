"""The command ``ae-audit``: arguments in, report on standard output, everything else on standard error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from ae_audit.errors import UsageError, did_you_mean
from ae_audit.settings import FORMATS, OPTIONS, Kind, Settings
from ae_audit.version import __version__

if TYPE_CHECKING:
    from ae_audit.progress import Progress
    from ae_audit.results import Report
    from ae_audit.rules.base import Rule
    from ae_audit.source_text import Sources

FINE, FOUND, WRONG, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130

_EPILOG = """\
commands:
  ae-audit rule CODE|NAME   explain a rule
  ae-audit rule --all       list the rules
  ae-audit config           print the configuration that is in effect

exit codes:
  0  nothing at or above --fail-on        2  wrong usage or configuration, missing path
  1  findings at or above --fail-on       3  nothing that could be audited was found
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code, and never raises for a user's mistake."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["rule"]:
            return _rule(arguments[1:])
        if arguments[:1] == ["config"]:
            return _config(arguments[1:])
        return _audit(arguments)
    except UsageError as error:
        return _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: `ae-audit … | head`
        return FINE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return _broken(error, verbose=not {"-v", "--verbose"}.isdisjoint(arguments))


def exit_code(report: Report, settings: Settings) -> int:
    """What the command returns for a report: 0, 1 or 3."""
    failed = bool(report.at_or_above(settings.fail_on))
    unread = any(error.stage == "static" for error in report.errors)
    if settings.fail_on_undecided and (report.undecided or unread):
        failed = True
    if failed:
        return FINE if settings.exit_zero else FOUND
    return FINE if report.files or report.setups else NOTHING


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}. 'ae-audit --help' lists the options.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="ae-audit",
        usage="ae-audit [options] [PATH ...]",
        description="Finds output activations, losses and data that do not fit together, and proves it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="files (.py, .ipynb), folders, - for standard input (default: .)"
    )
    groups: dict[str, Any] = {}
    for option in OPTIONS:
        if not option.flag:
            continue
        group = groups.setdefault(option.group, None) or parser.add_argument_group(option.group)
        groups[option.group] = group
        flags = [f"--{option.key}"]
        if option.key in {"quiet", "verbose"}:
            flags.insert(0, f"-{option.key[0]}")
        if option.kind is Kind.SWITCH:
            group.add_argument(*flags, dest=option.field, action="store_true", help=option.help)
            if option.negatable:
                group.add_argument(
                    f"--no-{option.key}",
                    dest=option.field,
                    action="store_false",
                    help=f"do not {_opposite(option.help)}",
                )
        elif option.kind is Kind.RULES:
            group.add_argument(*flags, dest=option.field, action="append", metavar=option.metavar, help=option.help)
        else:
            metavar = option.metavar or "|".join(option.choices)
            group.add_argument(*flags, dest=option.field, metavar=metavar, help=option.help)
    for name in FORMATS:
        groups["output"].add_argument(
            f"--{name}-output", metavar="FILE", help=f"write the report to FILE as {name}, besides standard output"
        )
    other = parser.add_argument_group("configuration and help")
    other.add_argument("--config", metavar="FILE", help="read this file, not the nearest pyproject.toml")
    other.add_argument("--isolated", action="store_true", help="read no configuration file")
    other.add_argument("-V", "--version", action="store_true", help="print the version")
    other.add_argument("-h", "--help", action="store_true", help="print this help")
    return parser


def _opposite(help_text: str) -> str:
    return help_text.replace(" (the default)", "")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parsed arguments; those not given are absent.

    Raises:
        UsageError: for a flag that does not exist, with the closest that does.
    """
    parser = _parser()
    known, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        flag = unknown[0].partition("=")[0]
        flags = [name for action in parser._actions for name in action.option_strings]
        raise UsageError(f"Unknown option '{flag}'.{did_you_mean(flag, flags) or _see_help()}")
    if hasattr(known, "help"):
        sys.stdout.write(parser.format_help())
        raise _Answered
    return known


def _paths(given: argparse.Namespace) -> list[str]:
    return getattr(given, "paths", None) or [os.curdir]


def _see_help() -> str:
    return " 'ae-audit --help' lists the options."


class _Answered(Exception):
    """What was asked for has been printed."""


def _audit(arguments: Sequence[str]) -> int:
    try:
        given = _parse(arguments)
    except _Answered:
        return FINE
    if hasattr(given, "version"):
        sys.stdout.write(f"ae-audit {__version__}\n")
        return FINE
    paths = _paths(given)
    settings = _settings(given, paths)
    outputs = _outputs(given)

    from ae_audit.discovery import discover
    from ae_audit.source_text import STDIN, Sources

    targets = discover(paths, settings)
    sources = Sources({STDIN: sys.stdin.buffer.read()} if "-" in paths else None)
    if not targets:
        where = "here" if paths == ["."] else f"in {', '.join(paths)}"
        _say(f"Nothing to audit: there is no Python file and no notebook {where}.")
        if settings.output_format != "json":
            return NOTHING
    from ae_audit.engine import Interrupted, audit_files

    interrupted = False
    try:
        report = audit_files(targets, settings, _progress(settings), sources)
    except Interrupted as stopped:
        report, interrupted = stopped.report, True
    _write(report, sources, settings, outputs, interrupted)
    code = exit_code(report, settings)
    if interrupted:
        return INTERRUPTED
    if code == NOTHING and targets and not report.errors:
        _say(f"Nothing to audit: no training of a Keras or PyTorch model was found in {_these(len(targets))}.")
    return code


def _these(files: int) -> str:
    return "this file" if files == 1 else f"these {files} files"


def _settings(given: argparse.Namespace, paths: Sequence[str]) -> Settings:
    """Flags over the configuration file over the defaults, with every rule that is named known to exist.

    Raises:
        UsageError: for a wrong value, an unknown rule, or a wrong configuration file.
    """
    settings = _configured(given, paths)
    flags = vars(given)
    changes: dict[str, Any] = {}
    for option in OPTIONS:
        if option.field in flags:
            changes[option.field] = _value(option.key, flags[option.field])
    if "extend_select" in changes:
        changes["extend_select"] = (*settings.extend_select, *changes["extend_select"])
    settings = replace(settings, **changes)
    if settings.static and settings.run:
        raise UsageError("--static and --run contradict each other: one never runs anything, the other runs all.")
    _check_rules(settings, set(changes))
    return settings


def _configured(given: argparse.Namespace, paths: Sequence[str]) -> Settings:
    wanted = getattr(given, "config", None)
    if hasattr(given, "isolated"):
        if wanted is not None:
            raise UsageError("--isolated reads no configuration file, so --config cannot be given with it.")
        return Settings()
    from ae_audit.config import find_config, load_config

    path = wanted if wanted is not None else find_config(_common_folder(paths))
    return Settings() if path is None else load_config(path)


def _common_folder(paths: Sequence[str]) -> str:
    """The folder that holds all of ``paths``, where the search for a configuration begins."""
    real = [os.path.abspath(path) for path in paths if path != "-" and os.path.exists(path)]
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in real]
    try:
        return os.path.commonpath(folders) if folders else os.getcwd()
    except ValueError:  # different drives
        return os.getcwd()


def _value(key: str, raw: Any) -> Any:
    """A flag's text in the form that :class:`Settings` holds."""
    option = next(option for option in OPTIONS if option.key == key)
    value: Any = raw
    if option.kind is Kind.RULES:
        value = [name.strip() for text in raw for name in text.split(",") if name.strip()]
        if not value:
            raise UsageError(f"--{key} needs {option.kind.value}.")
    elif option.kind in {Kind.SECONDS, Kind.INTEGER}:
        try:
            value = float(raw) if option.kind is Kind.SECONDS else int(raw)
        except ValueError:
            value = raw
    from ae_audit.config import checked

    return checked(option, value, f"--{key}")


def _check_rules(settings: Settings, from_flags: set[str]) -> None:
    named = [("select", settings.select), ("extend-select", settings.extend_select), ("ignore", settings.ignore)]
    in_files = [selector for _, selectors in settings.per_file_ignores for selector in selectors]
    if not in_files and not any(selectors for _, selectors in named):
        return
    from ae_audit.rules.registry import all_rules
    from ae_audit.selection import check_selectors

    rules = all_rules()
    for key, selectors in named:
        flag = key.replace("-", "_") in from_flags
        check_selectors(selectors, rules, f"--{key}" if flag else f"'{key}' of {settings.config_file}")
    check_selectors(in_files, rules, f"'per-file-ignores' of {settings.config_file}")


def _outputs(given: argparse.Namespace) -> dict[str, str]:
    """Format → file, for each ``--FORMAT-output``, checked before a long audit begins.

    Raises:
        UsageError: if such a file cannot be written.
    """
    outputs = {name: path for name in FORMATS if (path := getattr(given, f"{name}_output", None)) is not None}
    for name, path in outputs.items():
        folder = os.path.dirname(path) or os.curdir
        if not path or path == "-":
            raise UsageError(f"--{name}-output needs a file name; --output-format decides about standard output.")
        if os.path.isdir(path):
            raise UsageError(f"--{name}-output: {path} is a folder.")
        if not os.path.isdir(folder):
            raise UsageError(f"--{name}-output: the folder {folder} does not exist.")
        if not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise UsageError(f"--{name}-output: {path} cannot be written.")
    if len(set(map(os.path.abspath, outputs.values()))) < len(outputs):
        raise UsageError("Two reports cannot go to the same file.")
    return outputs


def _write(report: Report, sources: Sources, settings: Settings, outputs: dict[str, str], interrupted: bool) -> None:
    from ae_audit.report import render, to_terminal

    for name, path in outputs.items():
        text = render(report, name, sources, hints=not settings.quiet, interrupted=interrupted)
        try:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"--{name}-output: {path} cannot be written: {error.strerror}.") from None
    to_terminal(
        sys.stdout,
        report,
        settings.output_format,
        sources,
        color=settings.color,
        hints=not settings.quiet,
        interrupted=interrupted,
    )


def _progress(settings: Settings) -> Progress:
    from ae_audit.progress import LineProgress, Progress, TerminalProgress

    if settings.quiet:
        return Progress()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        import shutil

        return TerminalProgress(sys.stderr, shutil.get_terminal_size().columns)
    return LineProgress(sys.stderr) if settings.verbose else Progress()


def _rule(arguments: Sequence[str]) -> int:
    """``ae-audit rule CODE|NAME`` or ``ae-audit rule --all``."""
    from ae_audit.rules.registry import all_rules, find_rule

    if arguments == ["--all"]:
        rules = all_rules()
        longest = max(len(rule.name) for rule in rules)
        for rule in rules:
            sys.stdout.write(f"{rule.code}  {rule.name:<{longest}}  {rule.severity.value:<7}  {rule.summary}\n")
        return FINE
    if not arguments or arguments[0] in {"-h", "--help"}:
        sys.stdout.write("usage: ae-audit rule CODE|NAME ...\n       ae-audit rule --all\n")
        return FINE if arguments else WRONG
    wrong = next((argument for argument in arguments if argument.startswith("-")), None)
    if wrong is not None:
        raise UsageError(f"Unknown option '{wrong}' of ae-audit rule.{did_you_mean(wrong, ['--all', '--help'])}")
    sys.stdout.write("\n".join(map(_page, [find_rule(argument) for argument in arguments])))
    return FINE


def _page(rule: Rule) -> str:
    parts = [
        f"# {rule.code} {rule.name}\n\nSeverity: {rule.severity.value}. Since {rule.since}.\n\n{rule.page.strip()}\n"
    ]
    for heading, examples in (("Wrong", rule.bad), ("Right", rule.good)):
        for example in examples:
            title = f"## {heading} ({example.framework.value}){f': {example.note}' if example.note else ''}"
            parts.append(f"{title}\n\n```python\n{example.source.strip()}\n```\n")
    return "\n".join(parts)


def _config(arguments: Sequence[str]) -> int:
    """``ae-audit config [options] [PATH ...]``: the configuration that an audit would have."""
    try:
        given = _parse(arguments)
    except _Answered:
        return FINE
    from ae_audit.config import as_toml

    sys.stdout.write(as_toml(_settings(given, _paths(given))))
    return FINE


def _complain(sentence: str) -> int:
    _say(sentence)
    return WRONG


def _broken(error: Exception, verbose: bool) -> int:
    """An error of ae-audit itself."""
    if verbose:
        import traceback

        traceback.print_exception(error)
    advice = "please report it with the trace above" if verbose else "--verbose shows where"
    return _complain(f"Internal error, {advice}: {type(error).__name__}: {error}")


def _say(sentence: str) -> None:
    sys.stderr.write(f"ae-audit: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
