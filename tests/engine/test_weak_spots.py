from __future__ import annotations

import pytest

from ae_audit.engine.weak_spots import weak_spot
from ae_audit.runtime.sandbox.namespaces import LAYERS
from ae_audit.schema.messages import SandboxClosed


def test_of_a_complete_sandbox_nothing_is_said() -> None:
    assert weak_spot(SandboxClosed(True, True, LAYERS)) is None


def test_a_network_that_the_user_opened_is_not_missed() -> None:
    assert weak_spot(SandboxClosed(True, None, tuple(set(LAYERS) - {"network"}))) is None


@pytest.mark.parametrize("layer", sorted(set(LAYERS) - {"hostname"}))
def test_each_missing_layer_is_named_by_what_it_leaves_open(layer: str) -> None:
    said = weak_spot(SandboxClosed(True, True, tuple(set(LAYERS) - {layer})))
    assert said is not None
    assert said.startswith("the sandbox is not complete here: ")
    others = {weak_spot(SandboxClosed(True, True, tuple(set(LAYERS) - {other}))) for other in LAYERS if other != layer}
    assert said not in others


def test_a_kernel_without_namespaces_is_said_to_have_none() -> None:
    said = weak_spot(SandboxClosed(True, True, ("calls", "capabilities")))
    assert said is not None
    assert said.startswith("this kernel grants no namespaces, nor to a bubblewrap: ")


def test_a_kernel_without_anything_is_said_first() -> None:
    assert weak_spot(SandboxClosed(False, False, ())) == (
        "this kernel cannot confine writes and network connections; Python's audit hooks did, "
        "which stops honest programs only"
    )
