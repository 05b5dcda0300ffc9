"""Attacks on what lies outside the sandbox, by native code that no audit hook of Python sees.

All of them are tried in one child, as the user of this test and, where that is root, as a plain user as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.sandbox import namespaces

from .conftest import HERE, SUPPORT, Run, events, is_mighty

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the layers are Linux'")

ROOT = HERE.parents[2]
NOBODY = 65534

CONNECT = "libc.connect(libc.socket(1, {kind}, 0), struct.pack('H', 1) + {path} + bytes(1), 3 + len({path}))"
FILES = {
    "chmod": "libc.chmod(path, 0o777)",
    "chown": "libc.chown(path, 1, 1)",
    "utime": "libc.utime(path, None)",
    "xattr": 'libc.setxattr(path, b"user.mark", b"x", 1, 0)',
    "symlink beside": 'libc.symlink(b"x", path + b".link")',
    "fifo beside": 'libc.mknod(path + b".fifo", 0o10600, 0)',
    "unlink": "libc.unlink(path)",
    "truncate": "libc.truncate(path, 0)",
    "rename": 'libc.rename(path, path + b".gone")',
    "rename into scratch": 'libc.rename(path, b"mine")',
    "open for writing": "libc.open(path, 1)",
    "open for reading and writing": "libc.open(path, 2)",
    "create beside": 'libc.open(path + b".new", 0o101, 0o600)',
    "unnamed file beside": "libc.open(os.path.dirname(path), 0o20200002, 0o600)",
    "folder beside": 'libc.mkdir(path + b".folder", 0o700)',
    "hard link beside": 'libc.link(path, path + b".link")',
    "hard link into scratch, opened": '[libc.link(path, b"hard"), libc.open(b"hard", 1)][1]',
    "symbolic link in scratch, opened": '[libc.symlink(path, b"soft"), libc.open(b"soft", 1)][1]',
    "chmod by descriptor": "libc.fchmod(libc.open(path, 0), 0o777)",
    "chown by descriptor": "libc.fchown(libc.open(path, 0), 1, 1)",
    "times by descriptor": "libc.futimens(libc.open(path, 0), None)",
    "attribute by descriptor": 'libc.fsetxattr(libc.open(path, 0), b"user.mark", b"x", 1, 0)',
    "flags by descriptor": "libc.ioctl(libc.open(path, 0), 0x40086602, ctypes.byref(ctypes.c_long(0x10)))",
    "opened again through /proc": 'libc.open(b"/proc/self/fd/%d" % libc.open(path, 0), 1)',
    "allocate by descriptor": "libc.fallocate(libc.open(path, 0), 0, ctypes.c_long(0), ctypes.c_long(1 << 20))",
}
SOCKETS = {
    "a service": CONNECT.format(kind=1, path="service"),
    "a service by a link": "[libc.symlink(service, door), " + CONNECT.format(kind=1, path="door") + "][1]",
    "a service by /proc/self/root": CONNECT.format(kind=1, path="(b'/proc/self/root' + service)"),
    "a datagram service": CONNECT.format(kind=2, path="letters"),
}
NETWORK = {
    "more than a dead loopback": "len(socket.if_nameindex()) - 2",
    "a service without a path": CONNECT.format(kind=1, path="abstract").replace("3 +", "2 +"),
    "loopback up": "libc.ioctl(libc.socket(1, 1, 0), 0x8914, buffer(b'lo' + bytes(14) + b'A', 40))",
}
CALLS = {
    "a socket for TCP": "libc.socket(2, 1, 0)",
    "a socket for UDP": "libc.socket(2, 2, 0)",
    "a raw socket": "libc.socket(2, 3, 1)",
    "a socket for IPv6": "libc.socket(10, 1, 0)",
    "a packet socket": "libc.socket(17, 3, 0)",
    "a socket to the host of this machine": "libc.socket(40, 1, 0)",
    "a socket of the kernel's ciphers": "libc.socket(38, 5, 0)",
    "netlink to the kernel's audit": "libc.socket(16, 3, 9)",
    "netlink to the firewall": "libc.socket(16, 3, 12)",
    "netlink to the device manager": "libc.socket(16, 3, 15)",
    "a ring": "libc.syscall(425, 8, buffer(120))",
    "keys of the user": "libc.syscall(number['keyctl'], 0, -4, 0)",
    "a key": "libc.syscall(number['add_key'], b'user', b'a', b'b', 1, -4)",
    "a program in the kernel": "libc.syscall(number['bpf'], 5, buffer(120), 120)",
    "counters of the processor": "libc.syscall(number['perf'], buffer(bytes([1, 0, 0, 0, 112]), 112), 0, -1, -1, 0)",
    "a terminal typed into": 'libc.ioctl(libc.open(b"/dev/ptmx", 2), 0x5412, b"x")',
    "a console typed into": 'libc.ioctl(libc.open(b"/dev/ptmx", 2), 0x541C, b"x")',
}
PRIVILEGES = {
    "hostname": 'libc.sethostname(b"mine", 4)',
    "chroot": 'libc.chroot(b"/tmp")',
    "mount": 'libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)',
    "mount by descriptor": "libc.syscall(428, -100, b'/', 1)",
    "bind a file over another": "libc.mount(b'/dev/null', path, None, 4096, None)",
    "mount again, writable": "libc.mount(b'none', b'/', None, 4128, None)",
    "umount": 'libc.umount2(b"/", 2)',
    "umount of its own /proc": 'libc.umount2(b"/proc", 2)',
    "pivot": "libc.syscall(number['pivot_root'], b'.', b'.')",
    "a mount namespace": "libc.unshare(0x20000)",
    "a user namespace": "libc.unshare(0x10000000)",
    "the namespace of the first process": "libc.setns(libc.open(b'/proc/1/ns/mnt', 0), 0)",
    "another user": "libc.setuid(12345)",
    "another group": "libc.setgid(12345)",
    "further groups": "libc.setgroups(1, ctypes.byref(ctypes.c_uint(0)))",
    "a capability dropped twice": "libc.prctl(24, 0, 0, 0, 0) - 1",
    "reboot": "libc.reboot(0x1234567)",
    "the clock": "libc.clock_settime(0, ctypes.byref((ctypes.c_long * 2)(1, 1)))",
    "a device": "libc.mknod(b'disk', 0o60600, os.makedev(8, 0))",
    "a real-time priority": "libc.sched_setscheduler(0, 1, ctypes.byref(ctypes.c_int(99)))",
    "a file by its handle": "libc.syscall(number['open_by_handle_at'], -100, buffer(64), 0)",
}
PROCESSES = {
    "signal": "libc.kill(parent, 18)",
    "signal to a thread": "libc.syscall(number['tgkill'], parent, parent, 18)",
    "environment": 'libc.open(b"/proc/%d/environ" % parent, 0)',
    "memory": 'libc.open(b"/proc/%d/mem" % parent, 2)',
    "trace": "libc.ptrace(16, parent, None, None)",
    "limits": "libc.prlimit(parent, 7, ctypes.byref((ctypes.c_ulong * 2)(0, 0)), None)",
    "priority": "libc.setpriority(0, parent, 19)",
    "priorities of the user": "libc.setpriority(2, os.getuid(), 19) - 1",
    "affinity": "libc.sched_setaffinity(parent, 128, buffer(b'\\1', 128))",
    "scheduler": "libc.sched_setscheduler(parent, 3, ctypes.byref(ctypes.c_int(0)))",
    "disk priority": "libc.syscall(number['ioprio_set'], 1, parent, 3 << 13)",
    "memory read": "libc.process_vm_readv(parent, pieces, 1, pieces, 1, 0)",
    "descriptor of the process": "libc.syscall(434, parent, 0)",
    "likelier to be killed": 'libc.open(b"/proc/%d/oom_score_adj" % parent, 1)',
    "files through /proc": 'libc.open(b"/proc/%d/root/etc/passwd" % parent, 0)',
    "trace of the first process": "libc.ptrace(16, 1, None, None)",
    "memory of the first process": 'libc.open(b"/proc/1/mem", 2)',
    "another process is seen": "len([name for name in os.listdir('/proc') if name.isdigit()]) - 3",
}
SHARED = {
    "shared memory by its file": "libc.open(b'/dev/shm/' + shared, 0)",
    "shared memory by its name": "libc.shm_open(b'/' + shared, 0, 0)",
    "shared memory removed": "libc.unlink(b'/dev/shm/' + shared)",
}
SYSTEM_V = {
    "a segment": "libc.shmget(key, 0, 0)",
    "a semaphore": "libc.semget(key, 0, 0)",
    "a queue": "libc.msgget(key, 0)",
}
DEVICES = {
    "the user's terminal": "[libc.open(b'/dev/pts/' + name, 0) for name in terminals][0]",
    "the console": "libc.open(b'/dev/console', 0)",
    "the first terminal": "libc.open(b'/dev/tty1', 0)",
    "the kernel's messages": "libc.open(b'/dev/kmsg', 0)",
    "a disk": "max([libc.open(b'/dev/' + name, 0) for name in disks], default=-1)",
    "a tunnel": "libc.open(b'/dev/net/tun', 2)",
    "a file system of its own": "libc.open(b'/dev/fuse', 2)",
}
MACHINE = {
    "core pattern": "libc.open(b'/proc/sys/kernel/core_pattern', 1)",
    "overcommit": "libc.open(b'/proc/sys/vm/overcommit_memory', 1)",
    "magic keys": "libc.open(b'/proc/sysrq-trigger', 1)",
    "control groups": "libc.mkdir(b'/sys/fs/cgroup/mine', 0o700)",
    "kernel switches": "libc.open(b'/sys/kernel/uevent_helper', 1)",
    "namespaces allowed again": "libc.open(b'/proc/sys/user/max_user_namespaces', 1)",
}
BATTERY = {
    "files": FILES, "sockets": SOCKETS, "network": NETWORK, "kernel": CALLS, "capabilities": PRIVILEGES,
    "processes": PROCESSES, "devices": SHARED | DEVICES, "ipc": SYSTEM_V, "files and capabilities": MACHINE,
}  # fmt: skip
"""by the layer that refuses them"""

NUMBERS = {
    "x86_64": {"keyctl": 250, "add_key": 248, "bpf": 321, "perf": 298, "pivot_root": 155, "open_by_handle_at": 304,
               "tgkill": 234, "ioprio_set": 251},
    "aarch64": {"keyctl": 219, "add_key": 217, "bpf": 280, "perf": 241, "pivot_root": 41, "open_by_handle_at": 265,
                "tgkill": 131, "ioprio_set": 30},
}  # fmt: skip

TRY = """
import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer
place = buffer(8)
pieces = (ctypes.c_void_p * 2)(ctypes.addressof(place), 8)
succeeded = []
for name, attempt in battery.items():
    try:
        if eval(attempt) >= 0:
            succeeded.append(name)
    except (OSError, IndexError):
        pass
