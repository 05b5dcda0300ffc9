"""Shapes of tensors as torch's layers and methods change them.

A shape is a tuple of extents, the batch axis first; an unknown extent is None, and a shape unknown as a whole is None.
Every function answers None where it cannot tell, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Extent = int | None
Shape = tuple[Extent, ...]
PerAxis = int | tuple[int, ...]


def per_axis(value: PerAxis | None, axes: int) -> tuple[Extent, ...]:
    """One value for each of ``axes`` spatial axes: ``3`` and ``(3, 3)`` mean the same for two."""
    if isinstance(value, int):
        return (value,) * axes
    if not isinstance(value, (tuple, list)) or len(value) != axes:
        return (None,) * axes
    return tuple(n if isinstance(n, int) else None for n in value)


def linear(shape: Shape | None, out_features: Extent) -> Shape | None:
    """The last axis becomes ``out_features``."""
    return None if not shape else (*shape[:-1], out_features)


def convolution(
    shape: Shape | None,
    axes: int,
    out_channels: Extent,
    kernel: PerAxis | None,
    stride: PerAxis | None = 1,
    padding: PerAxis | str | None = 0,
    dilation: PerAxis | None = 1,
) -> Shape | None:
    """``ConvNd`` on ``(N, C, …)`` or ``(C, …)``, with ``axes`` spatial axes."""
    split = _split(shape, axes)
    if split is None:
        return None
    front, spatial = split
    if padding == "same":
        return (*front, out_channels, *spatial)
    pads = per_axis(0 if padding == "valid" or isinstance(padding, str) else padding, axes)
    sizes = _windows(spatial, per_axis(kernel, axes), per_axis(stride, axes), pads, per_axis(dilation, axes))
    return (*front, out_channels, *sizes)


def transposed_convolution(
    shape: Shape | None,
    axes: int,
    out_channels: Extent,
    kernel: PerAxis | None,
    stride: PerAxis | None = 1,
    padding: PerAxis | None = 0,
    output_padding: PerAxis | None = 0,
    dilation: PerAxis | None = 1,
) -> Shape | None:
    """``ConvTransposeNd``: ``(n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1``."""
    split = _split(shape, axes)
    if split is None:
        return None
    front, spatial = split
    arguments = zip(
        spatial,
        per_axis(kernel, axes),
        per_axis(stride, axes),
        per_axis(padding, axes),
        per_axis(output_padding, axes),
        per_axis(dilation, axes),
        strict=True,
    )
    sizes: list[Extent] = []
    for n, k, s, p, extra, d in arguments:
        if n is None or k is None or s is None or p is None or extra is None or d is None:
            sizes.append(None)
        else:
            sizes.append(_extent((n - 1) * s - 2 * p + d * (k - 1) + extra + 1))
    return (*front, out_channels, *sizes)


def pooling(
    shape: Shape | None,
    axes: int,
    kernel: PerAxis | None,
    stride: PerAxis | None = None,
    padding: PerAxis | None = 0,
    dilation: PerAxis | None = 1,
    ceil_mode: bool = False,
) -> Shape | None:
    """``MaxPoolNd`` and ``AvgPoolNd``; the stride is the kernel where None."""
    split = _split(shape, axes)
    if split is None:
        return None
    assert shape is not None
    stride = kernel if stride is None else stride
    sizes = _windows(
        split[1], per_axis(kernel, axes), per_axis(stride, axes), per_axis(padding, axes), per_axis(dilation, axes)
    )
    return (*shape[:-axes], *((None,) * axes if ceil_mode else sizes))


def with_spatial(shape: Shape | None, axes: int, size: PerAxis | None) -> Shape | None:
    """The spatial axes become ``size`` (adaptive pooling, ``interpolate(size=…)``)."""
    return None if _split(shape, axes) is None or shape is None else (*shape[:-axes], *per_axis(size, axes))


def scaled(shape: Shape | None, factor: float | tuple[float, ...] | None, axes: int | None = None) -> Shape | None:
    """``Upsample(scale_factor=…)``: each spatial extent times its factor, rounded down."""
    if shape is None or len(shape) < 3:
        return None
    axes = len(shape) - 2 if axes is None else axes
    factors = factor if isinstance(factor, tuple) else (factor,) * axes
    if len(factors) != axes:
        return None
    sizes = (_times(n, factor) for n, factor in zip(shape[-axes:], factors, strict=True))
    return (*shape[:-axes], *sizes)


def _times(n: Extent, factor: object) -> Extent:
    if n is None or not isinstance(factor, (int, float)) or not math.isfinite(n * factor):
        return None
    return int(n * factor)


def pixel_shuffle(shape: Shape | None, factor: int | None, inverse: bool = False) -> Shape | None:
    """``(…, C r², H, W)`` to ``(…, C, H r, W r)``, or back."""
    if shape is None or len(shape) < 3 or not factor:
        return None
    channels, *spatial = shape[-3:]
    if inverse:
        smaller = (None if n is None else n // factor for n in spatial)
        return (*shape[:-3], None if channels is None else channels * factor**2, *smaller)
    larger = (None if n is None else n * factor for n in spatial)
    return (*shape[:-3], None if channels is None else channels // factor**2, *larger)


def flattened(shape: Shape | None, start: int = 0, end: int = -1) -> Shape | None:
    """The axes from ``start`` to ``end``, both included, become one."""
    if shape is None:
        return None
    first, last = _axis(shape, start), _axis(shape, end)
    if first is None or last is None or first > last:
        return None
    return (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :])


def unflattened(shape: Shape | None, axis: int, sizes: Sequence[Extent]) -> Shape | None:
    """One axis becomes several; one of ``sizes`` may be -1."""
    if shape is None:
        return None
    place = _axis(shape, axis)
    if place is None:
        return None
    inner = viewed((shape[place],), sizes)
    return None if inner is None else (*shape[:place], *inner, *shape[place + 1 :])


def unfolded(shape: Shape | None, axis: Extent, size: Extent, step: Extent) -> Shape | None:
    """``x.unfold(axis, size, step)``: windows along an axis, each a new last axis."""
    place = _axis(shape, axis) if shape is not None and axis is not None else None
    if shape is None or place is None:
        return None
    extent = shape[place]
    count = None if extent is None or size is None or not step or extent < size else (extent - size) // step + 1
    return (*shape[:place], count, *shape[place + 1 :], size)


def viewed(shape: Shape | None, sizes: Sequence[Extent]) -> Shape | None:
    """``view`` and ``reshape``: ``sizes`` with at most one -1, which takes what is left.

    Where one extent of ``shape`` is unknown (the batch) and the known ones multiply to the same on both sides, the -1
    stands for the unknown extent, and is None.
    """
    sizes = tuple(size if isinstance(size, int) else None for size in sizes)  # a program's own mistake
    known = [size for size in sizes if size is not None and size != -1]
    if -1 not in sizes:
        return tuple(sizes)
    left: Extent = None
    if shape is not None and None not in shape and None not in sizes:
        whole, rest = product(shape), math.prod(known)
        left = whole // rest if whole is not None and rest else None
    elif shape is not None and sum(n is None for n in shape) == sum(n is None for n in sizes) == 1:
        whole_known, rest = math.prod(n for n in shape if n is not None), math.prod(known)
        left = whole_known // rest if rest and whole_known % rest == 0 else None
    return tuple(left if size == -1 else size for size in sizes)


def permuted(shape: Shape | None, order: Sequence[int]) -> Shape | None:
    """The axes in another order."""
    if shape is None or sorted(axis % max(len(shape), 1) for axis in order) != list(range(len(shape))):
        return None
    return tuple(shape[axis] for axis in order)


def transposed(shape: Shape | None, first: int, second: int) -> Shape | None:
    """Two axes swapped."""
    if shape is None:
        return None
    a, b = _axis(shape, first), _axis(shape, second)
    if a is None or b is None:
        return None
    swapped = list(shape)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return tuple(swapped)


def squeezed(shape: Shape | None, axis: int | None = None) -> Shape | None:
    """Without its axes of extent 1, or without ``axis`` where that has extent 1."""
    if shape is None:
        return None
    if axis is None:
        return None if None in shape[1:] else tuple(n for n in shape if n != 1)
    place = _axis(shape, axis)
    if place is None or shape[place] is None:
        return None
    return shape if shape[place] != 1 else (*shape[:place], *shape[place + 1 :])


def unsqueezed(shape: Shape | None, axis: int) -> Shape | None:
    """With a new axis of extent 1 at ``axis``."""
    if shape is None:
        return None
    place = axis if axis >= 0 else len(shape) + 1 + axis
    return (*shape[:place], 1, *shape[place:]) if 0 <= place <= len(shape) else None


def concatenated(shapes: Sequence[Shape | None], axis: int) -> Shape | None:
    """``cat``: the extents along ``axis`` add up, the others are those that are known."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes) or not known or len({len(shape) for shape in known}) != 1:
        return None
    place = _axis(known[0], axis)
    if place is None:
        return None
    merged = [next((n for n in column if n is not None), None) for column in zip(*known, strict=True)]
    along = [shape[place] for shape in known]
    merged[place] = None if None in along else sum(n for n in along if n is not None)
    return tuple(merged)


def reduced(shape: Shape | None, axes: Sequence[int] | None, keep: bool) -> Shape | None:
    """``sum``, ``mean`` … over ``axes`` (None: all)."""
    if shape is None:
        return () if axes is None and not keep else None
    places = set(range(len(shape))) if axes is None else {_axis(shape, axis) for axis in axes}
    if None in places:
        return None
    if keep:
        return tuple(1 if place in places else n for place, n in enumerate(shape))
    return tuple(n for place, n in enumerate(shape) if place not in places)


def product(shape: Sequence[Extent]) -> Extent:
    """The number of values, None where an extent is unknown."""
    return None if None in shape else math.prod(n for n in shape if n is not None)


def _split(shape: Shape | None, axes: int) -> tuple[Shape, Shape] | None:
    """What stands before the channel axis, and the spatial extents."""
    if shape is None or len(shape) < axes + 1:
        return None
    return shape[: -axes - 1], shape[-axes:]


def _windows(spatial: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> tuple[Extent, ...]:
    """``floor((n + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`` for each axis."""
    sizes: list[Extent] = []
    for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        if n is None or k is None or not s or p is None or d is None:
            sizes.append(None)
        else:
            sizes.append(_extent((n + 2 * p - d * (k - 1) - 1) // s + 1))
    return tuple(sizes)


def _extent(n: int) -> Extent:
    return n if n > 0 else None


def _axis(shape: Shape, axis: int) -> int | None:
    if not isinstance(axis, int):  # a program's own mistake
        return None
    place = axis + len(shape) if axis < 0 else axis
    return place if 0 <= place < len(shape) else None
