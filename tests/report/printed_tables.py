"""The parts of a printed table."""

from optimiser.planning.plan import Plan
from optimiser.report import renderer


def table(made: Plan, **how: bool) -> str:
    return renderer("table")(made, **how)


def headline(made: Plan) -> str:
    """The first paragraph on one line."""
    return " ".join(table(made).split("\n\n")[0].split())


def section(made: Plan, title: str, **how: bool) -> list[str]:
    paragraphs = table(made, **how).split("\n\n")
    found = [part.splitlines()[1:] for part in paragraphs if part.startswith(title)]
    assert len(found) == 1, f"{title}: {len(found)} sections"
    return found[0]