session.channel.send({"type": "tried", "succeeded": succeeded, "number": len(battery)})
"""
AS_ANOTHER = """
import json, os, sys
from ae_audit.runtime.sandbox.launch import run_child
source = sys.stdin.read().replace("PARENT", str(os.getpid()))
before = os.getpriority(os.PRIO_PROCESS, 0)
outcome = run_child({"source": source}, module="child_entry", timeout=60, env={"PYTHONPATH": os.environ["PYTHONPATH"]})
assert os.getpriority(os.PRIO_PROCESS, 0) == before
print(json.dumps([outcome.events, outcome.stderr]))
"""

WITHOUT_NAMESPACES = f"""
import os, sys
from ae_audit.runtime.sandbox import kernel
load, equal, any_bit, give = kernel._LOAD, kernel._EQUAL, kernel._ANY_BIT, kernel._GIVE
assert kernel._install([
    (load, 0, 0, 0), (equal, 0, 3, kernel._machine().unshare), (load, 0, 0, 16), (any_bit, 0, 1, 0x10000000),
    (give, 0, 0, 0x50001), (give, 0, 0, 0x7FFF0000),
])
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
"""no ordinary user may make a user namespace: by a filter that root puts upon itself before it becomes another"""


@dataclass(frozen=True)
class Tried:
    layers: frozenset[str]
    succeeded: frozenset[str]
    number: int


