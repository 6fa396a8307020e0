"""AIPerf and GenAI-Perf say whether prompts repeat each other; such a run is none to anchor on."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks

WHY = "a cache keeps what prompts repeat, and such a run is none to anchor on"


def read(tmp_path: Path, name: str, config: dict[str, Any]) -> int:
    data = json.loads((FIXTURES / name).read_text())
    data["input_config"] |= config
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    return len(read_benchmarks(path, path.read_bytes()))


def refused(tmp_path: Path, name: str, config: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name, config)
    message = str(caught.value)
    assert WHY in message
    assert "\n" not in message
    return message


def of_prompt(**prefix: object) -> dict[str, Any]:
    return {"input": {"prompt": {"prefix_prompt": prefix}}}


def of_dataset(**changes: object) -> dict[str, Any]:
    return {"datasets": [{"name": "main", "type": "synthetic"}, {"name": "more", **changes}]}


OLDER, NEWER, GENAI, FIRST = (
    "aiperf_0_6.json",
    "aiperf_0_10.json",
    "genai_perf_0_0_12.json",
    "genai_perf_0_0_4.json",
)


@pytest.mark.parametrize(
    ("name", "config", "told"),
    [
        (OLDER, of_prompt(pool_size=1, length=800), "input.prompt.prefix_prompt.length = 800.0"),
        (
            OLDER,
            of_prompt(shared_system_prompt_length=500),
            "prefix_prompt.shared_system_prompt_length = 500.0",
        ),
        (OLDER, of_prompt(prefix_reuse_rate=0.5), "prefix_prompt.prefix_reuse_rate = 0.5"),
        (OLDER, {"input": {"conversation": {"turn": {"mean": 5}}}}, "input.conversation.turn.mean = 5.0"),
        (
            NEWER,
            of_dataset(prefix_prompts={"pool_size": 4, "length": 64}),
            "datasets[1].prefix_prompts.length = 64.0",
        ),
        (
            NEWER,
            of_dataset(prefix_prompts={"shared_system_length": 64}),
            "datasets[1].prefix_prompts.shared_system_length = 64.0",
        ),
        (NEWER, of_dataset(turns=3), "datasets[1].turns = 3.0"),
        (NEWER, of_dataset(turns={"mean": 2.5, "stddev": 1}), "datasets[1].turns = 2.5"),
        (NEWER, of_dataset(turns={"value": 2.0}), "datasets[1].turns = 2.0"),
        (GENAI, {"input": {"prefix_prompt": {"num": 2, "length": 64}}}, "input.prefix_prompt.length = 64.0"),
        # Of a length that is not told GenAI-Perf has 100.
        (GENAI, {"input": {"prefix_prompt": {"num": 2}}}, "input.prefix_prompt.length = 100.0"),
        (
            GENAI,
            {"input": {"sessions": {"num": 9, "turns": {"mean": 3}}}},
            "input.sessions.turns.mean = 3.0",
        ),
        (FIRST, {"num_prefix_prompts": 1, "prefix_prompt_length": 80}, "prefix_prompt_length = 80.0"),
        (FIRST, {"session_turns_mean": 4}, "session_turns_mean = 4.0"),
    ],
)
def test_prompts_that_repeat_each_other_are_refused(
    tmp_path: Path, name: str, config: dict[str, Any], told: str
) -> None:
    assert told in refused(tmp_path, name, config)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        (OLDER, of_prompt(pool_size=0, length=0)),
        # No prefix is chosen from a pool of none, whatever its length.
        (OLDER, of_prompt(pool_size=0, length=100)),
        (OLDER, of_prompt(pool_size=4)),
        (OLDER, of_prompt(shared_system_prompt_length=None)),
        (OLDER, {"input": {"conversation": {"num": 10, "turn": {"mean": 1, "stddev": 0}}}}),
        (NEWER, of_dataset(turns=1, prefix_prompts=None)),
        (NEWER, of_dataset(turns={"mean": 1.0, "stddev": 0.0}, prefix_prompts={"user_context_length": 64})),
        # What GenAI-Perf writes of itself.
        (
            GENAI,
            {
                "input": {
                    "prefix_prompt": {"num": 0, "length": 100},
                    "sessions": {"num": 0, "turns": {"mean": 1}},
                }
            },
        ),
        (FIRST, {"num_prefix_prompts": 0, "prefix_prompt_length": 100, "session_turns_mean": 1}),
    ],
)
def test_prompts_that_share_nothing_are_read(tmp_path: Path, name: str, config: dict[str, Any]) -> None:
    assert read(tmp_path, name, config) == 1
