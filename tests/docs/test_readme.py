"""The README tells the truth: its blocks are what the commands print, its figures what the project holds."""

import re
import subprocess
import sys
from datetime import date

import pytest
from readme_blocks import README, ROOT, blocks, printed

from optimiser import load_book, load_config


@pytest.mark.parametrize(("command", "shown"), blocks(), ids=[command for command, _ in blocks()])
def test_a_console_block_is_what_the_command_prints(command: str, shown: list[str]) -> None:
    lines = printed(command)
    if shown[-1] == "…":
        shown = shown[:-1]
        lines = lines[: len(shown)]
    assert shown == lines


def test_every_command_has_a_row() -> None:
    text = README.read_text(encoding="utf-8")
    for command in ("recommend", "estimate", "prices list", "prices import", "schema plan"):
        assert f"`optimiser {command}" in text


def test_the_counts_are_those_of_the_snapshot() -> None:
    config = load_config()
    book = load_book(config.price_files, config.shapes, date(2026, 11, 21))
    text = README.read_text(encoding="utf-8")
    assert f"{len(book.offers):,} prices" in text
    assert f"{len(book.missing)} that" in text
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{len(config.models)} models" in changelog
    assert f"{len(config.shapes)} instance types" in changelog


def test_links_lead_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), flags=re.M)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_the_python_example_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)[0]
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    monthly, gap = run.stdout.split()
    assert float(monthly) > 100_000
    assert 0 <= float(gap) < 0.0025