class Surroundings:
    """What the attacks are made on: a file, services, shared memory, all of the attacker's own user."""

    def __init__(self, folder: Path, user: int) -> None:
        self._stack = contextlib.ExitStack()
        self.folder = folder
        self.thesis = folder / "thesis.txt"
        self.thesis.write_text("years of work")
        short = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="s"))
        for path in (folder, self.thesis, Path(short)):
            os.chown(path, user, -1)
        abstract = f"\0{secrets.token_hex(8)}"
        for kind, name in (
            (socket.SOCK_STREAM, f"{short}/service"),
            (socket.SOCK_DGRAM, f"{short}/letters"),
            (1, abstract),
        ):
            server = self._stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            server.bind(name)
            if name.startswith("/"):
                os.chmod(name, 0o777)
            if kind == socket.SOCK_STREAM:
                server.listen()
        shared = f"attack_{secrets.token_hex(8)}"
        Path("/dev/shm", shared).write_text("x")
        os.chmod(f"/dev/shm/{shared}", 0o666)
        self._stack.callback(lambda: Path("/dev/shm", shared).unlink(missing_ok=True))
        self.names: dict[str, Any] = {
            "path": os.fsencode(self.thesis),
            "door": b"door",
            "service": os.fsencode(f"{short}/service"),
            "letters": os.fsencode(f"{short}/letters"),
            "abstract": abstract.encode(),
            "shared": shared.encode(),
            "key": self._system_v(),
            "terminals": [os.fsencode(name) for name in os.listdir("/dev/pts") if name.isdigit()],
            "disks": [os.fsencode(path.name) for path in Path("/dev").iterdir() if path.is_block_device()],
            "number": NUMBERS.get(os.uname().machine, {}),
        }

    def _system_v(self) -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        key = secrets.randbelow(1 << 30) + 1
        created = 0o1666
        for remove, number in (
            (lambda n: libc.shmctl(n, 0, None), libc.shmget(key, 4096, created)),
            (lambda n: libc.semctl(n, 0, 0), libc.semget(key, 1, created)),
            (lambda n: libc.msgctl(n, 0, None), libc.msgget(key, created)),
        ):
            assert number >= 0
            self._stack.callback(remove, number)
        return key

    def attack(self) -> str:
        """The source of the program that tries everything."""
        battery = {name: attempt for group in BATTERY.values() for name, attempt in group.items()}
        given = "".join(f"{name} = {value!r}\n" for name, value in self.names.items())
        return f"{given}parent = PARENT\nbattery = {battery!r}\n{TRY}"

    def close(self) -> None:
        self._stack.close()


