"""Children that are forked from one process are what children of their own would be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ae_audit.runtime.sandbox.interpreters import OWN
from ae_audit.runtime.sandbox.launch import Ending
from ae_audit.runtime.sandbox.zygote import Zygote, ZygoteDied

from .conftest import HERE, SUPPORT, Run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")

VARIABLES = {"PYTHONPATH": f"{HERE}:{SUPPORT}"}


def begun(folder: Path) -> Zygote:
    return Zygote(OWN, ("decimal", "email.*"), folder, VARIABLES)


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    one = begun(tmp_path_factory.mktemp("zygote"))
    yield one
    one.close()


TELLS = """
import os, sys
print(os.environ["MINE"], os.getcwd() == session.working_folder, "decimal" in sys.modules, os.getsid(0) == os.getpid())
low = sorted(int(name) for name in os.listdir("/proc/self/fd") if int(name) < 50)
print(low, os.environ.get("AE_AUDIT_RUN") is not None, file=sys.stderr)
print(sys.stdin.read() == "", "email.charset" in sys.modules)
"""


def test_a_child_has_its_own_environment_folder_and_streams(run_source: Run, zygote: Zygote) -> None:
    for word in ("first", "second"):
        outcome = run_source(TELLS, zygote=zygote, env={"MINE": word})
        assert outcome.ok, outcome.stderr
        assert outcome.stdout.splitlines() == [f"{word} True True True", "True True"]
        assert outcome.stderr.splitlines()[-1] == "[0, 1, 2, 3] True"


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("import os; os._exit(7)", Ending.EXITED),
        ("import os; os.kill(os.getpid(), 11)", Ending.SIGNALLED),
        ("while True: pass", Ending.TIMED_OUT),
        ("raise RuntimeError('no')", Ending.EXITED),
    ],
)
def test_a_child_ends_as_one_of_its_own_does(run_source: Run, zygote: Zygote, source: str, ending: Ending) -> None:
    forked, alone = run_source(source, zygote=zygote, timeout=2), run_source(source, timeout=2)
    assert forked.ending is alone.ending is ending
    assert (forked.exit_code, forked.signal) == (alone.exit_code, alone.signal)


def test_a_child_is_confined(run_source: Run, zygote: Zygote, tmp_path: Path) -> None:
    place = tmp_path / "outside"
    source = f"open({str(place)!r}, 'w')"
    assert not run_source(source, zygote=zygote).ok
    assert not place.exists()


def test_children_do_not_see_each_other(run_source: Run, zygote: Zygote) -> None:
    assert run_source("import decimal; decimal.mine = 1", zygote=zygote).ok
    assert run_source("import decimal; assert not hasattr(decimal, 'mine')", zygote=zygote).ok


LEAVES = """
import os, subprocess, sys
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}])
        os._exit(0)
"""


def alive(mark: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def soon(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nothing_of_a_child_outlives_it(run_source: Run, zygote: Zygote) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    assert run_source(LEAVES.format(mark=mark), zygote=zygote).ok
    soon(lambda: not alive(mark))


def test_where_the_zygote_died_a_child_is_started_by_itself(run_source: Run, tmp_path: Path) -> None:
    one = begun(tmp_path)
    one.close()
    outcome = run_source("import sys; assert 'decimal' not in sys.modules", zygote=one)
    assert outcome.ok, outcome.stderr


def test_a_zygote_that_cannot_import_says_so(tmp_path: Path) -> None:
    with pytest.raises(ZygoteDied):
        Zygote(OWN, ("no_such_module",), tmp_path, VARIABLES)


PARENT = """
import sys
from pathlib import Path
from ae_audit.runtime.sandbox.interpreters import OWN
from ae_audit.runtime.sandbox.launch import run_child
from ae_audit.runtime.sandbox.zygote import Zygote
zygote = Zygote(OWN, ("decimal",), Path(sys.argv[1]), {variables!r})
source = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}])"
run_child({{"source": source}}, module="child_entry", timeout=60, env={variables!r}, zygote=zygote)
"""


def test_with_the_parent_all_of_them_die(tmp_path: Path) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    source = textwrap.dedent(PARENT).format(variables=VARIABLES, mark=mark)
    parent = subprocess.Popen([sys.executable, "-c", source, str(tmp_path)])
    soon(lambda: any(name != str(parent.pid) for name in alive(mark)))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    soon(lambda: not alive(mark))
