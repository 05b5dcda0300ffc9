"""What becomes of a field when two stages know it: declared at the field, carried out by :mod:`ae_audit.engine.merge`.

Where nothing is declared, what ran wins where it knows the field, and what was read is kept where it does not: a new
field needs no word here. `Known` means other than the field's default. Beside the choice a field may have a ``fact``:
words for what it says, under which a contradiction between the two stages is told.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    Metadata = dict[str, Any]

READ = {"merge": "read"}
"""what was read, where it knows the field: places, spellings, names"""
RUN = {"merge": "run"}
"""what ran, where it knows the field, whoever's account of the record is taken: real sizes"""
OWNED = {"merge": "owned"}
"""belongs to the other owned fields of its record: all come from the stage whose account of the record is taken"""
INSIDE = {"merge": "inside"}
"""a record, merged field by field"""
BOTH = {"merge": "both"}
"""a tuple: what was read, then what ran, each item once"""
JUDGED = {"merge": "judged"}
"""needs judgement: ``engine.merge`` has a function for it"""


def goes_with(name: str) -> Metadata:
    """From the stage that the field ``name`` of the same record was taken from."""
    return {"merge": "goes with", "with": name}


def fact(words: str, how: Metadata | None = None) -> Metadata:
    """A field whose contradictions are told, as ``words``; besides merged as ``how`` says."""
    return {**(how or {}), "fact": words}
