"""An audit that many machines share: each audits a part, and the parts are put together as if one had done it all.

A part travels as its JSON report, which holds beside what people read the audits of its files, whole. So the merged
report is assembled from the same values, by the same function, as that of one machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

from ae_audit.base.bounded import read_bounded
from ae_audit.base.errors import UsageError
from ae_audit.base.records import replace
from ae_audit.base.version import __version__
from ae_audit.engine.assembly import FileAudit, assemble, audit_of, record_of
from ae_audit.engine.discovery import AuditTarget
from ae_audit.schema.codec import Malformed, from_json
from ae_audit.schema.report import Report, StageError
from ae_audit.schema.shards import Shard, ShardedFile, shard_places

_LARGEST = 256 << 20
"""bytes of the report of a part"""


def share(targets: Sequence[AuditTarget], shard: tuple[int, int]) -> tuple[AuditTarget, ...]:
    """The targets that part ``shard`` (its number, and how many there are) of an audit of ``targets`` takes on."""
    return tuple(targets[place] for place in shard_places(*shard, len(targets)))


def shard_of(targets: Sequence[AuditTarget], shard: tuple[int, int], audits: Iterable[FileAudit]) -> Shard:
    """What ``ae-audit merge`` needs of one part; ``targets`` are those of the whole audit."""
    places = {target.path: place for place, target in enumerate(targets)}
    files = tuple(ShardedFile(places[audit.target.path], record_of(audit)) for audit in audits)
    return Shard(*shard, __version__, tuple(target.path for target in targets), files)


def read_shards(paths: Iterable[str]) -> tuple[Shard, ...]:
    """The parts in the JSON reports at ``paths``; a folder stands for all of them that it holds.

    Raises:
        UsageError: for a file that cannot be read or is no report of a part, for parts of different audits or versions
            of ae-audit, and for one that is there twice.
    """
    shards: dict[int, tuple[str, Shard]] = {}
    for path in _files(paths):
        shard = _read(path)
        if shard.version != __version__:
            raise UsageError(f"{path} was written by ae-audit {shard.version}, and this is {__version__}.")
        first_path, first = next(iter(shards.values()), (path, shard))
        if (shard.of, shard.paths) != (first.of, first.paths):
            raise UsageError(f"{path} and {first_path} are parts of different audits.")
        if shard.number in shards:
            raise UsageError(f"{path} and {shards[shard.number][0]} are both part {shard.number} of {shard.of}.")
        shards[shard.number] = path, shard
    if not shards:
        raise UsageError("ae-audit merge found no .json file to put together.")
    return tuple(shard for _, shard in sorted(shards.values(), key=lambda item: item[1].number))


def merged(shards: Sequence[Shard]) -> tuple[Report, bool]:
    """One report of all parts, and whether every file of the audit is in it; what is missing is told as an error."""
    records = {file.place: file.record for shard in shards for file in shard.files}
    report = assemble(audit_of(records[place]) for place in sorted(records))
    missing = tuple(_missing(shards, records))
    if not missing:
        return report, True
    return replace(report, errors=(*report.errors, *missing)), False


def _missing(shards: Sequence[Shard], records: Iterable[int]) -> Iterable[StageError]:
    known, paths, of = set(records), shards[0].paths, shards[0].of
    given = {shard.number for shard in shards}
    for number in range(1, of + 1):
        lost = [paths[place] for place in shard_places(number, of, len(paths)) if place not in known]
        if lost:
            what = "was interrupted" if number in given else "is missing"
            files = "this file was" if len(lost) == 1 else f"{len(lost)} files, this one first, were"
            message = f"Part {number} of {of} {what}, and {files} not audited; run it again with --shard {number}/{of}."
            yield StageError(lost[0], "static", message)


def _files(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        if os.path.isdir(path):
            for folder, folders, files in os.walk(path):
                folders.sort()
                yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".json"))
        else:
            yield path


def _read(path: str) -> Shard:
    try:
        document = json.loads(read_bounded(path, _LARGEST))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no JSON report of ae-audit.") from None
    if not isinstance(document, dict) or document.get("shard") is None:
        raise UsageError(f"{path} is no part of an audit; `ae-audit --shard 1/2 --json-output {path}` writes one.")
    try:
        shard = from_json(Shard, document["shard"])
    except Malformed as error:
        raise UsageError(f"{path} is no part of an audit that this version of ae-audit wrote ({error}).") from None
    places = set(shard_places(shard.number, shard.of, len(shard.paths))) if 0 < shard.number <= shard.of else set()
    if any(file.place not in places for file in shard.files):
        raise UsageError(f"{path} holds files that are not of its part.")
    return shard
