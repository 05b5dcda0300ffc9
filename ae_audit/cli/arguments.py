"""The command line becomes :class:`~ae_audit.settings.options.Settings`: flags over the file over the defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import dataclass, replace
from ae_audit.base.version import __version__
from ae_audit.settings.hierarchy import Hierarchy
from ae_audit.settings.options import FORMATS, OPTIONS, Kind, Settings
from ae_audit.settings.programs import file_of_module

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any, NoReturn

_SEE_HELP = " 'ae-audit --help' lists the options."
_EPILOG = """\
commands:
  ae-audit explain PATH     follow the data to the loss, step by step
  ae-audit compare PATH     fit heads and losses side by side (--help lists its options)
  ae-audit rule CODE|NAME   explain a rule
  ae-audit rule --all       list the rules
  ae-audit rule --test RULE try a rule on its own examples
  ae-audit merge FILE ...   put together the JSON reports of --shard
  ae-audit config [FILE]    print the configuration that governs a file
  ae-audit server           the language server for editors
  ae-audit completion SHELL print a completion script for bash, zsh or fish

exit codes:
  0  nothing at or above --fail-on        2  wrong usage or configuration, missing path
  1  findings at or above --fail-on       3  nothing that could be audited was found
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    paths: tuple[str, ...]
    settings: Settings
    configured: Hierarchy
    """``settings``, and what nearer configurations say of single files"""
    outputs: tuple[tuple[str, str], ...] = ()
    """(format, file) for each ``--FORMAT-output``"""


def read_arguments(arguments: Sequence[str]) -> Request | str:
    """What ``arguments`` ask for; text where they ask for help, to be printed.

    Raises:
        UsageError: for an unknown option, a wrong value, an unknown rule, or a wrong configuration file.
    """
    parser = _parser()
    options = list(arguments)
    literal: list[str] = []
    if "--" in options:
        end = options.index("--")
        options, literal = options[:end], options[end + 1 :]
    known, unknown = parser.parse_known_intermixed_args(options)
    if unknown:
        flag = unknown[0].partition("=")[0]
        flags = [name for action in parser._actions for name in action.option_strings]
        raise UsageError(f"Unknown option '{flag}'.{did_you_mean(flag, flags) or _SEE_HELP}")
    if hasattr(known, "help"):
        parser.formatter_class = argparse.RawDescriptionHelpFormatter  # as wide as the terminal
        return parser.format_help()
    if hasattr(known, "version"):
        return f"ae-audit {__version__}\n"
    named = tuple(getattr(known, "paths", ()))
    module = getattr(known, "module", None)
    if module is not None:
        if named:
            raise UsageError(f"-m {module} names the program; {named[0]} beside it names another.")
        named = (file_of_module(module, os.getcwd()),)
    elif not named:
        named, literal = tuple(literal), []
    paths = named or (os.curdir,)

    def complete(base: Settings) -> Settings:
        return replace(_settings(known, base), arguments=tuple(literal), module=module)

    settings = complete(_configured(known, paths))
    one_for_all = hasattr(known, "isolated") or hasattr(known, "config")
    configured = Hierarchy(settings, None if one_for_all else complete)
    if literal and (len(paths) > 1 or not os.path.isfile(paths[0])):
        raise UsageError("What follows -- are the arguments of one program: name its file before them.")
    return Request(named if settings.hook else paths, settings, configured, _outputs(known))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:].rstrip('.')}.{_SEE_HELP}")


def _parser() -> _Parser:
    # argparse asks gettext for translations that do not exist, and the search costs as much as all the rest of it
    setattr(argparse, "_", str)  # noqa: B010
    parser = _Parser(
        prog="ae-audit",
        usage="ae-audit [options] [PATH ...] [-- ARGUMENTS ...]",
        description="Finds output activations, losses and data that do not fit together, and proves it.",
        epilog=_EPILOG,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=100),  # given, so that nothing looks it up
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="programs (.py, .ipynb), model files (.keras, .h5, .json, .pt2), folders, - for stdin (default: .)",
    )
    parser.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        help="the program is this module, as for python -m; after -- come its arguments",
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
        elif option.kind in {Kind.RULES, Kind.FOLDERS}:
            group.add_argument(*flags, dest=option.field, action="append", metavar=option.metavar, help=option.help)
        else:
            metavar = option.metavar or "|".join(option.choices)
            group.add_argument(*flags, dest=option.field, metavar=metavar, help=option.help)
    for name in FORMATS:
        where = "FILE" if name != "html" else "FILE|DIR/"
        groups["output"].add_argument(
            f"--{name}-output", metavar=where, help=f"write the report to {where} as {name}, besides standard output"
        )
    other = parser.add_argument_group("configuration and help")
    other.add_argument("--config", metavar="FILE", help="read this file, not the nearest pyproject.toml")
    other.add_argument("--isolated", action="store_true", help="read no configuration file")
    other.add_argument("-V", "--version", action="store_true", help="print the version")
    other.add_argument("-h", "--help", action="store_true", help="print this help")
    return parser


def _opposite(help_text: str) -> str:
    return help_text.replace(" (the default)", "")


