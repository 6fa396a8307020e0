"""owned.yaml on the command line: regions that are none, and commands that plan without what ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Fails = Callable[..., str]


def owning(folder: Path, region: str = "us-east-2", ends: str = "2026-12-01") -> Path:
    entry = f"{{provider: aws, region: {region}, instance_type: g6.12xlarge, instances: 4, ends: {ends}}}"
    (folder / "owned.yaml").write_text(f"- {entry}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("us-eats-2", "did you mean us-east-2"),
        ("mars", "known: af-south-1"),
        ("westeurope", "known: af-south-1"),
    ],
)
def test_a_region_that_the_provider_does_not_have_is_refused(
    tmp_path: Path, fails: Fails, region: str, said: str
) -> None:
    err = fails(2, "recommend", "chat-llama-70b", "--config", str(owning(tmp_path, region)))
    assert f"owned.yaml: entry 1: region = '{region}': no region of aws; {said}" in err


@pytest.mark.parametrize(
    "command",
    [
        ("recommend", "code-llama-8b", "--carbon"),
        ("recommend", "code-llama-8b", "--pareto", "spot"),
        ("levers", "code-llama-8b", "--only", "kv-fp8"),
        ("compare-api", "code-llama-8b"),
    ],
)
def test_what_is_planned_many_times_over_says_what_it_leaves_out(
    tmp_path: Path, run: Run, command: tuple[str, ...]
) -> None:
    small = ("--region", "us-east-2", "--gpu", "H100", "--as-of", "2026-11-21")
    ran = run(*command, *small, "--config", str(owning(tmp_path)))
    assert ran.code == 0
    said = "owned until 2026-12-01 and planned without: 4 × g6.12xlarge in us-east-2 end within 30 days of"
    assert f"warning: {said} 2026-11-21\n" in ran.err
