"""Source to ``TrainingSetup``: an abstract interpreter, and tables of library knowledge. Standard library alone."""

from ae_audit.static.analysis import analyse_file
from ae_audit.static.result import StaticResult
from ae_audit.static.source.projects import Modules

__all__ = ["Modules", "StaticResult", "analyse_file"]
