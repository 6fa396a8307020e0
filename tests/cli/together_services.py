"""Services that are planned together, and what asking for them needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from many_workloads import CHAT

from optimiser.cli.question import asking, request_for
from optimiser.recommend import Request

NIGHT = "[1, 1, 8, 8]"


def folder_of_services(directory: Path) -> Path:
    """A service of the day, one of the night and one of few requests at night, both with a slacker target; a second of
    the day's kind at night; one of few requests that must stay in us-east4; one that begins a day later; one of a
    whole week."""
    slack = {"ttft_ms: 2000": "ttft_ms: 3000"}
    texts = {
        "day": _chat("[8, 8, 1, 1]", {}),
        "night": _chat(NIGHT, slack),
        "few": _chat("[1, 1, 2, 2]", slack),
        "here": _chat("[1, 1, 2, 2]", slack) + "policy: {regions: [us-east4]}\n",
        "dusk": _chat(NIGHT, {}),
        "later": _chat(NIGHT, {"start: 2026-01-05": "start: 2026-01-06"}),
        "week": CHAT,
    }
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text.replace("name: chat", f"name: {name}"), encoding="utf-8")
    return directory


def _chat(hourly: str, changed: dict[str, str]) -> str:
    text = CHAT.replace(
        "demand: {requests_per_second: 2}",
        f"demand: {{hourly_requests_per_second: {hourly}, start: 2026-01-05}}",
    )
    for old, new in changed.items():
        text = text.replace(old, new)
    return text


def asked(folder: Path, names: Sequence[str], provider: str, *settings: str) -> list[Request]:
    """The services on L4s of a provider, without spot."""
    options = {"gpus": ("--gpu", ["L4"]), "providers": ("--provider", [provider])}
    given = ["tiers=[on_demand,reserved]", *settings]
    asking_for = asking(directory=None, as_of="2026-11-21", settings=given, options=options, embedded=True)
    return [request_for(asking_for, str(folder / f"{name}.yaml")) for name in names]
