"""What a program may and may not do, by the kernel and by the hooks alone."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ae_audit.runtime.sandbox import kernel, namespaces
from ae_audit.runtime.sandbox.launch import Ending

from .conftest import Run, events

NO_KERNEL = {"AE_AUDIT_TEST_NO_KERNEL": "1"}
needs_landlock = pytest.mark.skipif(kernel.landlock_abi() == 0, reason="this kernel has no Landlock")
BOTH = pytest.mark.parametrize("env", [pytest.param({}, marks=needs_landlock), NO_KERNEL], ids=["kernel", "hooks"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of the user's, with a file in it; the test's temporary folder is not the program's scratch."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    return folder


@needs_landlock
def test_it_says_that_the_kernel_holds(run_source: Run) -> None:
    outcome = run_source("")
    closed = outcome.events[0]
    assert (closed["type"], closed["kernel_writes"], closed["kernel_network"]) == ("SandboxClosed", True, True)


def test_it_says_that_only_hooks_hold(run_source: Run) -> None:
    outcome = run_source("", env=NO_KERNEL)
    assert outcome.events[0] == {
        "type": "SandboxClosed",
        "kernel_writes": False,
        "kernel_network": False,
        "layers": [],
    }


def test_it_says_nothing_of_a_network_that_is_allowed(run_source: Run) -> None:
    outcome = run_source("", allow_network=True)
    assert outcome.events[0]["kernel_network"] is None


@BOTH
@pytest.mark.parametrize(
    "attempt",
    [
        "open(home + '/new.txt', 'w')",
        "open(home + '/thesis.txt', 'a')",
        "open(home + '/thesis.txt', 'r+b')",
        "os.open(home + '/thesis.txt', os.O_WRONLY | os.O_TRUNC)",
        "os.truncate(home + '/thesis.txt', 0)",
        "os.remove(home + '/thesis.txt')",
        "os.rename(home + '/thesis.txt', 'mine.txt')",
        "os.replace('own.txt', home + '/thesis.txt')",
        "os.mkdir(home + '/folder')",
        "os.symlink('/etc', home + '/link')",
        "os.link('own.txt', home + '/link')",
        "os.chmod(home + '/thesis.txt', 0)",
        "os.utime(home + '/thesis.txt', (0, 0))",
        "__import__('shutil').rmtree(home)",
        "__import__('pathlib').Path(home, 'new.txt').write_text('x')",
        "open(os.path.relpath(home) + '/new.txt', 'w')",
    ],
)
def test_a_write_at_home_is_refused_and_named(run_source: Run, home: Path, env: dict[str, str], attempt: str) -> None:
    before = {path.name: (path.read_text(), path.stat().st_mtime, path.stat().st_mode) for path in home.iterdir()}
    outcome = run_source(
        f"""
        import os
        home = {str(home)!r}
        open("own.txt", "w").close()
        try:
            {attempt}
        except PermissionError:
            session.channel.send({{"type": "refused"}})
        """,
        env=env,
    )
    after = {path.name: (path.read_text(), path.stat().st_mtime, path.stat().st_mode) for path in home.iterdir()}
    assert outcome.ok, outcome.stderr
    assert after == before
    assert events(outcome, "refused")
    assert {event["kind"] for event in events(outcome, "AccessBlocked")} == {"write"}
    assert events(outcome, "AccessBlocked")[0]["what"].startswith(str(home))


@needs_landlock
@pytest.mark.parametrize(
    "attempt",
    [
        "import subprocess; subprocess.run(['sh', '-c', 'echo x > {home}/new.txt; rm -f {home}/thesis.txt'])",
        "import ctypes; ctypes.CDLL(None).unlink(b'{home}/thesis.txt')",
        "import ctypes; ctypes.CDLL(None).truncate(b'{home}/thesis.txt', 0)",
        "import os; os.fork() or os.execv('/bin/sh', ['sh', '-c', ': > {home}/new.txt'])",
    ],
)
def test_the_kernel_also_holds_native_code_and_other_programs(run_source: Run, home: Path, attempt: str) -> None:
    run_source(attempt.format(home=home) + "\nimport time; time.sleep(0.3)")
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("thesis.txt", "years of work")]


def test_without_the_kernel_no_other_program_runs(run_source: Run, home: Path) -> None:
    outcome = run_source(f"import subprocess; subprocess.run(['touch', {str(home / 'new')!r}])", env=NO_KERNEL)
    assert not (home / "new").exists()
    assert events(outcome, "AccessBlocked") == [
        {"type": "AccessBlocked", "kind": "process", "what": f"touch {home / 'new'}"}
    ]


@BOTH
def test_its_own_places_are_writable_and_the_rest_readable(run_source: Run, home: Path, env: dict[str, str]) -> None:
    outcome = run_source(
        f"""
        import os, tempfile, shutil
        from pathlib import Path
        Path("deep/er").mkdir(parents=True)
        Path("deep/er/file.txt").write_text("x")
        os.rename("deep/er/file.txt", "deep/file.txt")
        os.chmod("deep/file.txt", 0o600)
        shutil.rmtree("deep")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
        open(os.devnull, "w").write("x")
        os.makedirs({str(home)!r}, exist_ok=True)
        try:
            os.remove({str(home / "missing")!r})
        except FileNotFoundError:
            pass
        assert open({str(home / "thesis.txt")!r}).read() == "years of work"
        """,
        env=env,
    )
    assert outcome.ok, outcome.stderr
    assert events(outcome, "AccessBlocked") == []


@BOTH
def test_a_folder_opened_by_the_user_is_writable(run_source: Run, home: Path, env: dict[str, str]) -> None:
    outcome = run_source(f"open({str(home / 'new.txt')!r}, 'w').write('x')", allow_write=[home], env=env)
    assert outcome.ok, outcome.stderr
    assert (home / "new.txt").read_text() == "x"


@BOTH
@pytest.mark.parametrize(
    ("attempt", "named"),
    [
        ("socket.create_connection(('127.0.0.1', port), timeout=5)", "127.0.0.1:"),
        ("socket.socket().connect(('127.0.0.1', port))", None),
        ("socket.socket().bind(('127.0.0.1', 0))", None),
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))", None),
        ("socket.getaddrinfo('data.example.org', 80)", "data.example.org:80"),
        ("urllib.request.urlopen('http://data.example.org/train.npz')", "http://data.example.org/train.npz"),
    ],
)
def test_a_connection_is_refused_and_named(
    run_source: Run, env: dict[str, str], attempt: str, named: str | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []
        server.settimeout(0.2)

        def accept() -> None:
            try:
                accepted.append(server.accept())
            except OSError:
                return

        listener = threading.Thread(target=accept)
        listener.start()
        outcome = run_source(
            f"""
            import socket, urllib.request
            port = {server.getsockname()[1]}
            try:
                {attempt}
            except OSError as error:
                session.channel.send({{"type": "refused", "why": repr(error)}})
            """,
            env=env,
        )
        listener.join()
    assert outcome.ok, outcome.stderr
    assert events(outcome, "refused")
    assert accepted == []
    if named is not None:
        assert [event["what"][: len(named)] for event in events(outcome, "AccessBlocked")] == [named]


@BOTH
def test_a_network_opened_by_the_user_is_open(run_source: Run, env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run_source(
            f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5).close()",
            env=env,
            allow_network=True,
        )
    assert outcome.ok, outcome.stderr
    assert outcome.events[0]["kernel_network"] is None  # nobody was asked to close it


@BOTH
def test_local_sockets_still_work(run_source: Run, env: dict[str, str]) -> None:
    outcome = run_source(
        """
        import multiprocessing, socket
        a, b = socket.socketpair()
        a.send(b"x")
        assert b.recv(1) == b"x"
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        worker = context.Process(target=queue.put, args=(7,))
        worker.start()
        assert queue.get(timeout=10) == 7
        worker.join()
        """,
        env=env,
    )
    assert outcome.ok, outcome.stderr


@BOTH
def test_it_cannot_signal_its_parent(run_source: Run, env: dict[str, str]) -> None:
    outcome = run_source(
        """
        import os, signal
        try:
            os.kill(os.getppid(), signal.SIGTERM)
        except PermissionError:
            session.channel.send({"type": "refused"})
        """,
        env=env,
    )
    assert outcome.ok
    assert events(outcome, "refused")
    parent = 1 if "processes" in outcome.events[0]["layers"] else os.getpid()
    assert events(outcome, "AccessBlocked")[0]["what"] == f"signal 15 to process {parent}"


def test_its_processes_have_their_own_numbers(run_source: Run) -> None:
    source = """
        import os
        numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        told = {"own": os.getpid(), "parent": os.getppid(), "seen": numbers, "self": os.readlink("/proc/self")}
        session.channel.send({"type": "numbers", **told})
        """
    outcome = run_source(source)
    if "processes" not in outcome.events[0]["layers"]:
        pytest.skip("this kernel grants no process namespace")
    told = events(outcome, "numbers")[0]
    assert (told["own"], told["parent"], told["seen"], told["self"]) == (2, 1, [1, 2], "2")


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({"AE_AUDIT_TEST_NO_PROC": "1"}, {"processes"}),
        ({"AE_AUDIT_TEST_NO_NAMESPACES": "1"}, set(namespaces.LAYERS) - {"calls", "capabilities"}),
        ({"AE_AUDIT_TEST_NO_MAPPING": "1"}, set(namespaces.LAYERS) - {"calls", "capabilities"}),
    ],
    ids=["proc", "all", "mapping"],
)
def test_a_missing_layer_is_missed_and_the_program_still_runs(
    run_source: Run, env: dict[str, str], missing: set[str]
) -> None:
    granted = set(run_source("").events[0]["layers"])
    outcome = run_source(
        "import os; session.channel.send({'type': 'number', 'own': os.getpid(), 'user': os.getuid()})", env=env
    )
    assert outcome.ok, outcome.stderr
    assert set(outcome.events[0]["layers"]) == granted - missing
    told = events(outcome, "number")[0]
    assert (told["own"] == 2, told["user"]) == (False, os.getuid())


@BOTH
def test_a_link_of_its_own_opens_no_door(run_source: Run, home: Path, env: dict[str, str]) -> None:
    outcome = run_source(
        f"""
        import os
        os.symlink({str(home)!r}, "door")
        open("door/new.txt", "w").write("x")
        open("door/thesis.txt", "w").write("x")
        os.symlink({str(home / "thesis.txt")!r}, "window")
        open("window", "a").write("x")
        """,
        env=env,
    )
    assert outcome.ok, outcome.stderr
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("thesis.txt", "years of work")]


def test_it_may_print_by_way_of_a_device(run_source: Run) -> None:
    outcome = run_source(
        "import os\npid = os.fork()\nopen('/dev/stdout', 'w').write('x')\nif pid: os.wait()\nelse: os._exit(0)"
    )
    assert outcome.stdout == "xx", outcome.stderr


def test_what_is_tried_again_and_again_is_named_once(run_source: Run, home: Path) -> None:
    outcome = run_source(
        f"""
        for i in range(1000):
            for name in ("a", "b"):
                try:
                    open({str(home)!r} + "/" + name, "w")
                except PermissionError:
                    pass
        """
    )
    assert [event["what"] for event in events(outcome, "AccessBlocked")] == [str(home / "a"), str(home / "b")]


def test_a_file_without_end_is_cut(run_source: Run) -> None:
    outcome = run_source(
        """
        try:
            with open("big", "wb") as file:
                while True:
                    file.write(bytes(1 << 16))
        except OSError as error:
            session.channel.send({"type": "refused", "why": error.strerror})
        """,
        file_bytes=1 << 20,
    )
    assert outcome.ok
    assert [event["why"] for event in events(outcome, "refused")] == ["File too large"]


def test_secrets_of_the_environment_do_not_reach_it(run_source: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_PROFILE", "MY_API_KEY", "DB_PASSWORD", "SSH_AUTH_SOCK", "DISPLAY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("INDEX", "https://me:word@index.example.org/simple")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("MY_SETTING", "kept")
    outcome = run_source("import os; session.channel.send({'type': 'environment', 'names': dict(os.environ)})")
    seen = events(outcome, "environment")[0]["names"]
    assert not {"HF_TOKEN", "AWS_PROFILE", "MY_API_KEY", "DB_PASSWORD", "SSH_AUTH_SOCK", "DISPLAY", "INDEX"} & set(seen)
    assert (seen["KERAS_BACKEND"], seen["CUDA_VISIBLE_DEVICES"], seen["MY_SETTING"]) == ("torch", "0", "kept")
    assert "PATH" in seen


def test_the_sandbox_works_under_every_version_of_the_interface(run_source: Run, home: Path) -> None:
    if kernel.landlock_abi() == 0:
        pytest.skip("this kernel has no Landlock")
    for abi in range(1, kernel.landlock_abi() + 1):
        outcome = run_source(
            f"""
            import os
            from ae_audit.runtime.sandbox import kernel
            from ae_audit.runtime.sandbox.channel import _exit
            if os.fork() == 0:  # restricted once more, as an older kernel would allow
                kernel.landlock_abi = lambda: {abi}
                _exit(0 if kernel.restrict_writes(["."], tcp=True) else 1)
            assert os.wait()[1] == 0
            """
        )
        assert outcome.ending is Ending.FINISHED, (abi, outcome.stderr)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp is Linux'")
def test_internet_sockets_cannot_even_be_made(run_source: Run) -> None:
    outcome = run_source(
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        results = [(libc.socket(family, kind, 0) >= 0) for family in (1, 2, 10) for kind in (1, 2)]
        session.channel.send({"type": "sockets", "made": results})
        """
    )
    assert events(outcome, "sockets")[0]["made"] == [True, True, False, False, False, False]


