"""A disk that fills up at any moment of a run: one sentence, no exception, nothing left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import HERE, SUPPORT

RUN = """
import json, os, sys, tempfile
tempfile.tempdir = sys.argv[1]  # else the next folder that has room
from ae_audit.runtime.sandbox.launch import run_child
source = "session.channel.send({'type': 'found'})\\nopen('data.bin', 'wb').write(bytes(1 << 20))\\n"
told = []
for pages in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 400):
    os.system(f"mount -o remount,size={max(pages, 1) * 4096} tmpfs {sys.argv[1]}")
    filler = None
    if pages == 0:
        filler = open(os.path.join(sys.argv[1], "filler"), "wb", buffering=0)
        filler.write(bytes(4096))
    outcome = run_child({"source": source}, module="child_entry", timeout=30, env={"PYTHONPATH": sys.argv[2]})
    if filler is not None:
        os.unlink(filler.name)
        filler.close()
    told.append([pages, outcome.ok, outcome.sentence(), os.listdir(sys.argv[1])])
print(json.dumps(told))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_a_run_on_a_full_disk(tmp_path: Path) -> None:
    inside = 'mount -t tmpfs -o size=4096 tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    arguments = [str(tmp_path), sys.executable, RUN, f"{HERE}:{SUPPORT}"]
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "unshare" in ended.stderr or "mount:" in ended.stderr:
        pytest.skip("this kernel grants no namespaces")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert [left for _, _, _, left in told] == [[]] * len(told)
    assert "No space left on device" in told[0][2]
    for _, done, sentence, _ in told:
        assert done or "No space left on device" in sentence, sentence
    assert told[-1][1], told[-1]
