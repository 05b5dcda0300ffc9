"""Whether ``--diff-base`` finds what an audit of everything finds, over the history of a real repository.

usage: python benchmarks/diff_base.py REPOSITORY [--commits 50] [--record FILE]

Takes the last commits of a git repository (a path; it is cloned, and left as it is) that change a program. At each, all
files are audited, and then those that differ from the commit before or import what does. Two things must hold. In the
files that were chosen, findings, set-ups and what was not decided are those of the whole audit. In all others, these
are what they were at the commit before, so that nothing was missed. Reads only. Files that did not change, nor anything
that their reading asked for, come from a cache in the whole audits, and never in those of the chosen files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ae_audit.base.progress import Progress
from ae_audit.engine import audit_each
from ae_audit.engine.changes import touched
from ae_audit.engine.discovery import AuditTarget, discover
from ae_audit.schema.codec import to_json
from ae_audit.settings.hierarchy import Hierarchy
from ae_audit.settings.options import Settings
from ae_audit.settings.pyproject import find_config, load_config

Known = dict[str, str]
"""by file, all that is known of it"""


def git(*arguments: str) -> str:
    """What git says in the working folder."""
    return subprocess.run(("git", *arguments), check=True, capture_output=True, text=True).stdout


def audited(targets: tuple[AuditTarget, ...], settings: Settings) -> Known:
    """What reading finds in each file."""
    audits = audit_each(targets, settings, Progress())
    return {
        audit.target.path: json.dumps(to_json((audit.audited, audit.undecided, audit.errors)), sort_keys=True)
        for audit in audits
    }


def at_commit(settings: Settings) -> tuple[Hierarchy, tuple[AuditTarget, ...]]:
    """All files of the working folder, as its own configuration has it."""
    config = find_config(os.curdir)

    def complete(base: Settings) -> Settings:
        from ae_audit.base.records import replace

        return replace(base, static=True, rules=(), cache=settings.cache, jobs=1)

    configured = Hierarchy(complete(Settings() if config is None else load_config(config)), complete)
    return configured, discover(["."], configured)


def main() -> int:
    """Audit, compare, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--name", help="how the record calls the repository")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    record_file = None if options.record is None else options.record.resolve()
    source = os.path.abspath(options.repository)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AE_AUDIT_CACHE_DIR"] = os.path.join(folder, "cache")
        subprocess.run(("git", "clone", "-q", source, os.path.join(folder, "clone")), check=True)
        os.chdir(os.path.join(folder, "clone"))
        listed = git("log", "--first-parent", "--format=%H", f"-{options.commits}", "--", "*.py", "*.ipynb").split()
        chosen = [commit for commit in reversed(listed) if git("rev-list", "--parents", "-1", commit).count(" ")]
        before_at, before = "", {}
        for commit in chosen:
            parent = git("rev-parse", f"{commit}^").strip()
            if parent != before_at:
                git("checkout", "-q", "-f", parent)
                before = audited(at_commit(Settings())[1], Settings(static=True, jobs=1))
            git("checkout", "-q", "-f", commit)
            configured, targets = at_commit(Settings())
            everything = audited(targets, configured.root)
            began = time.process_time()
            some = touched(targets, parent, configured)
            found = audited(some, Settings(static=True, cache=False, jobs=1))
            rows.append(
                {
                    "commit": commit[:12],
                    "files": len(targets),
                    "chosen": len(some),
                    "seconds_of_processor": round(time.process_time() - began, 2),
                    "different_in_chosen": [path for path in found if found[path] != everything[path]],
                    "missed": [
                        path for path in everything if path not in found and everything[path] != before.get(path)
                    ],
                }
            )
            before_at, before = commit, everything
            print(json.dumps(rows[-1]), flush=True)
    wrong = sum(bool(row["different_in_chosen"] or row["missed"]) for row in rows)
    summary = {
        "repository": options.name or os.path.basename(source),
        "commits": len(rows),
        "files_audited_in_all": sum(row["files"] for row in rows),
        "files_chosen_in_all": sum(row["chosen"] for row in rows),
        "set_ups_at_the_last": sum('"head"' in known for known in before.values()),
        "commits_that_differ": wrong,
    }
    print(json.dumps(summary, indent=2))
    if record_file is not None:
        known = json.loads(record_file.read_text()) if record_file.exists() else []
        kept = [one for one in known if one["summary"]["repository"] != summary["repository"]]
        record_file.write_text(json.dumps([*kept, {"summary": summary, "rows": rows}], indent=1) + "\n")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