def _settings(given: argparse.Namespace, settings: Settings) -> Settings:
    """Flags over ``settings``, which are of a configuration file, with every rule that is named known to exist.

    Raises:
        UsageError: for a wrong value, an unknown rule, or a wrong configuration file.
    """
    flags = vars(given)
    changes: dict[str, Any] = {}
    for option in OPTIONS:
        if option.field in flags:
            changes[option.field] = _value(option.key, flags[option.field])
    if "extend_select" in changes:
        changes["extend_select"] = (*settings.extend_select, *changes["extend_select"])
    if "run" in changes and "static" not in changes:
        changes["static"] = False
    settings = replace(settings, **changes)
    if settings.static and settings.run:
        raise UsageError("--static and --run contradict each other: one never runs anything, the other runs all.")
    if settings.rules and not settings.project_rules:
        # whoever can change the configuration could otherwise have any module run
        settings = replace(settings, rules=(), rules_not_imported=settings.rules)
    _check_together(settings)
    if settings.loss is not None:
        from ae_audit.theory.loss_choice import check_loss

        check_loss(settings.loss)
    _check_rules(settings, set(changes))
    return settings


def _check_together(settings: Settings) -> None:
    """Make sure that the options make sense beside each other."""
    if settings.fix and settings.diff:
        raise UsageError("--fix and --diff contradict each other: one writes, the other only shows.")
    if settings.unsafe_fixes and not (settings.fix or settings.diff):
        raise UsageError("--unsafe-fixes goes with --fix, which applies them, or --diff, which shows them.")
    if settings.write_baseline is not None and settings.fix:
        raise UsageError("--write-baseline cannot be combined with --fix; run --fix first.")
    if settings.shard is not None and (settings.fix or settings.diff or settings.write_baseline is not None):
        flag = "--fix" if settings.fix else "--diff" if settings.diff else "--write-baseline"
        raise UsageError(f"--shard audits a part of the files; give {flag} without it, or to `ae-audit merge`.")
    if settings.dask is not None and settings.shard is not None:
        raise UsageError("--shard and --dask both share the work out: leave one of them out.")
    if settings.statistics and settings.output_format not in {"full", "concise"}:
        raise UsageError(f"--statistics is text, and --output-format {settings.output_format} is not.")


def _configured(given: argparse.Namespace, paths: Sequence[str]) -> Settings:
    wanted = getattr(given, "config", None)
    if hasattr(given, "isolated"):
        if wanted is not None:
            raise UsageError("--isolated reads no configuration file, so --config cannot be given with it.")
        return Settings()
    from ae_audit.settings.pyproject import find_config, load_config

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
    elif option.kind is Kind.FOLDERS:
        value = [_folder(key, text) for text in raw]
    elif option.kind in {Kind.SECONDS, Kind.INTEGER}:
        try:
            value = float(raw) if option.kind is Kind.SECONDS else int(raw)
        except ValueError:
            value = raw
    from ae_audit.settings.pyproject import checked

    return checked(option, value, f"--{key}")


def _folder(key: str, path: str) -> str:
    if not os.path.isdir(path):
        wrong = "is no folder" if os.path.exists(path) else "does not exist"
        raise UsageError(f"--{key}: {path or 'an empty name'} {wrong}.")
    return os.path.abspath(path)


def _check_rules(settings: Settings, from_flags: set[str]) -> None:
    named = [("select", settings.select), ("extend-select", settings.extend_select), ("ignore", settings.ignore)]
    in_files = [selector for _, selectors in settings.per_file_ignores for selector in selectors]
    in_severity = [selector for selector, _ in settings.severity]
    if not (in_files or in_severity or settings.rules or any(selectors for _, selectors in named)):
        return
    from ae_audit.rules.registry import all_rules
    from ae_audit.settings.selection import check_selectors

    rules = all_rules(settings.rules)
    try:
        for key, selectors in named:
            flag = key.replace("-", "_") in from_flags
            check_selectors(selectors, rules, f"--{key}" if flag else f"'{key}' of {settings.config_file}")
        check_selectors(in_files, rules, f"'per-file-ignores' of {settings.config_file}")
        check_selectors(in_severity, rules, f"'severity' of {settings.config_file}")
    except UsageError as error:
        if not settings.rules_not_imported:
            raise
        raise UsageError(f"{error} --project-rules imports the project's own rules.") from None


def is_folder(path: str) -> bool:
    """Whether a page goes into the folder ``path`` rather than into a file: it ends in a slash, or is a folder."""
    return path.endswith(("/", os.sep)) or os.path.isdir(path)


def _outputs(given: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """(format, file) for each ``--FORMAT-output``, checked before a long audit begins.

    Raises:
        UsageError: if such a file cannot be written.
    """
    outputs = {name: path for name in FORMATS if (path := getattr(given, f"{name}_output", None)) is not None}
    for name, path in outputs.items():
        if name == "html" and is_folder(path):
            path = path.rstrip("/" + os.sep) or path
            if os.path.isdir(path) and os.access(path, os.W_OK):
                continue
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
    return tuple(outputs.items())
