"""A part of an audit that many machines share, as one of them writes it and ``ae-audit merge`` reads it."""

from __future__ import annotations

from ae_audit.base.records import dataclass
from ae_audit.schema.audited import AuditedSetup
from ae_audit.schema.findings import Undecided
from ae_audit.schema.report import Note, StageError


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What is known of one file, in the form in which it outlives the process: see ``engine.assembly.FileAudit``."""

    path: str
    relevant: bool
    audited: tuple[AuditedSetup, ...]
    reasons: tuple[Undecided, ...]
    errors: tuple[StageError, ...]
    notes: tuple[Note, ...]
    judged_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShardedFile:
    """One file of a shard, and its place among the files of the whole audit, counted from 0."""

    place: int
    record: FileRecord


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``of`` parts of one audit; both count from 1."""

    number: int
    of: int
    version: str
    """of ae-audit"""
    paths: tuple[str, ...]
    """every file of the whole audit, in its order"""
    files: tuple[ShardedFile, ...] = ()
    """those that this part audited"""


def shard_places(number: int, of: int, files: int) -> range:
    """The places, among ``files`` files, of those that part ``number`` of ``of`` audits: every ``of``-th one.

    Neighbouring files are often alike, so that dealing them out like cards spreads the dear ones.
    """
    return range(number - 1, files, of)
