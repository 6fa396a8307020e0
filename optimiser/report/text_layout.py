"""A Document as text for a terminal or a file: at most WIDTH columns, escapes only where colour is asked for.

Written by hand rather than with rich.table, whose import and layout would cost a tenth of a whole run.
"""

from __future__ import annotations

from rich.cells import cell_len, chop_cells, set_cell_size

from optimiser.report.document import Chart, Document, Row, Section, Table

WIDTH = 100
_GAP = 2
_DETAIL_INDENT = 4
_BOLD, _DIM, _END = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def text_of(document: Document, *, colour: bool = False) -> str:
    """The document in lines of at most WIDTH terminal cells."""
    lines = [_styled(line, _BOLD, colour) for line in wrap(document.headline, WIDTH)]
    for section in document.sections:
        if section.blocks:
            lines += ["", _styled(section.title, _BOLD, colour), *_section(section, colour)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def wrap(text: str, width: int, *, hang: int = 0) -> list[str]:
    """The text in lines of at most `width` cells, those after the first indented by `hang`."""
    longest = max(width - hang, 2)
    lines: list[str] = []
    line = ""
    for word in text.split():
        for piece in chop_cells(word, longest) if cell_len(word) > longest else (word,):
            joined = f"{line} {piece}" if line.strip() else line + piece
            if cell_len(joined) > width and line.strip():
                lines.append(line)
                joined = " " * hang + piece
            line = joined
    return [*lines, line]


def _section(section: Section, colour: bool) -> list[str]:
    lines: list[str] = []
    for block in section.blocks:
        if isinstance(block, Table):
            lines += _table(block, colour)
        elif isinstance(block, Chart):
            lines += block.lines
        else:
            lines += wrap(block, WIDTH, hang=2)
    return lines


def _table(table: Table, colour: bool) -> list[str]:
    widths = _widths(table)
    heads = Row(tuple(column.name for column in table.columns))
    lines = [_styled(line, _DIM, colour) for line in _row(table, heads, widths)]
    for row in table.rows:
        lines += _row(table, row, widths)
        if row.detail:
            inner = wrap(row.detail, WIDTH - _DETAIL_INDENT)
            lines += [_styled(" " * _DETAIL_INDENT + line, _DIM, colour) for line in inner]
    return lines


def _widths(table: Table) -> list[int]:
    """Natural widths; where they do not fit, the widest columns give way, breaking words only at last."""
    every = [tuple(column.name for column in table.columns), *(row.cells for row in table.rows)]
    columns = list(zip(*every, strict=True))
    widths = [max(map(cell_len, cells)) for cells in columns]
    words = [max(cell_len(word) for cell in cells for word in cell.split() or ("",)) for cells in columns]
    room = WIDTH - _GAP * (len(widths) - 1)
    while sum(widths) > room:
        spare = [width if width > word else 0 for width, word in zip(widths, words, strict=True)]
        widths[spare.index(max(spare)) if any(spare) else widths.index(max(widths))] -= 1
    return widths


def _row(table: Table, row: Row, widths: list[int]) -> list[str]:
    """One row as lines, cells that are too long for their column wrapped."""
    wrapped = [wrap(cell, width) for cell, width in zip(row.cells, widths, strict=True)]
    lines = []
    for index in range(max(map(len, wrapped))):
        parts = []
        for column, cell, width in zip(table.columns, wrapped, widths, strict=True):
            text = cell[index] if index < len(cell) else ""
            if column.right:
                parts.append(" " * (width - cell_len(text)) + text)
            else:
                parts.append(set_cell_size(text, width))
        lines.append((" " * _GAP).join(parts).rstrip())
    return lines


def _styled(line: str, style: str, colour: bool) -> str:
    return f"{style}{line}{_END}" if colour and line.strip() else line
