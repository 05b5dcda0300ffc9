"""However the command is ended, nothing of it stays: no traceback, no process, no folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

COMMAND = (sys.executable, "-m", "ae_audit")
PROGRAM = """
import keras
(x, _), _ = keras.datasets.mnist.load_data()
x = x.reshape(60000, 784)
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""
BUSY = """
import subprocess, sys, time
for leaves in (False, True):
    code = "import time; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code, "{mark}"], start_new_session=leaves)
time.sleep(600)
"""


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("ae-audit", f"'{sys.executable}' -m ae_audit")
    return subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.fixture
def program(folder: Path) -> str:
    (folder / "program.py").write_text(PROGRAM)
    return "program.py"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        "--static program.py",
        "--static --output-format html program.py",
        "--version",
        "rule --all",
        "explain --static program.py",
    ],
)
def test_a_full_standard_output_is_one_sentence(program: str, arguments: str, unbuffered: str) -> None:
    ended = shell(f"ae-audit {arguments} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert ended.stderr == "ae-audit: The report cannot be written to standard output: No space left on device.\n"
    assert ended.returncode == 2


@pytest.mark.parametrize("arguments", ["--static program.py", "--version"])
def test_a_closed_standard_output_is_one_sentence(program: str, arguments: str) -> None:
    ended = shell(f"ae-audit {arguments} >&-")
    assert ended.stderr == "ae-audit: Standard output is closed, so the report cannot be written.\n"
    assert ended.returncode == 2


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_lost_standard_error_costs_nothing(program: str, where: str) -> None:
    ended = shell(f"ae-audit --static program.py {where}")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "AE101" in ended.stdout
    assert shell(f"ae-audit missing.py {where}").returncode == 2


def living(mark: str) -> set[int]:
    """Processes that carry ``mark`` in their command line or environment."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


class Audit:
    """The command at work on a program that starts processes and does not end, with a temporary folder of its own."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.mark = f"mark{secrets.token_hex(8)}"
        self.temporary = temporary
        (folder / "busy.py").write_text(BUSY.format(mark=self.mark) + PROGRAM)
        self.process = subprocess.Popen(
            [*COMMAND, "busy.py"],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary), "AUDIT_MARK": self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def folders(self) -> list[Path]:
        """The audit's; Python itself tries whether it can write there, and dies in it like anyone."""
        return sorted(self.temporary.glob("ae-audit-*"))

    def living(self) -> int:
        """Processes of the audit, but for the command itself."""
        return len(living(self.mark) - {self.process.pid})

    def has_own_processes(self) -> bool:
        """Whether the kernel ends all of them with the first: they have a namespace of their own."""
        ours = os.readlink("/proc/self/ns/pid")
        others = set()
        for number in living(self.mark):
            with contextlib.suppress(OSError):
                others.add(os.readlink(f"/proc/{number}/ns/pid"))
        return others != {ours}

    def wait_for(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not reached():
            assert time.monotonic() < end, "it never came so far"
            time.sleep(0.002)


@pytest.fixture
def audit(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return Audit(folder, tmp_path_factory.mktemp("temporary"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_end_leaves_nothing(audit: Audit, number: signal.Signals) -> None:
    audit.wait_for(lambda: audit.living() >= 3)
    audit.process.send_signal(number)
    out, err = audit.process.communicate(timeout=30)
    assert audit.process.returncode == -number
    assert (out, err) == ("", "")
    assert (audit.folders(), audit.living()) == ([], 0)


def test_an_interrupt_leaves_nothing(audit: Audit) -> None:
    audit.wait_for(lambda: audit.living() >= 3)
    audit.process.send_signal(signal.SIGINT)
    _, err = audit.process.communicate(timeout=30)
    assert audit.process.returncode == 130
    assert "Traceback" not in err
    assert (audit.folders(), audit.living()) == ([], 0)


MOMENTS: dict[str, Callable[[Audit], bool]] = {
    "the folder is made": lambda audit: bool(audit.folders()),
    "the child is started": lambda audit: audit.living() >= 1,
    "the program is running": lambda audit: audit.living() >= 3,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_of_a_killed_audit_nothing_is_left_after_the_next_start(audit: Audit, moment: str) -> None:
    audit.wait_for(lambda: MOMENTS[moment](audit))
    if moment == "the program is running" and not audit.has_own_processes():
        audit.process.terminate()
        audit.process.communicate(timeout=30)
        pytest.skip("without a namespace of theirs, what a program started outlives a command that is killed")
    audit.process.kill()
    audit.process.communicate(timeout=30)
    audit.wait_for(lambda: audit.living() == 0)
    code = "from ae_audit.runtime.sandbox import run_folder\nwith run_folder.held(): pass"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(audit.temporary)}, check=True)
    assert audit.folders() == []


def test_the_folder_of_another_audit_at_work_is_left_alone(audit: Audit) -> None:
    audit.wait_for(lambda: audit.living() >= 1)
    code = "from ae_audit.runtime.sandbox import run_folder\nwith run_folder.held(): pass"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(audit.temporary)}, check=True)
    assert len(audit.folders()) == 1
    audit.process.terminate()
    audit.process.communicate(timeout=30)
    assert audit.folders() == []


def test_workers_end_when_their_audit_is_killed(folder: Path) -> None:
    mark = f"mark{secrets.token_hex(8)}"
    for number in range(60):
        (folder / f"program{number}.py").write_text(PROGRAM)
    code = (
        "import time\n"
        "import ae_audit.engine.static_stage as stage\n"
        "stage.audit_file = lambda *_: time.sleep(600)\n"
        "from ae_audit.cli.command import run\n"
        "run()"
    )
    command = [sys.executable, "-c", code, "--static", "--no-cache", "--jobs", "2", mark, "."]
    (folder / mark).write_text("")
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    end = time.monotonic() + 30
    while len(living(mark)) < 3:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    while living(mark):
        assert time.monotonic() < end + 10
        time.sleep(0.01)


EARLY = """
import os, signal, sys
class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
sys.argv = ["ae-audit", "--static", "program.py"]
from ae_audit.cli.start import run
run()
"""


@pytest.mark.parametrize("name", ["ae_audit.cli.command", "ae_audit.cli.common", "ae_audit.engine"])
def test_ctrl_c_while_the_command_is_imported_is_no_traceback(program: str, name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EARLY.format(name=name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (130, False), ended.stderr


def test_ctrl_c_stays_ignored_where_whoever_started_the_command_ignores_it(program: str) -> None:
    code = "import signal; signal.signal(2, signal.SIG_IGN)" + EARLY.format(name="ae_audit.engine")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
