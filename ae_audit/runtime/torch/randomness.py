"""Seeds for torch's generators that cost what a seed must cost."""

from __future__ import annotations

import torch


def seed(number: int) -> None:
    """As ``torch.manual_seed``, for the devices that are in use.

    ``torch.manual_seed`` also has every kind of device that may be begun later seeded then, and notes the stack of each
    such call: half of the time of a step of the ideal network. A device that nothing has used holds no random state.
    """
    torch.default_generator.manual_seed(number)
    for name in ("cuda", "xpu", "mtia"):
        device = getattr(torch, name, None)
        if device is not None and getattr(device, "is_initialized", bool)():
            device.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
