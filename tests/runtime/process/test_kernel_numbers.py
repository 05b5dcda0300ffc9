"""Numbers that are written down here, against the kernel's own headers where they are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox import family, kernel, mounts, namespaces

HEADERS = Path("/usr/include")
X86, ARM = "x86_64-linux-gnu/asm/unistd_64.h", "asm-generic/unistd.h"
CALLS = {
    "socket": "socket", "ioctl": "ioctl", "prlimit": "prlimit64", "clone": "clone", "unshare": "unshare",
}  # fmt: skip
REFUSED = ("add_key", "request_key", "keyctl", "perf_event_open", "bpf", "userfaultfd", "open_by_handle_at")
EVERYWHERE = {
    "io_uring_setup": kernel._IO_URING_SETUP, "clone3": kernel._CLONE3, "mount_setattr": mounts._MOUNT_SETATTR,
    "landlock_create_ruleset": kernel._CREATE_RULESET, "landlock_add_rule": kernel._ADD_RULE,
    "landlock_restrict_self": kernel._RESTRICT_SELF,
}  # fmt: skip
CONSTANTS = {
    "prctl": {
        "PR_SET_PDEATHSIG": kernel._PR_SET_PDEATHSIG, "PR_SET_SECCOMP": kernel._PR_SET_SECCOMP,
        "PR_SET_CHILD_SUBREAPER": kernel._PR_SET_CHILD_SUBREAPER, "PR_SET_NO_NEW_PRIVS": kernel._PR_SET_NO_NEW_PRIVS,
        "PR_CAPBSET_DROP": namespaces._PR_CAPBSET_DROP, "PR_CAP_AMBIENT": namespaces._PR_CAP_AMBIENT,
        "PR_CAP_AMBIENT_CLEAR_ALL": namespaces._PR_CAP_AMBIENT_CLEAR_ALL,
    },
    "capability": {"_LINUX_CAPABILITY_VERSION_3": namespaces._CAPABILITY_VERSION_3},
    "sched": {
        "CLONE_NEWNS": namespaces._NEWNS, "CLONE_NEWUTS": namespaces._NEWUTS, "CLONE_NEWIPC": namespaces._NEWIPC,
        "CLONE_NEWUSER": kernel._NEW_USER_NAMESPACE, "CLONE_NEWNET": namespaces._NEWNET, "CLONE_NEWPID": family._NEWPID,
    },
    "seccomp": {
        "SECCOMP_MODE_FILTER": kernel._SECCOMP_MODE_FILTER, "SECCOMP_RET_ALLOW": kernel._ALLOW,
        "SECCOMP_RET_ERRNO": kernel._REFUSE,
    },
    "mount": {
        "MS_RDONLY": mounts._MS_RDONLY, "MS_NOSUID": mounts._MS_NOSUID, "MS_NODEV": mounts._MS_NODEV,
        "MS_NOEXEC": mounts._MS_NOEXEC, "MS_BIND": mounts._MS_BIND, "MS_MOVE": mounts._MS_MOVE,
        "MS_REC": mounts._MS_REC, "MOUNT_ATTR_RDONLY": mounts._ATTR_RDONLY,
    },
    "landlock": {
        "LANDLOCK_CREATE_RULESET_VERSION": kernel._QUERY_VERSION, "LANDLOCK_ACCESS_FS_WRITE_FILE": kernel._WRITE_FILE,
        "LANDLOCK_ACCESS_FS_REFER": kernel._REFER, "LANDLOCK_ACCESS_FS_TRUNCATE": kernel._TRUNCATE,
    },
}  # fmt: skip


def defined(path: str) -> dict[str, int]:
    """What a header defines as a plain number, or as a bit by its position."""
    file = HEADERS / path
    if not file.exists():
        pytest.skip(f"no {path} on this machine")
    found = {}
    for line in file.read_text("utf-8", "replace").splitlines():
        number = re.match(
            r"#\s*define\s+(\w+)\s+\(?(0[xX][0-9a-fA-F]+|\d+)[uUlL]*(?:\s*<<\s*(\d+))?\)?\s*(?:/\*.*)?$", line
        )
        if number is not None:
            found[number[1]] = int(number[2], 0) << int(number[3] or 0)
    return found


@pytest.mark.parametrize(("machine", "path"), [("x86_64", X86), ("aarch64", ARM)])
def test_numbers_of_calls(machine: str, path: str) -> None:
    known, ours = defined(path), kernel._MACHINES[machine]
    told = {name: known[f"__NR_{call}"] for name, call in CALLS.items() if f"__NR_{call}" in known}
    assert {name: getattr(ours, name) for name in told} == told
    assert len(told) >= len(CALLS) - 1
    assert ours.refused == tuple(known[f"__NR_{call}"] for call in REFUSED)
    assert namespaces._CAPSET[machine] == known["__NR_capset"]
    assert family._CLONE[machine] == known["__NR_clone"]
    assert {name: number for name, number in EVERYWHERE.items() if known.get(f"__NR_{name}", number) != number} == {}


@pytest.mark.parametrize("header", CONSTANTS)
def test_constants(header: str) -> None:
    known = defined(f"linux/{header}.h")
    told = {name: known[name] for name in CONSTANTS[header] if name in known}  # an older header lacks the newest
    assert {name: CONSTANTS[header][name] for name in told} == told
    assert told
