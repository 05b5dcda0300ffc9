"""What a program puts on an absent GPU stays on the CPU; what it puts on no GPU is as it was."""

from __future__ import annotations

import pytest
import torch

from ae_audit.runtime.host.accommodations.cuda_on_cpu import CpuInstead


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_layers_without_a_shape_can_be_moved(device: str) -> None:
    allowed = vars(torch.nn.parameter)["UninitializedTensorMixin"]._allowed_methods
    devices = CpuInstead()
    with devices.pretending():
        layer = torch.nn.LazyLinear(3).to(device)
        assert layer(torch.zeros(2, 5, device=device).to(device)).shape == (2, 3)
        with pytest.raises(ValueError, match="uninitialized parameter"):
            _ = torch.nn.LazyLinear(3).weight + 1
    assert devices.asked is (device == "cuda")
    assert vars(torch.nn.parameter)["UninitializedTensorMixin"]._allowed_methods is allowed
