"""Whether arrays that are larger than memory are summarised exactly, within 2 GiB, by any number of workers.

usage: python benchmarks/large_data.py [--gigabytes 20] [--workers 1,2,3] [--record benchmarks/large_data.json]

Two virtual arrays of 20 GB, images of bytes and rows of 32-bit floats, are made block by block as they are read. One
process reads them as it would read a store; then Dask processes do (1, 2 and 3 of them), through chunks of two shapes.
Each process is limited to 2 GiB of address space beyond what it had mapped when its libraries were imported, and its
peak resident memory is recorded, shared pages included. Figures are compared with exact ones, which follow from how the
arrays are made, and with each other bit for bit. Takes Dask, and two minutes of a processor for each reading.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ae_audit.runtime.measure.sliced_arrays import SlicedArray

LIMIT = 2 << 30
"""bytes that a process may take"""
PERIOD = 1021
"""A prime: row i begins at place 7·i of a cycle of so many values, so that all rows of a period differ."""


class Virtual:
    """Rows of ``width`` values: value j of row i is ``cycle[(7 i + j) mod PERIOD]``."""

    def __init__(self, rows: int, width: int, dtype: str) -> None:
        self.shape, self.dtype = (rows, width), np.dtype(dtype)
        self.ndim = 2

    def cycle(self) -> np.ndarray:
        """The values that repeat: bytes, or multiples of 1/512 around 1, which 32-bit floats hold exactly."""
        places = np.arange(PERIOD)
        return (places % 256 if self.dtype == np.uint8 else (places - 255) / 512).astype(self.dtype)

    def __getitem__(self, where: Any) -> np.ndarray:
        rows, columns = where if isinstance(where, tuple) else (where, slice(None))
        first, last, _ = columns.indices(self.shape[1])
        start, stop, _ = rows.indices(self.shape[0])
        long = np.tile(self.cycle(), self.shape[1] // PERIOD + 2)
        window = np.lib.stride_tricks.sliding_window_view(long, self.shape[1])[:PERIOD, first:last]
        return window[7 * np.arange(start, stop) % PERIOD]

    def exact(self) -> dict[str, Any]:
        """The figures, by whole numbers and fractions."""
        rows, width = self.shape
        starts = Counter[int]()  # how many rows begin at each place of the cycle
        for row in range(PERIOD):
            starts[7 * row % PERIOD] += rows // PERIOD + (row < rows % PERIOD)
        times = Counter[float]()
        cycle = self.cycle().tolist()
        for place, value in enumerate(cycle):
            full, rest = divmod(width, PERIOD)
            begins = sum(count for start, count in starts.items() if (place - start) % PERIOD < rest)
            times[value] += full * rows + begins
        total = sum(Fraction(value) * count for value, count in times.items())
        squares = sum(Fraction(value) ** 2 * count for value, count in times.items())
        size = rows * width
        low, high = min(times), max(times)
        return {
            "count": size,
            "nan": 0,
            "infinite": 0,
            "minimum": low,
            "maximum": high,
            "at_minimum": times[low],
            "at_maximum": times[high],
            "integers": sum(count for value, count in times.items() if float(value).is_integer()),
            "zeros": times[0],
            "ones": times[1],
            "total": total,
            "deviation": squares - total * total / size,
            "counters": [times[value] for value in range(256)] if self.dtype == np.uint8 else None,
        }


def limited() -> None:
    """Limit this process to :data:`LIMIT` bytes of address space beyond what is mapped already."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + LIMIT, mapped + LIMIT))


def peak() -> int:
    """The most bytes that this process had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read(array: Virtual, workers: int, chunks: tuple[int, int] | None) -> dict[str, Any]:
    """One reading, in a process of its own: what was found, how long it took, and the memory of each process."""
    began = time.monotonic()
    if chunks is None:
        limited()
        totals = SlicedArray(array).totals()
        peaks = [peak()]
    else:
        import dask
        import dask.array
        import dask.multiprocessing  # before the limit: its libraries are mapped

        limited()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=limited) as pool:
            with dask.config.set(scheduler="processes", pool=pool, chunksize=1):
                totals = SlicedArray(dask.array.from_array(array, chunks=chunks)).totals()
            peaks = [peak(), *_peaks(pool, workers)]
    return {"figures": asdict(totals), "seconds": round(time.monotonic() - began, 1), "peaks": peaks}


def _peaks(pool: ProcessPoolExecutor, workers: int) -> list[int]:
    """Of each worker; all are asked until each has answered."""
    found: dict[int, int] = {}
    while len(found) < workers:
        found.update(pool.map(_own_peak, range(workers)))
    return list(found.values())


def _own_peak(_: int) -> tuple[int, int]:
    time.sleep(0.05)  # so that no worker answers for another
    return os.getpid(), peak()


def compared(figures: dict[str, Any], exact: dict[str, Any]) -> dict[str, float]:
    """Relative differences; none is left out."""
    differences = {}
    for name, value in exact.items():
        found = figures[name]
        if name == "counters":
            differences[name] = float((None if found is None else list(found)) != value)
        else:
            differences[name] = float(abs(Fraction(found) - Fraction(value)) / max(1, abs(Fraction(value))))
    return differences


def main() -> int:
    """Read, compare, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--workers", default="1,2,3")
    parser.add_argument("--arrays", default="bytes,floats")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    size = int(options.gigabytes * 1e9)
    arrays = {"bytes": Virtual(size // 3072, 3072, "uint8"), "floats": Virtual(size // 4 // 1000, 1000, "float32")}
    record: dict[str, Any] = {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"}
    right = True
    for name in options.arrays.split(","):
        array = arrays[name]
        exact = array.exact()
        rows = max(1, array.shape[0] // 640)
        readings = [(1, None), *((int(n), (rows, array.shape[1])) for n in options.workers.split(","))]
        readings.append((2, (2 * rows + 1, array.shape[1] // 3)))
        bits = set()
        for workers, chunks in readings:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                found = fresh.submit(read, array, workers, chunks).result()
            differences = compared(found["figures"], exact)
            bits.add(json.dumps(found["figures"]))
            within = max(found["peaks"]) < LIMIT
            same = len(bits) == 1
            right &= within and same and max(differences.values()) < 1e-12
            record.setdefault(name, {"shape": array.shape, "dtype": str(array.dtype), "readings": []})
            record[name]["readings"].append(
                {
                    "by": "one process, as a store" if chunks is None else f"{workers} Dask processes",
                    "chunks": chunks,
                    "seconds": found["seconds"],
                    "peak_mib_of_each_process": [size >> 20 for size in found["peaks"]],
                    "largest_relative_difference_from_exact": max(differences.values()),
                    "inexact": [figure for figure, difference in differences.items() if difference],
                    "same_bits_as_the_first": same,
                }
            )
            print(name, json.dumps(record[name]["readings"][-1]), flush=True)
            if options.record is not None:
                options.record.write_text(json.dumps(record, indent=2) + "\n")
    print("all exact, equal and within 2 GiB" if right else "NOT all exact, equal and within 2 GiB")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
