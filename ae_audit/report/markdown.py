"""Markdown as a terminal shows it: the pages of rules. Headings, lists, code and paragraphs."""

from __future__ import annotations

import re

from ae_audit.report.text_layout import DEFAULT_WIDTH, Line, Page, Segment, in_code

_ITEM = re.compile(r"(\s*)([-*]|\d+\.)\s+(.*)")
_EMPHASIS = re.compile(r"(?<![*\w])\*(?=\S)([^*]+)(?<=\S)\*(?![*\w])")
_LINK = re.compile(r"\[([^\]]+)\]\((\S+?)\)")


def rendered(text: str, *, width: int | None = None, ascii_only: bool = False) -> list[Line]:
    """``text`` laid out; what is emphasised is told from the rest by its style, links keep their address."""
    page = Page(min(width or DEFAULT_WIDTH, DEFAULT_WIDTH), ascii_only)
    block: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            _add_block(page, block)
            block, fenced = [], not fenced
            page.blank()
        elif fenced:
            page.line(*([Segment("    "), Segment(line, "code")] if line.strip() else []))
        elif line.startswith("#"):
            _add_block(page, block)
            block = []
            page.blank()
            page.line(Segment(line.lstrip("#").strip(), "bold"))
        elif not line.strip() or (_ITEM.match(line) and block):
            _add_block(page, block)
            block = [line] if line.strip() else []
            if not line.strip():
                page.blank()
        else:
            block.append(line)
    while page.lines and not page.lines[-1]:
        page.lines.pop()
    return page.lines


def _add_block(page: Page, block: list[str]) -> None:
    """A paragraph or one item of a list, which may run over several lines."""
    if not block:
        return
    item = _ITEM.match(block[0])
    words = " ".join([item.group(3) if item else block[0].strip(), *(line.strip() for line in block[1:])])
    words = _LINK.sub(r"\1 <\2>", words)
    pieces: list[Segment] = []
    end = 0
    for found in _EMPHASIS.finditer(words):
        pieces += [*in_code(words[end : found.start()]), Segment(found.group(1), "bold")]
        end = found.end()
    pieces += in_code(words[end:])
    if item is None:
        page.segments(pieces, indent=2, hang=2)
        return
    indent = 2 + len(item.group(1))
    page.segments([Segment(f"{item.group(2)} "), *pieces], indent=indent, lead=1)
