"""Programs that do not want to end, or end in every bad way: one clear sentence each, nothing already said is lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox.launch import LONGEST_EVENT, MOST_EVENTS, Ending

from .conftest import Run, ended, events

SAID = "session.channel.send({'type': 'found', 'what': 'AE101'})\n"
FOUND = [{"type": "found", "what": "AE101"}]


def living(mark: str) -> list[str]:
    """Command lines of the living processes that have ``mark`` in theirs: inside, processes have other numbers."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if mark.encode() in command:
                found.append(command.decode())
    return found


@pytest.fixture
def mark() -> str:
    """A word that no other process has in its command line."""
    return f"mark{secrets.token_hex(8)}"


IN_A_CONTAINER = {"AE_AUDIT_TEST_NO_NAMESPACES": "1"}
EVERYWHERE = pytest.mark.parametrize("env", [{}, IN_A_CONTAINER], ids=["namespaces", "none"])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import os; os._exit(0)", "ended its process before the audit was done (os._exit or exec)"),
        ("import os; os._exit(3)", "ended its process with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL (by itself, or for want of memory) at line 2"),
        ("import ctypes; ctypes.string_at(0)", "was killed by SIGSEGV (segmentation fault) at line 2"),
        ("import os; os.abort()", "was killed by SIGABRT (abort) at line 2"),
        (
            "import os, sys; os.execv('/bin/true', ['true'])",
            "ended its process before the audit was done (os._exit or exec)",
        ),
        ("raise SystemExit(4)", "ended its process with exit code 4"),
    ],
)
def test_a_bad_end_is_told_in_a_sentence(run_source: Run, source: str, sentence: str) -> None:
    outcome = run_source(SAID + source)
    expected = sentence.removesuffix(" at line 2") if "SIGKILL" in sentence else sentence
    assert outcome.sentence("program.py") == expected
    assert events(outcome, "found") == FOUND
    assert not outcome.ok


def test_a_loop_without_end_is_cut_and_its_line_named(run_source: Run) -> None:
    outcome = run_source(SAID + "x = 0\nwhile True:\n    x += 1\n", timeout=1)
    assert outcome.ending is Ending.TIMED_OUT
    assert outcome.line_in("program.py") in {3, 4}
    assert outcome.sentence().startswith("was still running after 1 s")
    assert events(outcome, "found") == FOUND


@EVERYWHERE
@pytest.mark.parametrize("leaves_session", [False, True])
def test_grandchildren_that_ignore_sigterm_end_too(
    run_source: Run, leaves_session: bool, mark: str, env: dict[str, str]
) -> None:
    outcome = run_source(
        f"""
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
        command, leave = [sys.executable, "-c", code, "{mark}"], {leaves_session}
        child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=leave)
        child.stdout.readline()
        session.channel.send({{"type": "started"}})
        while True:
            time.sleep(1)
        """,
        timeout=2,
        env=env,
    )
    assert outcome.ending is Ending.TIMED_OUT
    assert events(outcome, "started")
    assert living(mark) == []


@EVERYWHERE
def test_a_daemon_left_behind_is_found(run_source: Run, mark: str, env: dict[str, str]) -> None:
    outcome = run_source(
        f"""
        import os, sys
        read, write = os.pipe()
        os.set_inheritable(write, True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                code = f"import os, time; os.write({{write}}, b'x'); time.sleep(600)"
                os.execv(sys.executable, ["python", "-c", code, "{mark}"])
            os._exit(0)
        os.wait()
        assert os.read(read, 1) == b"x"
        """,
        env=env,
    )
    assert outcome.ok, outcome.stderr
    assert living(mark) == []


def test_one_in_a_session_of_its_own_without_an_environment_ends_too(run_source: Run, mark: str) -> None:
    outcome = run_source(
        f"""
        import subprocess, sys
        code = "import time; print('ready', flush=True); time.sleep(600)"
        command = f'setsid env -i "{{sys.executable}}" -c "{{code}}" {mark} &'
        shell = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, text=True)
        assert shell.stdout.readline() == "ready\\n"
        shell.wait()
        """
    )
    assert outcome.ok, outcome.stderr
    if "processes" not in outcome.events[0]["layers"]:
        pytest.skip("this kernel grants no process namespace")
    assert living(mark) == []


def test_fork_and_exit_runs_the_rest_once(run_program: Run) -> None:
    outcome = run_program(
        """
        import os, sys
        if os.fork():
            sys.exit(5)
        print("in the other process")
        """
    )
    assert outcome.ok
    assert ended(outcome)["exit_code"] == 5


def test_a_fork_bomb_is_stopped(run_source: Run) -> None:
    outcome = run_source("import os, time\nwhile True:\n    os.fork() or time.sleep(600)\n", timeout=20)
    assert outcome.ending is Ending.PROCESSES
    assert "more than 400 processes" in outcome.sentence()
    assert outcome.seconds < 20


def test_memory_without_end_is_stopped(run_source: Run) -> None:
    outcome = run_source(
        SAID + "hoard = []\nwhile True:\n    hoard.append(bytearray(4 << 20))\n", memory_bytes=256 << 20
    )
    assert outcome.ending is Ending.MEMORY
    assert outcome.sentence("program.py") in {
        f"took more than 256 MiB of memory at line {line} and was stopped" for line in (3, 4)
    }
    assert outcome.peak_memory > 256 << 20
    assert events(outcome, "found") == FOUND


