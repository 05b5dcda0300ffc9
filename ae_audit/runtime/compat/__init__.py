"""Names and arguments that a library has renamed since the program was written, answered by their successors.

One module per library holds what is known of it; :mod:`~ae_audit.runtime.compat.uses` decides whom to answer,
:mod:`~ae_audit.runtime.compat.names` answers names, :mod:`~ae_audit.runtime.compat.arguments` arguments. A name
that the installed library still has is never touched, and nothing is answered that has no
successor of the same meaning.
"""

from __future__ import annotations

from pathlib import Path

from ae_audit.runtime.compat import keras as old_keras
from ae_audit.runtime.compat import lightning as old_lightning
from ae_audit.runtime.compat import numpy as old_numpy
from ae_audit.runtime.compat import pandas as old_pandas
from ae_audit.runtime.compat import python as old_python
from ae_audit.runtime.compat import scientific as old_scientific
from ae_audit.runtime.compat import sklearn as old_sklearn
from ae_audit.runtime.compat import tensorflow as old_tensorflow
from ae_audit.runtime.compat import torch as old_torch
from ae_audit.runtime.compat.names import OldNames
from ae_audit.runtime.compat.uses import Uses
from ae_audit.runtime.host.imports import ImportWatch

__all__ = ["Uses", "answer_old_names"]

_LIBRARIES = (
    old_python,
    old_numpy,
    old_pandas,
    old_scientific,
    old_sklearn,
    old_torch,
    old_lightning,
    old_keras,
    old_tensorflow,
)


def answer_old_names(watch: ImportWatch, script: str | Path) -> Uses:
    """Answer from now on what the program at ``script`` asks of its libraries by an old name.

    To be called after all that watches those libraries: the program meets what answers it first.

    Returns:
        The uses so far, which the report names.
    """
    uses = Uses(script)
    names = OldNames(watch, uses)
    for library in _LIBRARIES:
        library.install(watch, names, uses)
    names.install()
    return uses