def test_a_socket_that_a_service_makes_later_is_out_of_reach(run_source: Run, tmp_path: Path) -> None:
    """Where the user's services make theirs nothing is seen, whenever it was made."""
    folder = Path(f"/tmp/tmux-{os.getuid()}")
    ours = not folder.exists()
    folder.mkdir(mode=0o700, exist_ok=True)
    late, made = folder / f"late-{os.getpid()}", tmp_path / "made"
    source = f"""
        import ctypes, os, struct, time
        session.channel.send({{"type": "waiting"}})
        for _ in range(600):
            if os.path.exists({str(made)!r}):
                break
            time.sleep(0.05)
        libc = ctypes.CDLL(None, use_errno=True)
        path = {os.fsencode(late)!r}
        reached = libc.connect(libc.socket(1, 1, 0), struct.pack("H", 1) + path + bytes(1), 3 + len(path))
        session.channel.send({{"type": "tried", "made": os.path.exists({str(made)!r}), "reached": reached >= 0}})
        """
    with socket.socket(socket.AF_UNIX) as service, contextlib.ExitStack() as stack:
        if ours:
            stack.callback(folder.rmdir)
        stack.callback(lambda: late.unlink(missing_ok=True))
        said: list[dict[str, Any]] = []

        def hear(event: dict[str, Any]) -> None:
            said.append(event)
            if event["type"] == "waiting":
                service.bind(str(late))
                service.listen()
                made.touch()

        assert run_source(source, on_event=hear).ok
    if "sockets" not in said[0]["layers"]:
        pytest.skip("this kernel grants no mount namespace")
    assert said[-2] == {"type": "tried", "made": True, "reached": False}
