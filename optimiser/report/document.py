"""A report before it has a format: one headline, then titled sections of tables, charts and statements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A table's column; right aligns numbers."""

    name: str
    right: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a table; detail is said below it and must be understood without it."""

    cells: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows with as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chart:
    """Lines of equal-width characters, printed as they are."""

    lines: tuple[str, ...]


Block = Table | Chart | str


@dataclass(frozen=True)
class Section:
    """A title and what stands under it, in order; a section without blocks is left out."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The answer in one line, and the sections that carry it, most important first."""

    headline: str
    sections: tuple[Section, ...]
