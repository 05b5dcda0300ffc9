"""An audit by the workers of a Dask cluster: a real one, of processes on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ae_audit.base.errors import UsageError
from ae_audit.base.progress import Progress
from ae_audit.engine import assemble, audit_files
from ae_audit.engine.cluster import audit_on_cluster
from ae_audit.engine.comparing import compare_files
from ae_audit.engine.discovery import discover
from ae_audit.report import render
from ae_audit.schema.comparison import GridOptions
from ae_audit.settings.options import Settings
from ae_audit.source.text import Sources

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler with workers, started as users start them."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self._folder = folder
        self._known = folder / "scheduler.json"
        worker = ("--nthreads", "1", "--memory-limit", "2GiB", "--local-directory", str(folder))
        self._parts = [self._start("scheduler", "--port", "0", "--host", "127.0.0.1")]
        self._parts += [self._start("worker", *worker) for _ in range(workers)]
        try:
            wait_for(lambda: self._told() is not None)
        except BaseException:
            self.close()
            raise
        self.address: str = self._told() or ""

    def _told(self) -> str | None:
        """Where the scheduler is; None while its file is not there, or not yet whole."""
        try:
            address: str = json.loads(self._known.read_text())["address"]
        except (OSError, ValueError):
            return None
        return address

    def _start(self, part: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-m", f"distributed.cli.dask_{part}", "--scheduler-file", str(self._known))
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen([*command, "--no-dashboard", *arguments], cwd=self._folder, stdout=log, stderr=log)

    def tasks(self) -> list[Any]:
        """The processes of audits on its workers."""
        below = [process for part in self._parts for process in psutil.Process(part.pid).children(recursive=True)]
        return [process for process in below if "ae_audit" in words(process)]

    def close(self) -> None:
        """End all of it."""
        scheduler, *workers = self._parts
        for part in workers:
            part.terminate()
        for part in workers:
            part.wait(30)
        scheduler.terminate()
        scheduler.wait(30)


def words(process: Any) -> str:
    """The command line of a process; nothing once it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started
    finally:
        started.close()


def by(address: str | None, paths: list[str], settings: Settings) -> str:
    """The JSON report, by a cluster or (None) by this process."""
    targets = discover(paths, settings)
    if address is None:
        report = audit_files(targets, settings, Progress())
    else:
        report = assemble(audit_on_cluster(targets, settings, Progress(), address))
    return render(report, "json", Sources())


def test_a_cluster_reports_what_one_machine_does(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    settings = Settings(static=True, cache=False, jobs=1)
    ours = by(None, ["fixtures"], settings)
    assert json.loads(ours)["findings"]
    assert by(cluster.address, ["fixtures"], settings) == ours


PROGRAM = """
import os, sys, time
while not os.path.exists({go!r}):
    time.sleep(0.05)
sys.exit(3)
import keras
(x, _), _ = keras.datasets.mnist.load_data()
model = keras.Sequential([keras.layers.Dense(784, activation="softmax")])
model.compile(loss="mse")
model.fit(x, x)
"""


def test_what_a_worker_died_over_is_done_again_and_nothing_is_left(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waits.py").write_text(PROGRAM.format(go=str(tmp_path / "go")))
    found: list[str] = []
    auditing = threading.Thread(target=lambda: found.append(by(cluster.address, ["waits.py"], Settings())))
    auditing.start()
    wait_for(lambda: any("ae_audit.engine.child" in words(process) for process in cluster.tasks()))
    before = cluster.tasks()
    (task,) = [process for process in before if "ae_audit.cli.task" in words(process)]
    task.parent().kill()  # the worker; its nanny starts another one
    wait_for(lambda: not any(process.is_running() for process in before))
    (tmp_path / "go").touch()
    auditing.join(120)
    assert found == [by(None, ["waits.py"], Settings())]
    assert "code 3" in found[0]
    wait_for(lambda: not cluster.tasks())


def test_a_comparison_goes_the_same_way(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "go").touch()
    (tmp_path / "ends.py").write_text(PROGRAM.format(go=str(tmp_path / "go")))
    here, pool, there = (
        compare_files(discover(["ends.py"], settings), settings, GridOptions(), Progress(), Sources())
        for settings in (Settings(), Settings(jobs=2), Settings(dask=cluster.address))
    )
    assert "code 3" in here.errors[0].message
    assert here == pool == there
    wait_for(lambda: not cluster.tasks())


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", ""])
def test_no_cluster_is_one_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ae_audit.engine.cluster._CONNECT", 0.5)
    with pytest.raises(UsageError, match="no Dask scheduler"):
        by(address, [str(ROOT / "fixtures")], Settings(static=True))


def test_no_workers_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ae_audit.engine.cluster._WITHOUT_WORKERS", 0.2)
    lonely = Cluster(tmp_path, workers=0)
    try:
        with pytest.raises(UsageError, match="has no workers"):
            by(lonely.address, [str(ROOT / "fixtures")], Settings(static=True))
    finally:
        lonely.close()


def wait_for(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.02)
