"""What becomes of a site that a library's table tells of."""

from __future__ import annotations

import ast
from dataclasses import replace

from ae_audit.schema.training_setup import Framework, LossUse
from ae_audit.static.domain.values import Site, Unknown
from ae_audit.static.sites import draft
from ae_audit.static.source.sources import Text, Where
from ae_audit.theory.ranges import Tri


def test_a_table_adds_facts_that_nothing_else_needs_to_know() -> None:
    where = Where(Text("a.py", "fit(x)"), ast.parse("fit(x)").body[0])
    unknown = Unknown("a parameter", where)
    site = Site(Framework.KERAS, where, LossUse(), unknown, unknown)
    assert draft(site).setup.gradients_reset is Tri.UNKNOWN
    site.completed = lambda setup: replace(setup, gradients_reset=Tri.YES)
    assert draft(site).setup.gradients_reset is Tri.YES
