"""The workload file: what is read, what is overridden, and the one message for each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimiser.errors import UsageError
from optimiser.workload import SizeBucket, Target, load_workload


def test_every_field_arrives(write_workload):
    path = write_workload(
        description="description: a service",
        source="source: measured in May",
        precision="weight_precision: fp8\nkv_precision: bf16",
        timezone="timezone: Europe/Berlin",
        target="target: {ttft_ms: 2000, tpot_ms: 50, percentile: 99}",
        policy="policy: {max_spot_share: 0.5, providers: [gcp]}",
    )
    workload = load_workload(path)
    assert (workload.name, workload.model) == ("chat", "llama-3.1-8b")
    assert (workload.description, workload.source) == ("a service", "measured in May")
    assert (workload.weight_precision, workload.kv_precision) == ("fp8", "bf16")
    assert workload.timezone == "Europe/Berlin"
    assert workload.target == Target(ttft_ms=2000, tpot_ms=50, percentile=99)
    assert workload.buckets == (SizeBucket(prompt_tokens=1000, output_tokens=200, share=1.0),)
    assert workload.policy == {"max_spot_share": 0.5, "providers": ["gcp"]}


def test_what_is_left_out_has_its_documented_default(write_workload):
    workload = load_workload(write_workload())
    assert workload.target is None
    assert workload.weight_precision is None
    assert (workload.timezone, workload.description, workload.source) == ("UTC", "", "")
    assert workload.policy == {}


def test_percentile_defaults_to_95(write_workload):
    workload = load_workload(write_workload(target="target: {ttft_ms: 2000, tpot_ms: 50}"))
    assert workload.target == Target(ttft_ms=2000, tpot_ms=50, percentile=95)


def test_overrides_take_the_place_of_what_the_file_says(write_workload):
    path = write_workload(target="target: {ttft_ms: 2000, tpot_ms: 50}")
    workload = load_workload(
        path,
        {
            "target.ttft_ms": "1500",
            "demand.scale": "3",
            "model": "qwen2.5-72b",
            "policy.max_spot_share": "0.5",
            "weight_precision": "fp8",
        },
    )
    assert workload.target == Target(ttft_ms=1500, tpot_ms=50, percentile=95)
    assert {period.mean_rps for period in workload.periods} == {6.0}
    assert (workload.model, workload.weight_precision) == ("qwen2.5-72b", "fp8")
    assert workload.policy == {"max_spot_share": 0.5}
    assert load_workload(path, {"target": "null"}).target is None


def test_an_override_is_checked_like_the_file(write_workload):
    path = write_workload(target="target: {ttft_ms: 2000, tpot_ms: 50}")
    for overrides, words in (
        ({"target.ttft_ms": "0"}, ["target.ttft_ms = 0", "must be above 0"]),
        ({"target.tftt_ms": "1"}, ["target.tftt_ms = 1", "did you mean", "ttft_ms"]),
        ({"model.name": "x"}, ["model.name = 'x'", "model holds no fields"]),
        ({"demand.scale": "[1"}, ["demand.scale = '[1'", "YAML"]),
    ):
        assert_refused(path, words, overrides)


def assert_refused(path: Path, words: list[str], overrides: dict[str, str] | None = None) -> None:
    with pytest.raises(UsageError) as caught:
        load_workload(path, overrides)
    message = str(caught.value)
    assert message.startswith(str(path.parent))
    assert "\n" not in message
    for word in words:
        assert word in message


FAULTS = {
    "unknown field": ({"x": "modle: a"}, ["modle = 'a'", "did you mean model?"]),
    "unknown field in a section": (
        {"demand": "demand: {request_per_second: 2}"},
        ["demand.request_per_second = 2", "did you mean requests_per_second"],
    ),
    "unknown field in a bucket": (
        {"sizes": "sizes: {buckets: [{prompt: 1, output_tokens: 1, share: 1}]}"},
        ["sizes.buckets[0].prompt = 1", "prompt_tokens"],
    ),
    "missing field": ({"model": ""}, ["model is missing", "config/models.yaml"]),
    "missing target field": ({"target": "target: {ttft_ms: 5}"}, ["target.tpot_ms is missing", "ms"]),
    "no kind of demand": ({"demand": "demand: {scale: 2}"}, ["demand", "exactly one of", "hourly_requests"]),
    "two kinds of demand": (
        {"demand": "demand: {requests_per_second: 2, trace: a.csv}"},
        ["'requests_per_second, trace'", "exactly one of"],
    ),
    "no kind of sizes": ({"sizes": "sizes: {}"}, ["sizes", "exactly one of", "quantiles"]),
    "two kinds of sizes": (
        {"sizes": "sizes: {prompt_tokens: 1, output_tokens: 1, trace: a.csv}"},
        ["'prompt_tokens, output_tokens, trace'", "exactly one of"],
    ),
    "half a pair": ({"sizes": "sizes: {prompt_tokens: 1}"}, ["sizes.output_tokens is missing"]),
    "from_trace without a trace": (
        {"sizes": "sizes: {from_trace: true}"},
        ["sizes.from_trace", "demand.trace"],
    ),
    "negative rate": ({"demand": "demand: {requests_per_second: -1}"}, ["demand.requests_per_second = -1"]),
    "zero rate": ({"demand": "demand: {requests_per_second: 0}"}, ["= 0", "must be above 0"]),
    "rate that is no number": ({"demand": "demand: {requests_per_second: .nan}"}, ["nan", "number"]),
    "infinite rate": ({"demand": "demand: {requests_per_second: .inf}"}, ["inf", "a finite number"]),
    "true as a rate": ({"demand": "demand: {requests_per_second: yes}"}, ["= true", "not true or false"]),
    "text as a rate": ({"demand": "demand: {requests_per_second: many}"}, ["'many'", "a number"]),
    "negative hour": (
        {"demand": "demand: {hourly_requests_per_second: [1, -2]}"},
        ["demand.hourly_requests_per_second[1] = -2"],
    ),
    "hour that is no number": (
        {"demand": "demand: {hourly_requests_per_second: [1, .nan]}"},
        ["demand.hourly_requests_per_second[1] = nan"],
    ),
    "no hours": ({"demand": "demand: {hourly_requests_per_second: []}"}, ["at least one entry"]),
    "all-zero demand": (
        {"demand": "demand: {hourly_requests_per_second: [0, 0]}"},
        ["demand.hourly_requests_per_second", "every rate is 0"],
    ),
    "scale of zero": ({"demand": "demand: {requests_per_second: 2, scale: 0}"}, ["demand.scale = 0"]),
    "shares over 1": (
        {
            "sizes": "sizes: {buckets: [{prompt_tokens: 1, output_tokens: 1, share: 0.5}, "
            "{prompt_tokens: 2, output_tokens: 1, share: 0.6}]}"
        },
        ["sizes.buckets shares = 1.1", "shares sum to 1"],
    ),
    "no tokens": ({"sizes": "sizes: {prompt_tokens: 0, output_tokens: 1}"}, ["sizes.prompt_tokens = 0"]),
    "missing profile": ({"demand": "demand: {profile: nowhere.csv}"}, ["nowhere.csv", "No such file"]),
    "missing trace": ({"demand": "demand: {trace: nowhere.csv}"}, ["nowhere.csv", "No such file"]),
    "missing Parquet trace": ({"demand": "demand: {trace: nowhere.parquet}"}, ["nowhere.parquet", "read"]),
    "unknown time zone": (
        {"x": "timezone: Europe/Berln"},
        ["timezone = 'Europe/Berln'", "mean Europe/Berlin"],
    ),
    "folder of time zones": ({"x": "timezone: Europe"}, ["timezone = 'Europe'", "an IANA time zone"]),
    "start that is no time": (
        {"demand": "demand: {requests_per_second: 2, start: soon}"},
        ["demand.start = 'soon'", "ISO 8601"],
    ),
    "start that is a number": (
        {"demand": "demand: {requests_per_second: 2, start: 20260105}"},
        ["demand.start = 20260105", "ISO 8601"],
    ),
    "start that the clock skips": (
        {
            "x": "timezone: Europe/Berlin",
            "demand": "demand: {requests_per_second: 2, start: 2025-03-30T02:30:00}",
        },
        ["demand.start", "no such time in Europe/Berlin"],
    ),
    "target of 0": ({"x": "target: {ttft_ms: 0, tpot_ms: 50}"}, ["target.ttft_ms = 0", "must be above 0"]),
    "percentile of 100": (
        {"x": "target: {ttft_ms: 1, tpot_ms: 1, percentile: 100}"},
        ["target.percentile = 100", "must be below 100"],
    ),
    "percentile as a share": (
        {"x": "target: {ttft_ms: 1, tpot_ms: 1, percentile: 0.95}"},
        ["target.percentile = 0.95", "95 is p95"],
    ),
    "a name that rings": ({"name": 'name: "a\\u0007"'}, ["name = 'a\\x07'", "without control characters"]),
    "policy that is a list": ({"x": "policy: [a]"}, ["policy = ['a']", "a mapping of fields"]),
    "demand that is a number": ({"demand": "demand: 5"}, ["demand = 5", "a mapping of fields"]),
    "field given twice": ({"x": "name: again"}, ["line 5", "'name' is given twice"]),
    "a key that is no text": ({"x": "? [name]\n: again"}, ["not valid YAML", "line 5"]),
    "no YAML": ({"x": "target: {ttft_ms: 1"}, ["not valid YAML", "line"]),
    "unknown tag": ({"x": "target: !!python/object:os.system {}"}, ["not valid YAML"]),
}


@pytest.mark.parametrize(("parts", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_with_its_field_and_value(write_workload, parts, words):
    assert_refused(write_workload(**parts), words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["workload.yaml: is empty: ", "mapping"]),
        (b"- a\n- b\n", ["list", "mapping"]),
        (b"\xff\xfe\x00binary", ["not a text file"]),
        (b"when: 2026-13-45\n", ["when = '2026-13-45': no such field"]),
    ],
)
def test_a_file_that_holds_no_workload_is_refused(tmp_path, content, words):
    path = tmp_path / "workload.yaml"
    path.write_bytes(content)
    assert_refused(path, words)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert_refused(tmp_path / "none.yaml", ["none.yaml", "cannot be read", "No such file"])
    assert_refused(tmp_path, ["cannot be read"])


def test_routing_is_uniform_unless_told_and_nothing_else_than_by_size(write_workload):
    path = write_workload()
    assert load_workload(path).routing == "uniform"
    assert load_workload(path, {"routing": "by_size"}).routing == "by_size"
    with pytest.raises(UsageError, match=r"routing = 'by_sise'.*'uniform' or 'by_size'"):
        load_workload(path, {"routing": "by_sise"})
