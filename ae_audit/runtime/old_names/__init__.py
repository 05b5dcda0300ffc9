"""Names and arguments that a library has renamed since the program was written, answered by their successors.

One module per library holds what is known of it; :mod:`~ae_audit.runtime.old_names.uses` decides whom to answer,
:mod:`~ae_audit.runtime.old_names.names` answers names, :mod:`~ae_audit.runtime.old_names.arguments` arguments. A name
that the installed library still has is never touched, and nothing is answered that has no
successor of the same meaning.
"""

from __future__ import annotations

from pathlib import Path

from ae_audit.runtime.imports import ImportWatch
from ae_audit.runtime.old_names import old_keras as old_keras
from ae_audit.runtime.old_names import old_lightning as old_lightning
from ae_audit.runtime.old_names import old_numpy as old_numpy
from ae_audit.runtime.old_names import old_pandas as old_pandas
from ae_audit.runtime.old_names import old_python as old_python
from ae_audit.runtime.old_names import old_scientific as old_scientific
from ae_audit.runtime.old_names import old_sklearn as old_sklearn
from ae_audit.runtime.old_names import old_tensorflow as old_tensorflow
from ae_audit.runtime.old_names import old_torch as old_torch
from ae_audit.runtime.old_names.names import OldNames
from ae_audit.runtime.old_names.uses import Uses

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
