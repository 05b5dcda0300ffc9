"""Completion scripts for shells, made of the same table as the options themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ae_audit.base.errors import UsageError, did_you_mean
from ae_audit.base.records import dataclass
from ae_audit.cli.comparing import OPTIONS as COMPARING
from ae_audit.rules.registry import all_rules
from ae_audit.settings.options import FORMATS, OPTIONS, Kind
from ae_audit.theory.loss_names import spellings

SHELLS = ("bash", "zsh", "fish")
COMMANDS = ("explain", "compare", "merge", "rule", "config", "completion", "server")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as shells complete it."""

    name: str
    help: str
    words: tuple[str, ...] = ()
    """what its value may be"""
    file: bool = False
    """whether its value is a file"""
    takes_value: bool = False


def script(shell: str) -> str:
    """The completion script for ``shell``.

    Raises:
        UsageError: for a shell that there is none for.
    """
    if shell not in SHELLS:
        raise UsageError(
            f"There is no completion for '{shell}', only for {', '.join(SHELLS)}.{did_you_mean(shell, SHELLS)}"
        )
    flags = list(_flags())
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](flags)


def _flags() -> Iterator[Flag]:
    rules = tuple(word for rule in all_rules() for word in (rule.code, rule.name))
    for option in OPTIONS:
        if not option.flag:
            continue
        if option.kind is Kind.SWITCH:
            yield Flag(f"--{option.key}", option.help)
            if option.negatable:
                yield Flag(f"--no-{option.key}", f"do not {option.help.replace(' (the default)', '')}")
        else:
            words = rules if option.kind is Kind.RULES else option.choices
            if option.key == "loss":
                words = tuple(sorted({*spellings("keras"), *spellings("torch")}))
            is_file = option.kind in {Kind.FILE, Kind.DATA, Kind.FOLDERS}
            yield Flag(f"--{option.key}", option.help, words, is_file, True)
    for name in FORMATS:
        yield Flag(f"--{name}-output", f"write the report to a file as {name}", file=True, takes_value=True)
    known = {option.key for option in OPTIONS}
    for flag, _, told in COMPARING:
        if flag[2:] not in known:
            yield Flag(flag, f"compare: {told}", takes_value=True)
    yield Flag("--config", "read this configuration file", file=True, takes_value=True)
    yield Flag("--isolated", "read no configuration file")
    yield Flag("--version", "print the version")
    yield Flag("--help", "print the help")


def _bash(flags: list[Flag]) -> str:
    cases = []
    for flag in flags:
        if flag.takes_value:
            reply = "-f" if flag.file else f'-W "{" ".join(flag.words)}"'
            made = f'COMPREPLY=($(compgen {reply} -- "$current")); ' if flag.file or flag.words else ""
            cases.append(f"        {flag.name}) {made}return ;;")
    rules = " ".join(word for flag in flags if flag.name == "--select" for word in flag.words)
    return "\n".join(
        [
            "# ae-audit completion bash > /etc/bash_completion.d/ae-audit",
            "_ae_audit() {",
            '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
            "    COMPREPLY=()",
            '    case "$previous" in',
            *cases,
            f'        rule) COMPREPLY=($(compgen -W "{rules} --all --test" -- "$current")); return ;;',
            f'        completion) COMPREPLY=($(compgen -W "{" ".join(SHELLS)}" -- "$current")); return ;;',
            "    esac",
            "    if [[ $current == -* ]]; then",
            f'        COMPREPLY=($(compgen -W "{" ".join(flag.name for flag in flags)}" -- "$current"))',
            "    elif [[ $COMP_CWORD -eq 1 ]]; then",
            f'        COMPREPLY=($(compgen -W "{" ".join(COMMANDS)}" -- "$current") $(compgen -f -- "$current"))',
            "    else",
            '        COMPREPLY=($(compgen -f -- "$current"))',
            "    fi",
            "}",
            "complete -o filenames -F _ae_audit ae-audit",
            "",
        ]
    )


def _zsh(flags: list[Flag]) -> str:
    specs = []
    for flag in flags:
        value = ""
        if flag.takes_value:
            value = ":file:_files" if flag.file else f":value:({' '.join(flag.words)})" if flag.words else ":value: "
        text = re.sub(r"([\[\]:\\])", r"\\\1", flag.help).replace("'", "'\\''")
        equals = "=" if flag.takes_value else ""
        specs.append(f"    '*{flag.name}{equals}[{text}]{value}' \\")
    first = f'_alternative "files:file:_files" "commands:command:({" ".join(COMMANDS)})"'
    return "\n".join(
        [
            "#compdef ae-audit",
            '# ae-audit completion zsh > "${fpath[1]}/_ae-audit"',
            "_ae_audit() {",
            "  _arguments \\",
            *specs,
            f"    '1:path or command:{{{first}}}' \\",
            "    '*:path:_files'",
            "}",
            '_ae_audit "$@"',
            "",
        ]
    )


def _fish(flags: list[Flag]) -> str:
    lines = ["# ae-audit completion fish > ~/.config/fish/completions/ae-audit.fish"]
    lines += [f"complete -c ae-audit -n __fish_is_first_arg -a {command}" for command in COMMANDS]
    for flag in flags:
        text = flag.help.replace("\\", "\\\\").replace("'", "\\'")
        line = f"complete -c ae-audit -l {flag.name[2:]} -d '{text}'"
        if flag.takes_value:
            line += " -r -F" if flag.file else f" -x -a '{' '.join(flag.words)}'" if flag.words else " -x"
        lines.append(line)
    return "\n".join(lines) + "\n"
