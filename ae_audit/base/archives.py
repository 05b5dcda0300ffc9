"""What reading a zip archive raises where its bytes are not what they should be."""

from __future__ import annotations

import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it; zipfile then says that it does not know the method
    LZMAError = zlib.error  # type: ignore[misc,assignment]

DAMAGED: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError)
"""a directory, packed bytes or an end that are not there, or a method of packing that nobody has"""
ENCRYPTED = RuntimeError
"""with this bare one ``zipfile`` asks for a password; a :class:`RecursionError` is one, too"""
UNREADABLE: tuple[type[Exception], ...] = (*DAMAGED, ENCRYPTED)
