"""The README tells the truth: its blocks are what the commands print, its figures what the project holds."""

import json
import re
import subprocess
import sys
from datetime import date

import pytest
from readme_blocks import README, ROOT, blocks, printed

from optimiser import load_book, load_config
from optimiser.cli.app import app
from optimiser.cli.prices_commands import prices_app
from providers import aws, azure


@pytest.mark.parametrize(("command", "shown"), blocks(), ids=[command for command, _ in blocks()])
def test_a_console_block_is_what_the_command_prints(command: str, shown: list[str]) -> None:
    lines = printed(command)
    if shown[-1] == "…":
        shown = shown[:-1]
        lines = lines[: len(shown)]
    assert shown == lines


def test_every_command_has_a_row() -> None:
    text = README.read_text(encoding="utf-8")
    of_prices = {f"prices {command.name}" for command in prices_app.registered_commands}
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert of_prices >= {"prices list", "prices status"}
    for command in commands | of_prices:
        assert f"`optimiser {command}" in text


def test_the_policies_are_what_the_adapters_need_and_no_more() -> None:
    iam, role = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", README.read_text("utf-8"), re.S)
    )
    (statement,) = iam["Statement"]
    assert statement["Action"] == sorted(
        {action for actions in aws.IAM_ACTIONS.values() for action in actions}
    )
    assert role == azure.CUSTOM_ROLE
    assert set(role["Actions"]) == set(azure.PERMISSIONS.values())


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
