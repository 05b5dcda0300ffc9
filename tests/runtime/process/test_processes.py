"""Whether processes live, told by the system."""

from __future__ import annotations

import os
import selectors
import subprocess

import pytest

from ae_audit.runtime.sandbox import processes


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux 5.3 and later")
def test_its_end_is_told_and_not_waited_for() -> None:
    """Its streams close when the program is done; whoever stands in between ends a little later."""
    child = subprocess.Popen(["/bin/sh", "-c", "exec 1>&- 2>&-; read line"], stdin=subprocess.PIPE)
    with child, processes.end_of(child) as end, selectors.DefaultSelector() as selector:
        assert end is not None
        selector.register(end, selectors.EVENT_READ)
        assert not selector.select(0)
        assert not processes.has_ended(child)
        child.communicate(b"\n")
        assert selector.select(0)
    with processes.end_of(child) as end:
        assert end is None  # nobody has that number any more
