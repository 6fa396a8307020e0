"""The setting that a lever names is the very change it makes: typed on the command line, it asks the same question."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from lever_requests import CONFIG, GIVEN, SMALL

from optimiser.cli.question import Asking, asking, request_for
from optimiser.config.policy_layers import PolicyLayer, split_overrides
from optimiser.costing.levers import levers_for
from optimiser.costing.levers.lever import Changed, Lever
from optimiser.recommend import Request

BASE = [f"{field}={value}" for field, value in SMALL.items()]
TERMS = ["regions=[us-east-2]", "providers=[aws]"]
GIVEN_ALL = replace(GIVEN, prefix_hit=0.4, response_hit=0.2, accepted_tokens=2.4, draft_tokens=3)


@pytest.fixture(scope="module")
def question() -> Asking:
    return asking(directory=None, as_of="2026-11-21", settings=[*BASE, *TERMS], options={})


def typed(question: Asking, settings: list[str]) -> Request:
    """What `--set` of these over the small question's own asks."""
    policy, workload = split_overrides("--set", [*BASE, *TERMS, *settings])
    return request_for(
        replace(question, in_workload=workload, typed=(PolicyLayer("--set", policy.fields),)),
        "chat-llama-70b",
    )


def by_option(lever: Lever) -> bool:
    return lever.group not in ("response-cache", "output", "sparsity") and not lever.name.startswith("prune")


@pytest.mark.parametrize("name", [name for name, lever in levers_for(CONFIG).items() if by_option(lever)])
def test_the_setting_asks_the_levers_question(question: Asking, name: str) -> None:
    outcome = levers_for(CONFIG)[name].apply(typed(question, []), GIVEN_ALL)
    if not isinstance(outcome, Changed):
        return
    words = shlex.split(outcome.setting)
    settings = []
    for option, value in zip(words[::2], words[1::2], strict=True):
        settings.append(value if option == "--set" else f"gpus=[{value}]")
    asked = typed(question, settings)
    assert asked.policy == outcome.request.policy
    # What reading a file has to note is not part of the question.
    assert replace(asked.workload, notes=()) == replace(outcome.request.workload, notes=())
