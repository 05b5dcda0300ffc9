"""What reading found, kept from one audit to the next: an answer is used again where all that it came from is the same.

A file's result is found by its text, its place, the configuration and the version of ae-audit. Beside it stands what
the reading asked of the project: which modules were looked for and where they were found, and a digest of each that was
read. Everything is asked again before the result is believed, so that an edit of an imported module, a new file that
shadows one, or a moved folder is noticed.

One SQLite file in ``.ae_audit_cache`` holds it, in write-ahead mode: an audit that is killed loses what it had not
committed, and two at once share it. A cache that cannot be opened, read or written is none; no audit fails for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Sequence

from ae_audit.base.version import __version__
from ae_audit.engine.assembly import FileAudit, audit_of, record_of
from ae_audit.engine.discovery import AuditTarget
from ae_audit.schema.codec import Malformed, from_json, to_json
from ae_audit.schema.shards import FileRecord
from ae_audit.settings.options import Settings
from ae_audit.source.text import STDIN, Sources
from ae_audit.static.source.prefilter import may_train, starts
from ae_audit.static.source.projects import Asked, Modules

FOLDER = ".ae_audit_cache"
VARIABLE = "AE_AUDIT_CACHE_DIR"
"""names another folder; empty: no cache"""
FEW_FILES = 4
"""no more than so many are read sooner than a cache is opened"""
MAX_RESULTS = 50_000
"""results that are kept, the latest; of a kilobyte each, about"""
_BATCH = 64
"""results that are committed together"""
_PATIENCE = 2.0
"""seconds that another audit's commit is waited for"""
_TABLE = "CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, asked TEXT NOT NULL, found TEXT NOT NULL)"


class CacheError(Exception):
    """The cache cannot be used; the text says why."""


def cache_folder(targets: Sequence[AuditTarget], settings: Settings) -> str | None:
    """The folder of the cache for an audit; None where it has none.

    Rules of the project's own are code that no digest covers, so that an audit with some keeps nothing.
    """
    given = os.environ.get(VARIABLE)
    if not settings.cache or settings.rules or given == "" or len(targets) <= FEW_FILES:
        return None
    if given:
        return os.path.abspath(given)
    root = targets[0].project_root
    return None if root is None else os.path.join(root, FOLDER)


class Cache:
    """An open cache. Not to be shared by processes: each opens its own."""

    def __init__(self, folder: str, settings: Settings) -> None:
        """
        Raises:
            CacheError: where the folder cannot be made or the file in it is no cache.
        """
        self._pending = 0
        self._broken = False
        self._last: tuple[AuditTarget, bytes | None] | None = None
        self._settings = settings
        self._version = (__version__, _fingerprint(), sys.version_info[:3])
        try:
            os.makedirs(folder, exist_ok=True)
            ignored = os.path.join(folder, ".gitignore")
            if not os.path.exists(ignored):
                with open(ignored, "w", encoding="utf-8") as file:
                    file.write("*\n")
            self._base = sqlite3.connect(
                os.path.join(folder, "reading.sqlite3"), timeout=_PATIENCE, isolation_level=None
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise CacheError(str(error)) from None

    def get(self, target: AuditTarget, sources: Sources, modules: Modules) -> FileAudit | None:
        """What an earlier audit found in a file, where nothing that it came from has changed."""
        key = self._key(target, sources)
        if key is None:
            return None
        try:
            row = self._base.execute("SELECT asked, found FROM results WHERE key = ?", (key,)).fetchone()
            if row is None or not modules.answers_are(target.path, Asked.from_text(row[0])):
                return None
            kept = from_json(FileRecord, json.loads(row[1]))
        except (sqlite3.Error, Malformed, ValueError, TypeError, KeyError):
            return None  # what somebody else wrote, or half of it
        return audit_of(kept, target)

    def put(self, audit: FileAudit, sources: Sources, asked: Asked | None) -> None:
        """Keep what was found in a file, and what the reading asked of the project for it."""
        key = self._key(audit.target, sources)
        if self._broken or key is None or any(error.internal for error in audit.errors):
            return
        try:
            if not self._pending:
                self._base.execute("BEGIN IMMEDIATE")
            self._base.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
                (key, (asked or Asked()).text(), json.dumps(to_json(record_of(audit)), allow_nan=False)),
            )
            self._pending += 1
            if self._pending >= _BATCH:
                self._commit()
        except (sqlite3.Error, ValueError):
            self._broken = True  # read-only, full, or locked for long: what is there can still be read

    def close(self) -> None:
        """Write what is not written yet."""
        try:
            if self._pending:
                self._base.execute(
                    "DELETE FROM results WHERE rowid <= (SELECT max(rowid) FROM results) - ?", (MAX_RESULTS,)
                )
                self._commit()
            self._base.close()
        except sqlite3.Error:
            pass

    def _commit(self) -> None:
        self._base.execute("COMMIT")
        self._pending = 0

    def _key(self, target: AuditTarget, sources: Sources) -> bytes | None:
        """What a file is found by; None where nothing is kept of it, or it is read as soon as looked up."""
        if self._last is None or self._last[0] is not target:
            self._last = target, self._new_key(target, sources)
        return self._last[1]

    def _new_key(self, target: AuditTarget, sources: Sources) -> bytes | None:
        if target.model is not None or target.run or target.project_root is None or target.path == STDIN:
            return None
        settings = target.governed(self._settings)
        if settings.rules or not settings.cache:
            return None
        try:
            source = sources.read(target.path)
        except OSError:
            return None
        if not (target.named or may_train(source) or starts(source)):
            return None
        how = (
            *self._version, settings.select, settings.extend_select, settings.ignore, settings.per_file_ignores,
            settings.severity, settings.config_file,
        )  # fmt: skip
        place = (target.path, os.path.abspath(target.path), target.project_root, target.named)
        made = hashlib.sha256(repr((how, place)).encode("utf-8", "surrogatepass"))
        made.update(source)
        return made.digest()


def _fingerprint() -> int:
    """When the code of ae-audit was changed last: in a working copy it does without a new version."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    latest = 0
    waiting = [package]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    latest = max(latest, entry.stat().st_mtime_ns)
                elif entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return latest
