"""Shapes that the patterns of einops name: ``b c (h p) w -> b h (w c p)``."""

from __future__ import annotations

import math
import re

from ae_audit.static.knowledge.torch.shapes import Shape

_AXES = re.compile(r"\(([^()]*)\)|(\S+)")


def arranged(pattern: str, shape: Shape | None, sizes: dict[str, int]) -> Shape | None:
    """The shape after ``rearrange``, ``repeat`` or ``reduce``; None where the pattern and ``sizes`` do not tell."""
    if pattern.count("->") != 1 or "..." in pattern:
        return None
    before, after = (_groups(half) for half in pattern.split("->"))
    if shape is not None and len(shape) != len(before):
        return None
    known = dict(sizes)
    for group, extent in zip(before, shape or (None,) * len(before), strict=True):
        _learn(group, extent, known)
    return tuple(_product(group, known) for group in after)


def _groups(half: str) -> list[list[str]]:
    """The axes of one side, each as the names that it is made of."""
    return [(joined if single == "" else single).split() for joined, single in _AXES.findall(half)]


def _learn(group: list[str], extent: int | None, known: dict[str, int]) -> None:
    """Note the one extent that is missing of an axis whose own is known."""
    missing = [name for name in group if not name.isdigit() and name not in known]
    if extent is None or len(missing) != 1:
        return
    rest = math.prod(int(name) if name.isdigit() else known[name] for name in group if name != missing[0])
    if rest > 0 and extent % rest == 0:
        known[missing[0]] = extent // rest


def _product(group: list[str], known: dict[str, int]) -> int | None:
    extents = [int(name) if name.isdigit() else known.get(name) for name in group]
    return None if None in extents else math.prod(extent for extent in extents if extent is not None)
