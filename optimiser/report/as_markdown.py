"""The Plan as Markdown, to paste into an issue or a design document: the same words as the table."""

from __future__ import annotations

from optimiser.planning.plan import Plan
from optimiser.report.document import Chart, Document, Section, Table
from optimiser.report.sections import document


def render(plan: Plan, *, explain: bool = False, colour: bool = False) -> str:  # noqa: ARG001
    """GitHub-flavoured Markdown: the headline in bold, a heading per section."""
    return markdown_of(document(plan, explain=explain))


def markdown_of(content: Document) -> str:
    """Any document as Markdown."""
    parts = [f"**{_plain(content.headline)}**"]
    for section in content.sections:
        if section.blocks:
            parts += [f"## {section.title}", *_blocks(section)]
    return "\n\n".join(parts) + "\n"


def _blocks(section: Section) -> list[str]:
    parts: list[str] = []
    statements: list[str] = []
    for block in section.blocks:
        if isinstance(block, str):
            statements.append(f"- {_plain(block)}")
            continue
        if statements:
            parts.append("\n".join(statements))
            statements = []
        parts.append(_table(block) if isinstance(block, Table) else _fenced(block))
    return [*parts, "\n".join(statements)] if statements else parts


def _table(table: Table) -> str:
    lines = [_cells(tuple(column.name for column in table.columns))]
    lines.append(_cells(tuple("---:" if column.right else "---" for column in table.columns)))
    lines += [_cells(row.cells) for row in table.rows]
    details = [f"- {_plain(row.detail)}" for row in table.rows if row.detail]
    return "\n".join([*lines, "", *details] if details else lines)


def _cells(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _fenced(chart: Chart) -> str:
    return "\n".join(("```text", *chart.lines, "```"))


def _plain(text: str) -> str:
    """Text in which no character is taken for markup (names hold underscores and stars)."""
    for mark in ("\\", "*", "_", "`", "<", "["):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
