"""The commands beside the audit itself: rules, explanations, the configuration, completion."""

from __future__ import annotations

import sys

from ae_audit.cli.common import (
    EXIT_FINDINGS,
    EXIT_NOTHING_AUDITED,
    EXIT_OK,
    EXIT_USAGE,
    cleaned_up,
    progress_of,
    standard_input,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from collections.abc import Sequence

    from ae_audit.rules.base import Rule


def rule_command(arguments: Sequence[str]) -> int:
    """``ae-audit rule CODE|NAME``, ``ae-audit rule --all`` or ``ae-audit rule --test CODE|NAME``."""
    from ae_audit.base.errors import UsageError, did_you_mean
    from ae_audit.rules.registry import all_rules, find_rule

    # --test runs a project's own rules; elsewhere no configuration decides what is imported
    asked = "--project-rules" in arguments or "--test" in arguments[:1]
    arguments = [argument for argument in arguments if argument != "--project-rules"]
    modules = _own_rules() if asked else ()
    if arguments == ["--all"]:
        rules = all_rules(modules)
        longest = max(len(rule.name) for rule in rules)
        for rule in rules:
            sys.stdout.write(f"{rule.code}  {rule.name:<{longest}}  {rule.severity.value:<7}  {rule.summary}\n")
        return EXIT_OK
    if not arguments or arguments[0] in {"-h", "--help"}:
        usages = ("rule [--project-rules] CODE|NAME ...", "rule [--project-rules] --all", "rule --test CODE|NAME ...")
        sys.stdout.write("usage: " + "\n       ".join(f"ae-audit {usage}" for usage in usages) + "\n")
        return EXIT_OK if arguments else EXIT_USAGE
    if "--all" in arguments:
        raise UsageError("`ae-audit rule` accepts either rules or --all, not both.")
    testing = arguments[0] == "--test"
    names = arguments[1:] if testing else arguments
    wrong = next((name for name in names if name.startswith("-")), None)
    if wrong is not None:
        known = ("--all", "--test", "--project-rules", "--help")
        raise UsageError(f"Unknown option '{wrong}' of ae-audit rule.{did_you_mean(wrong, known)}")
    if not names:
        raise UsageError("ae-audit rule --test needs a rule.")
    rules = tuple(find_rule(name, modules) for name in names)
    if testing:
        return _test(rules, modules)
    from ae_audit.rules.page import markdown

    pages = "\n".join(map(markdown, rules))
    if not sys.stdout.isatty():  # Markdown goes on to other programs as it is
        sys.stdout.write(pages)
        return EXIT_OK
    from ae_audit.report import paint
    from ae_audit.report.markdown import rendered

    paint(sys.stdout, lambda width, ascii_only: rendered(pages, width=width, ascii_only=ascii_only))
    return EXIT_OK


def explain_command(arguments: Sequence[str]) -> int:
    """``ae-audit explain [options] PATH ...``: the way of the data to the loss; 0, or 3 where no training was found."""
    from ae_audit.cli.arguments import read_arguments
    from ae_audit.engine import audit_files
    from ae_audit.engine.discovery import discover
    from ae_audit.report import paint
    from ae_audit.report.explanation import explanation
    from ae_audit.source.text import STDIN, Sources

    request = read_arguments(arguments)
    if isinstance(request, str):
        sys.stdout.write(request)
        return EXIT_OK
    settings = request.settings
    sources = Sources({STDIN: standard_input()} if "-" in request.paths else None)
    targets = discover(request.paths, request.configured)
    with cleaned_up(targets):
        report = audit_files(targets, settings, progress_of(settings), sources)
    paint(
        sys.stdout,
        lambda width, ascii_only: explanation(report, sources, width=width, ascii_only=ascii_only),
        settings.color,
    )
    return EXIT_OK if report.setups else EXIT_NOTHING_AUDITED


def _own_rules() -> tuple[str, ...]:
    """The modules with rules that the configuration of the working folder names."""
    import os

    from ae_audit.settings.pyproject import find_config, load_config

    path = find_config(os.curdir)
    return () if path is None else load_config(path).rules


def _test(rules: Sequence[Rule], modules: tuple[str, ...]) -> int:
    """Take the rules' own examples through the static stage; 1 where one does not do what it should."""
    from ae_audit.cli.rule_examples import failures

    failed = False
    for rule in rules:
        for name, wrong in failures(rule, modules):
            failed = failed or wrong is not None
            sys.stdout.write(f"{'pass' if wrong is None else 'FAIL'}  {name}{'' if wrong is None else f': {wrong}'}\n")
    return EXIT_FINDINGS if failed else EXIT_OK


def config_command(arguments: Sequence[str]) -> int:
    """``ae-audit config [options] [PATH ...]``: what governs each path, under the flags that are given."""
    import os

    from ae_audit.cli.arguments import read_arguments
    from ae_audit.settings.pyproject import as_toml

    request = read_arguments(arguments)
    if isinstance(request, str):
        sys.stdout.write(request)
        return EXIT_OK
    governed: dict[str, list[str]] = {}
    for path in request.paths or (os.curdir,):
        own = request.configured.of(path) if os.path.isdir(path) else request.configured.of_file(path)
        governed.setdefault(as_toml(own), []).append(path)
    for number, (text, paths) in enumerate(governed.items()):
        if len(governed) > 1:
            sys.stdout.write(("\n" if number else "") + "".join(f"# {path}\n" for path in paths))
        sys.stdout.write(text)
    return EXIT_OK


def completion_command(arguments: Sequence[str]) -> int:
    """``ae-audit completion SHELL``: a script that completes the command's arguments."""
    from ae_audit.cli.completion import SHELLS, script

    if len(arguments) != 1 or arguments[0] in {"-h", "--help"}:
        sys.stdout.write(f"usage: ae-audit completion {'|'.join(SHELLS)}\n")
        return EXIT_OK if arguments in (["-h"], ["--help"]) else EXIT_USAGE
    sys.stdout.write(script(arguments[0]))
    return EXIT_OK
