"""What git knows of the files: which have changed, and which it was told to ignore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from ae_audit.base.errors import UsageError

_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")


def changed_files(base: str) -> frozenset[str]:
    """The absolute paths of what differs from the commit where ``HEAD`` and ``base`` parted, deleted files included.

    Raises:
        UsageError: where there is no git, no repository, or no such commit.
    """
    if not base or base.startswith("-"):
        raise UsageError(f"--diff-base: '{base}' names no commit.")
    top = _asked("rev-parse", "--show-toplevel").strip(b"\n")
    parted = _asked("merge-base", "HEAD", base, wrong=f"--diff-base: git knows no commit '{base}' that HEAD grew from")
    different = _asked("diff", "--name-only", "--no-renames", "-z", "--no-ext-diff", parted.decode().strip(), "--")
    unknown = _asked("ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/")
    root = os.path.realpath(os.fsdecode(top))
    names = (os.fsdecode(name) for name in (different + unknown).split(b"\0") if name)
    return frozenset(os.path.join(root, *name.split("/")) for name in names)


def ignored_files(folder: str, files: Iterable[str]) -> frozenset[str]:
    """Those of ``files``, all within ``folder``, that git ignores; none where ``folder`` is in no repository.

    What is tracked is not ignored, whatever the patterns say; nor is anything in a folder that is ignored itself: who
    names it means it.
    """
    top = _top(folder)
    if top is None:
        return frozenset()
    names = {os.path.relpath(file, folder): file for file in files}
    itself = [] if os.path.realpath(folder) == top else ["."]  # a repository as a whole is never ignored
    asked = b"\0".join(map(os.fsencode, [*itself, *names])) + b"\0"
    try:
        done = subprocess.run(
            (*_GIT, "check-ignore", "--stdin", "-z"),
            input=asked,
            capture_output=True,
            cwd=os.path.realpath(folder),
            check=False,
        )
    except OSError:  # no git
        return frozenset()
    ignored = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return frozenset() if "." in ignored or done.returncode else frozenset(names[name] for name in ignored)


def _top(folder: str) -> str | None:
    """The folder with the ``.git`` that a folder belongs to; without asking git, whose start takes longer."""
    at = os.path.realpath(folder)
    while not os.path.exists(os.path.join(at, ".git")):
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above
    return at


def _asked(*arguments: str, wrong: str = "--diff-base: git cannot say what has changed") -> bytes:
    try:
        done = subprocess.run((*_GIT, *arguments), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        raise UsageError("--diff-base asks git what has changed, and git is not installed.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"{wrong}{f' ({said[-1]})' if said else ''}.")
    return done.stdout