def test_the_memory_of_its_children_counts(run_source: Run) -> None:
    outcome = run_source(
        """
        import os, time
        for _ in range(4):
            if os.fork() == 0:
                hoard = bytearray(os.urandom(1)) * (100 << 20)
                time.sleep(600)
        time.sleep(600)
        """,
        memory_bytes=256 << 20,
        timeout=20,
    )
    assert outcome.ending is Ending.MEMORY


def test_printing_without_end_keeps_the_tail(run_source: Run) -> None:
    outcome = run_source("import sys\nwhile True:\n    print('x' * 5000)\n    print('y', file=sys.stderr)\n", timeout=1)
    assert outcome.ending is Ending.TIMED_OUT
    assert 0 < len(outcome.stdout) <= 64 << 10
    assert set(outcome.stderr) <= {"y", "\n"}


def test_one_endless_line_does_no_harm(run_source: Run) -> None:
    outcome = run_source("import os\nwhile True:\n    os.write(1, b'x' * 65536)\n", timeout=1)
    assert outcome.ending is Ending.TIMED_OUT
    assert len(outcome.stdout) <= 64 << 10


@pytest.mark.parametrize(
    "source",
    [
        "import sys; sys.stdout = sys.stderr = None",
        "import sys; sys.stdout = 7; sys.__stdout__ = object()",
        "import os; os.closerange(0, 21)",
        "import os; os.closerange(0, 1 << 20)",
        "import os; os.closerange(0, 1 << 20); files = [open('f%d' % i, 'w') for i in range(400)]",
        "import builtins, json; json.dumps = builtins.open = None",
        "import os; os.chdir('/'); os.environ.clear()",
        "import sys; sys.modules.clear()",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
    ],
)
def test_the_channel_outlives_what_the_program_breaks(run_source: Run, source: str) -> None:
    outcome = run_source(
        "emit, finish = session.channel.send, session.finish\n"
        + source
        + "\nemit({'type': 'found', 'what': 'AE101'})\nfinish()"
    )
    assert events(outcome, "found") == FOUND, outcome.stderr
    assert outcome.ok


def test_garbage_in_the_channel_is_dropped(run_source: Run) -> None:
    outcome = run_source(
        SAID
        + r"""
import os
fifo = session.channel._descriptor
garbage = [b"no json", b'{"no": "name"}', b"[1]", b'{"type": NaN}', b"[" * 100000, b"\xff", b'{"type": 3}']
for line in garbage:
    os.write(fifo, line + b"\n")
"""
        + SAID
    )
    assert [event["type"] for event in outcome.events] == ["SandboxClosed", "found", "found", "Finished"]
    assert outcome.ignored == 7


def test_a_large_event_arrives_whole(run_source: Run) -> None:
    outcome = run_source("session.channel.send({'type': 'large', 'text': 'ä' * (1 << 19)})")
    assert events(outcome, "large")[0]["text"] == "ä" * (1 << 19)


def test_an_event_that_is_too_large_is_left_out_and_the_next_one_heard(run_source: Run) -> None:
    outcome = run_source(f"session.channel.send({{'type': 'large', 'text': 'x' * {LONGEST_EVENT}}})\n" + SAID)
    assert events(outcome, "large") == []
    assert events(outcome, "found") == FOUND
    assert (outcome.ok, outcome.ignored) == (True, 1)


def test_nothing_counts_that_comes_after_the_end(run_source: Run) -> None:
    outcome = run_source("session.channel.send({'type': 'Finished'})\n" + SAID + SAID)
    assert events(outcome, "found") == []
    assert (outcome.ok, outcome.ignored) == (True, 3), "the last one is the child's own end"


def test_a_child_that_never_stops_talking_is_ended(run_source: Run) -> None:
    outcome = run_source(
        """
        import os
        while True:
            os.write(session.channel._descriptor, b'{"type": "x"}\\n' * 100)
        """
    )
    assert outcome.ending is Ending.FLOODED
    assert len(outcome.events) == MOST_EVENTS
    assert f"sent more than {MOST_EVENTS:,} messages" in outcome.sentence()


def test_an_exit_handler_cannot_hold_it_up(run_source: Run) -> None:
    begun = time.monotonic()
    outcome = run_source(
        """
        import atexit, threading, time
        atexit.register(time.sleep, 600)
        threading.Thread(target=time.sleep, args=(600,)).start()
        """
    )
    assert outcome.ok
    assert time.monotonic() - begun < 300  # half of what the handler and the thread would take


@EVERYWHERE
def test_listeners_hear_events_in_time_and_may_stop_it(run_source: Run, mark: str, env: dict[str, str]) -> None:
    class StopRule(Exception):
        pass

    seen = []

    def listen(event: dict[str, object]) -> None:
        seen.append(event)
        if event["type"] == "found":
            raise StopRule

    with pytest.raises(StopRule):
        run_source(
            f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while True: pass', '{mark}'])\n"
            + SAID
            + "while True: pass",
            on_event=listen,
            env=env,
        )
    assert [event["type"] for event in seen] == ["SandboxClosed", "found"]
    assert living(mark) == []


def test_nothing_is_left_in_the_temporary_folder(
    run_source: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_source("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0o500)")
    assert os.listdir(tmp_path) == []


def test_a_module_beside_the_script_is_not_run_before_the_sandbox_closes(run_program: Run) -> None:
    trap = "import os; open(os.environ['TRAP'], 'w').close()"
    outcome = run_program("print('ran')", files={"json.py": trap, "sandbox.py": trap, "runpy.py": trap})
    assert outcome.ok, outcome.stderr
    assert ended(outcome)["how"] == "completed"