def python_for_others() -> str | None:
    """An interpreter that any user of this machine may run, new enough for us."""
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        real = os.path.realpath(path)
        ways = [real, *map(str, Path(real).parents)]
        if os.path.exists(real) and all(os.stat(way).st_mode & stat.S_IXOTH for way in ways):
            version = subprocess.run(
                [path, "-c", "import sys; print(sys.version_info >= (3, 10))"], capture_output=True
            )
            if version.stdout.strip() == b"True":
                return path
    return None


def as_this_user(source: str) -> tuple[list[dict[str, Any]], str]:
    from ae_audit.runtime.sandbox.launch import run_child

    outcome = run_child(
        {"source": source.replace("PARENT", str(os.getpid()))},
        module="child_entry",
        timeout=60,
        env={"PYTHONPATH": f"{HERE}:{SUPPORT}"},
    )
    return list(outcome.events), outcome.stderr


def as_a_plain_user(source: str) -> tuple[list[dict[str, Any]], str]:
    python = python_for_others()
    if not is_mighty() or python is None or not os.stat(ROOT).st_mode & stat.S_IXOTH:
        pytest.skip("only root can be somebody else, where the interpreter is everybody's")
    return _answer(python, [AS_ANOTHER], source, user=NOBODY, group=NOBODY, extra_groups=[])


def _answer(python: str, arguments: list[str], source: str, path: str = "", **user: Any) -> tuple[list[Any], str]:
    ended = subprocess.run(
        [python, "-c", *arguments],
        input=source,
        capture_output=True,
        text=True,
        **user,
        env={"PYTHONPATH": f"{ROOT}:{HERE}", "PATH": path + os.environ["PATH"], "HOME": "/"},
        timeout=120,
        check=False,
        cwd="/",
    )
    assert ended.returncode == 0, ended.stderr
    said, stderr = json.loads(ended.stdout)
    return said, stderr


def by_bubblewrap(source: str, code: str = AS_ANOTHER) -> tuple[list[dict[str, Any]], str]:
    """As a plain user whose own namespaces are refused, with a set-uid bubblewrap."""
    python, bubblewrap = python_for_others(), shutil.which("bwrap")
    if not is_mighty() or python is None or bubblewrap is None or not os.stat(ROOT).st_mode & stat.S_IXOTH:
        pytest.skip("only root can be somebody else, and bubblewrap must be there")
    with tempfile.TemporaryDirectory() as folder:
        if os.statvfs(folder).f_flag & os.ST_NOSUID:
            pytest.skip("no set-uid programs where temporary files go")
        os.chmod(folder, 0o755)
        os.chmod(shutil.copy(bubblewrap, folder), 0o4755)
        return _answer(python, [WITHOUT_NAMESPACES, code], source, f"{folder}:")


