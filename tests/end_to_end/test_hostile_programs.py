"""Programs that misbehave in every way, through the whole command: the machine stays as it is, one sentence each."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import threading
import time
from pathlib import Path

import pytest

from .command import Result
from .test_wrong_input import BROKEN
from .warm import WarmCommand

pytestmark = pytest.mark.slow

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)


def audited(server: WarmCommand, fault: str, *flags: str) -> Result:
    """``fault`` runs before a training that reading alone finds wrong; that finding must stand whatever happens."""
    (server.folder / "hostile.py").write_text(BROKEN.format(fault=fault))
    result = server("hostile.py", "--no-probe", *flags)
    assert "Traceback" not in result.out + result.err
    assert result.standing("error") == {"AE101"}
    assert result.code == 1
    return result


def blocked(result: Result) -> str:
    """The note that names what was blocked; the training went on after it."""
    assert result.report["errors"] == []
    assert "runtime" in result.report["setups"][0]["seen_by"]
    (text,) = [note["text"] for note in result.report["notes"] if note["text"].startswith("the sandbox blocked")]
    return str(text)


def stopped(result: Result) -> str:
    """The one sentence that says how it ended."""
    (error,) = result.report["errors"]
    assert error["stage"] == "runtime"
    return str(error["message"])


def trying(action: str) -> str:
    """Goes on when it is refused, as a program does that hides what it tries."""
    return f"import os, shutil, socket, sys\ntry:\n    {action}\nexcept OSError:\n    pass"


def test_writing_to_the_home_folder(warm_torch: WarmCommand) -> None:
    target = HOME / "ae_audit_was_here"
    assert f"write: {target}" in blocked(audited(warm_torch, trying(f"open({str(target)!r}, 'w').write('x')")))
    assert not target.exists()


def test_deleting_files(warm_torch: WarmCommand, tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    text = blocked(audited(warm_torch, trying(f"shutil.rmtree({str(victim)!r})")))
    assert str(victim) in text
    assert (victim / "thesis.txt").read_text() == "years of work"


class Listener:
    """Somebody whom a program could call."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.heard += connection.recv(100)
            connection.close()

    def close(self) -> None:
        self._socket.close()


def test_opening_sockets_is_refused_unless_allowed(warm_torch: WarmCommand) -> None:
    listener = Listener()
    calls = trying(f"socket.create_connection(('127.0.0.1', {listener.port}), 5).sendall(b'secrets')")
    assert f"network: 127.0.0.1:{listener.port}" in blocked(audited(warm_torch, calls))
    assert listener.heard == b""
    allowed = audited(warm_torch, calls, "--allow-network")
    assert not any("blocked" in note["text"] for note in allowed.report["notes"])
    assert not any("confine" in note["text"] and "network" in note["text"] for note in allowed.report["notes"])
    deadline = time.monotonic() + 60
    while listener.heard != b"secrets" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert listener.heard == b"secrets"
    listener.close()


def test_folders_are_opened_by_name_and_grandchildren_end(warm_torch: WarmCommand, tmp_path: Path) -> None:
    """A daemon in a session of its own, that ignores SIGTERM, is gone when the command returns."""
    (tmp_path / "open").mkdir()
    begun, mark = tmp_path / "open" / "begun", f"mark{secrets.token_hex(8)}"
    ignoring = (
        "import os, signal, sys, time; os.setsid(); signal.signal(15, signal.SIG_IGN);"
        "open(sys.argv[1], 'w').write(open('/proc/self/cmdline').read()); time.sleep(600)"
    )
    spawn = f"os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, '-c', {ignoring!r}, {str(begun)!r}, {mark!r}])"
    fault = trying(f"open({str(begun)!r}, 'w').close()") + f"\nelse:\n    {spawn}\n    __import__('time').sleep(2)"
    assert str(begun) in blocked(audited(warm_torch, fault))
    assert not begun.exists()
    audited(warm_torch, fault, "--allow-write", str(tmp_path / "open"))
    assert mark in begun.read_text()
    assert [process for process in Path("/proc").glob("[0-9]*") if mark in command_line(process)] == []


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:  # ended in between
        return ""


def test_forking_and_exiting(warm_torch: WarmCommand) -> None:
    assert "sys.exit at line 5 with exit code 5" in stopped(
        audited(warm_torch, "import os, sys\nif os.fork(): sys.exit(5)")
    )


def test_leaving_by_os_exit(warm_torch: WarmCommand) -> None:
    fault = "import os\nif os.getpid(): os._exit(3)"
    assert "os._exit at line 5 with exit code 3" in stopped(audited(warm_torch, fault))


def test_a_segmentation_fault(warm_torch: WarmCommand) -> None:
    message = stopped(audited(warm_torch, "import ctypes; ctypes.string_at(0)"))
    assert "was killed by SIGSEGV (segmentation fault) at line 4" in message


def test_ignoring_sigterm(warm_torch: WarmCommand) -> None:
    fault = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    message = stopped(audited(warm_torch, fault, "--timeout", "6"))
    assert "6 s" in message
    assert "line 5" in message


def test_printing_without_end(warm_torch: WarmCommand) -> None:
    result = audited(warm_torch, "while True: print('x' * 10000)", "--timeout", "3")
    assert "3 s" in stopped(result)
    assert "xxxx" not in result.out + result.err


def test_replacing_standard_output(warm_torch: WarmCommand) -> None:
    result = audited(warm_torch, "import sys; sys.stdout = sys.stderr = sys.__stdout__ = None")
    assert result.report["errors"] == []
    assert "runtime" in result.report["setups"][0]["seen_by"]


def test_allocating_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the bound lowered, since the real one is most of what the machine has free."""
    from ae_audit.cli.command import main
    from ae_audit.runtime.sandbox import launch

    monkeypatch.setattr(launch, "default_memory_limit", lambda: 1 << 30)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.py").write_text(BROKEN.format(fault="hoard = [bytearray(8 << 20) for _ in iter(int, 1)]"))
    code = main(["hostile.py", "--output-format", "json"])
    result = Result(code, capsys.readouterr().out, "")
    assert "took more than 1 GiB of memory at line 4 and was stopped" in stopped(result)
    assert (code, result.standing("error")) == (1, {"AE101"})


FORGING = """
import gc
session = next(one for one in gc.get_objects() if type(one).__name__ == "Session")
setup = session.request["setups"][0]
audited = {{"type": "AuditedSetup", "setup": setup, "findings": [], "undecided": [], "suppressed": []}}
seen = {{"type": "SetupSeen", "number": 0, "read": 0, "audited": audited}}
{forge}
"""


@pytest.mark.parametrize(
    "forge",
    [
        "setup['target']['location'] = dict(setup['location'], path='/dev/zero'); session.channel.send(seen)",
        "seen['read'] = 7; session.channel.send(seen)",
        "session.channel.send({'type': 'InputRefused', 'message': 'no'})",
        "session.channel.send({'type': 'Finished'}); session.channel.send(seen)",
        "import os; [os.write(session.channel._descriptor, b'{}\\n') for _ in range(9)]",
    ],
)
def test_forged_messages_change_nothing_and_are_noted(warm_torch: WarmCommand, forge: str) -> None:
    result = audited(warm_torch, FORGING.format(forge=forge))
    notes = [note["text"] for note in result.report["notes"]]
    assert [text for text in notes if text.startswith("ignored a malformed message from the audited process")]
