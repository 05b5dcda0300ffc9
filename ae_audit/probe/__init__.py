"""The probe: the experiment that settles a finding, on the program's own model and data."""

from ae_audit.probe.ideal import tried
from ae_audit.probe.settle import ProbeOptions, settle

__all__ = ["ProbeOptions", "settle", "tried"]