WAYS = {"this user": as_this_user, "a plain user": as_a_plain_user, "a plain user by bubblewrap": by_bubblewrap}


@pytest.fixture(scope="module", params=WAYS)
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """What became of all attacks."""
    plain = request.param != "this user"
    if plain and not is_mighty():
        pytest.skip("only root can be somebody else")
    folder = Path(tempfile.mkdtemp(prefix="home-"))  # pytest's own folder is closed to other users
    surroundings = Surroundings(folder, NOBODY if plain else os.getuid())
    before = os.stat(surroundings.thesis)
    try:
        said, stderr = WAYS[request.param](surroundings.attack())
        assert [event["type"] for event in said][-2:] == ["tried", "Finished"], stderr
        after = os.stat(surroundings.thesis)
        assert (after.st_uid, after.st_size) == (before.st_uid, before.st_size)
        if "files" in said[0]["layers"]:  # else modes and times are open, and the report says so
            assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        assert os.listdir(folder) == ["thesis.txt"]
        if request.param == "a plain user by bubblewrap":
            assert set(said[0]["layers"]) == set(namespaces.LAYERS)
        yield Tried(frozenset(said[0]["layers"]), frozenset(said[-2]["succeeded"]), said[-2]["number"])
    finally:
        surroundings.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("layer", "name"),
    [(layer, name) for layer, group in BATTERY.items() for name in group],
    ids=lambda value: str(value),
)
def test_an_attack_fails(tried: Tried, layer: str, name: str) -> None:
    needed = set() if layer == "kernel" else set(layer.split(" and "))
    if not needed <= tried.layers:
        pytest.skip(f"this kernel does not grant {needed - tried.layers}")
    if layer == "kernel" and os.uname().machine not in NUMBERS:
        pytest.skip("the filter of calls is not for this processor")
    assert name not in tried.succeeded


def test_every_attack_was_made(tried: Tried) -> None:
    assert tried.number == sum(map(len, BATTERY.values())) >= 60


def test_the_attacks_are_such(tmp_path: Path) -> None:
    """Outside the sandbox most of them succeed: one that fails everywhere shows nothing."""
    surroundings = Surroundings(tmp_path, os.getuid())
    harmless = {
        name: BATTERY[layer][name]
        for layer, name in (
            ("files", "chmod"), ("files", "utime"), ("files", "open for writing"), ("files", "fifo beside"),
            ("files", "opened again through /proc"), ("files", "times by descriptor"), ("files", "hard link beside"),
            ("sockets", "a service"), ("sockets", "a service by a link"), ("sockets", "a datagram service"),
            ("sockets", "a service by /proc/self/root"), ("network", "a service without a path"),
            ("kernel", "a socket for TCP"), ("kernel", "a socket for UDP"), ("processes", "signal"),
            ("processes", "environment"), ("processes", "files through /proc"), ("processes", "affinity"),
            ("processes", "another process is seen"), ("devices", "shared memory by its file"),
            ("devices", "shared memory by its name"), ("ipc", "a segment"), ("ipc", "a semaphore"), ("ipc", "a queue"),
        )
    }  # fmt: skip
    given = "".join(f"{name} = {value!r}\n" for name, value in surroundings.names.items())
    code = f"{given}battery = {harmless!r}\n"
    code += "class session:\n    class channel:\n        def send(event): print(*event['succeeded'], sep='\\n')\n"
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        code += f"parent = {sleeper.pid}\n{TRY}"
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
        )
    finally:
        sleeper.kill()
        sleeper.wait()
        surroundings.close()
    assert set(harmless) - set(ended.stdout.splitlines()) == set()


def test_its_own_files_are_its_own(run_source: Run) -> None:
    name = f"own_{secrets.token_hex(8)}"
    outcome = run_source(
        textwrap.dedent(f"""
        import ctypes, os
        libc = ctypes.CDLL(None)
        open("own.txt", "w").close()
        done = [libc.chmod(b"own.txt", 0o600), libc.shm_open(b"/{name}", 0o102, 0o600) - 1]
        codes, shared = [code >= 0 for code in done], os.listdir("/dev/shm")
        session.channel.send({{"type": "done", "codes": codes, "shared": shared}})
        """)
    )
    assert events(outcome, "done")[0]["codes"] == [True, True], outcome.stderr
    if "devices" in outcome.events[0]["layers"]:
        assert events(outcome, "done")[0]["shared"] == [name]
        assert not Path("/dev/shm", name).exists()
    Path("/dev/shm", name).unlink(missing_ok=True)
