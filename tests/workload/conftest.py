"""Workload files written to a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PARTS = {
    "name": "name: chat",
    "model": "model: llama-3.1-8b",
    "demand": "demand: {requests_per_second: 2.0}",
    "sizes": "sizes: {prompt_tokens: 1000, output_tokens: 200}",
}

WriteWorkload = Callable[..., Path]


@pytest.fixture
def write_workload(tmp_path: Path) -> WriteWorkload:
    """write_workload(demand="demand: …", policy="policy: …"): a sound file with those parts in it."""

    def write(**parts: str) -> Path:
        path = tmp_path / "workload.yaml"
        path.write_text("\n".join({**PARTS, **parts}.values()) + "\n", encoding="utf-8")
        return path

    return write
