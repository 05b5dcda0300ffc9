"""The report as a page for people, and as what notebooks show.

The page loads nothing from anywhere and needs no script, so that it can be kept as an artefact of a CI job and read
years later. It never grows beyond :data:`~ae_audit.report.html.page.LIMIT`: of many trainings the worst are told whole.
"""

from ae_audit.report.html.notebook import fragment
from ae_audit.report.html.page import SHEET_NAME, to_folder, to_html

__all__ = ["SHEET_NAME", "fragment", "to_folder", "to_html"]
