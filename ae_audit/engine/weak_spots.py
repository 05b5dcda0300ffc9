"""Which layers a run's sandbox did not have, in a sentence for the report."""

from __future__ import annotations

from ae_audit.schema.messages import SandboxClosed

_OPEN_WITHOUT = {
    "files": "changes of mode, owner and times of files outside the scratch folder are left to Python's audit hooks",
    "sockets": "Unix sockets that have a path can be reached",
    "devices": "terminals and shared memory of other programs can be opened",
    "network": "the machine's network interfaces are visible",
    "ipc": "System V shared memory of other programs can be reached",
    "processes": "other processes are visible, and those that the program leaves behind are searched for and ended",
    "capabilities": "capabilities are kept",
    "calls": "calls that reach the user's keys, other processes' limits and the kernel's own tools are not refused",
}
"""what a missing layer leaves open, the weightiest first"""
_NAMESPACES = frozenset(_OPEN_WITHOUT) - {"calls", "capabilities", "network"}


def weak_spot(confinement: SandboxClosed) -> str | None:
    """What the kernel does not enforce here, and what follows; None where every layer is in force."""
    parts = {"writes": confinement.kernel_writes, "network connections": confinement.kernel_network}
    unheld = [part for part, held in parts.items() if held is False]  # None: the user allows it
    if unheld:
        return (
            f"this kernel cannot confine {' and '.join(unheld)}; Python's audit hooks did, "
            "which stops honest programs only"
        )
    asked = set(_OPEN_WITHOUT) - (set() if confinement.kernel_network is not None else {"network"})
    missing = asked - set(confinement.layers)
    if not missing:
        return None
    none = missing >= _NAMESPACES
    reason = "this kernel grants no namespaces, nor to a bubblewrap" if none else "the sandbox is not complete here"
    return f"{reason}: {'; '.join(text for layer, text in _OPEN_WITHOUT.items() if layer in missing)}"
