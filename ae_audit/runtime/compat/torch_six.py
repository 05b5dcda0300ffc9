"""``torch._six``: names of Python 2 and 3 alike."""

from __future__ import annotations

import collections.abc as container_abcs
import math

__all__ = ["container_abcs", "inf", "int_classes", "nan", "string_classes"]

inf, nan = math.inf, math.nan
string_classes = (str, bytes)
int_classes = int
