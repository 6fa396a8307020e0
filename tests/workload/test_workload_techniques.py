"""What a workload says of prefix caching, speculative decoding and adapters, and the message for each fault."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optimiser.errors import UsageError
from optimiser.workload import LoraAdapters, SpeculativeDecoding, Techniques, load_workload

TRACE = "time,prompt_tokens,output_tokens,cached_prefix_tokens\n0,100,10,0\n5,100,10,60\n9,100,10,100\n"
FROM_TRACE = {"demand": "demand: {trace: trace.csv}", "sizes": "sizes: {from_trace: true}"}


def cached_tokens(workload) -> float:
    return sum(bucket.share * bucket.cached_prefix_tokens for bucket in workload.buckets)


def test_drafts_and_adapters_arrive(write_workload):
    drafts = "{tokens_per_step: 2.4, draft_tokens: 3, draft_parameters: 0.99e9, draft_layers: 2}"
    path = write_workload(drafts=f"speculative_decoding: {drafts}", lora="lora: {adapters: 20, rank: 16}")
    assert load_workload(path).techniques == Techniques(
        speculative_decoding=SpeculativeDecoding(
            tokens_per_step=2.4, draft_tokens=3, draft_parameters=0.99e9, draft_layers=2
        ),
        lora=LoraAdapters(adapters=20, rank=16),
    )
    assert load_workload(write_workload()).techniques == Techniques()


@pytest.mark.parametrize(
    ("sizes", "cached"),
    [
        ("{prompt_tokens: 1000, output_tokens: 200}", 0),
        ("{prompt_tokens: 1000, output_tokens: 200, cached_prefix_tokens: 800}", 800),
        ("{prompt_tokens: 1000, output_tokens: 200, cached_prefix_share: 0.4}", 400),
        # Half of the requests have 90 cached tokens, the others none.
        (
            "{buckets: [{prompt_tokens: 100, output_tokens: 9, share: 0.5, cached_prefix_tokens: 90},"
            " {prompt_tokens: 500, output_tokens: 9, share: 0.5}]}",
            45,
        ),
        # The last token of a prompt is always computed.
        ("{prompt_tokens: 100, output_tokens: 9, cached_prefix_share: 0.999}", 99),
    ],
)
def test_how_much_of_a_prompt_is_cached_is_read(write_workload, sizes, cached):
    workload = load_workload(write_workload(sizes=f"sizes: {sizes}"))
    assert cached_tokens(workload) == pytest.approx(cached)
    said = [note for note in workload.notes if "KV cache" in note]
    assert len(said) == (1 if cached else 0)


def test_a_trace_says_what_was_cached_request_by_request(write_workload):
    path = write_workload(**FROM_TRACE)
    (path.parent / "trace.csv").write_text(TRACE, encoding="utf-8")
    workload = load_workload(path)
    # 0, 60 and, since the last of 100 tokens is always computed, 99.
    assert cached_tokens(workload) == pytest.approx((0 + 60 + 99) / 3)
    assert any(note.startswith("53% of prompt tokens") for note in workload.notes)


def test_parquet_traces_say_it_too_under_either_name(write_workload):
    path = write_workload(demand="demand: {trace: t.parquet}", sizes="sizes: {trace: t.parquet}")
    columns = {
        "time": [0.0, 5.0],
        "prompt_tokens": [50, 50],
        "output_tokens": [9, 9],
        "Cached_Tokens": [20, 0],
    }
    pq.write_table(
        pa.table({name: np.array(values) for name, values in columns.items()}), path.parent / "t.parquet"
    )
    assert cached_tokens(load_workload(path)) == pytest.approx(10)


FAULTS = {
    "more tokens than were drafted": (
        {"drafts": "speculative_decoding: {tokens_per_step: 4.5, draft_tokens: 3}"},
        ["speculative_decoding.tokens_per_step = 4.5", "draft_tokens + 1 = 4"],
    ),
    "less than a token a step": (
        {"drafts": "speculative_decoding: {tokens_per_step: 0.8, draft_tokens: 3}"},
        ["tokens_per_step = 0.8", "1 or more"],
    ),
    "no drafts": (
        {"drafts": "speculative_decoding: {tokens_per_step: 2}"},
        ["speculative_decoding.draft_tokens is missing"],
    ),
    "a misspelt draft": (
        {"drafts": "speculative_decoding: {tokens_per_step: 2, draft_token: 3}"},
        ["speculative_decoding.draft_token", "did you mean draft_tokens"],
    ),
    "no adapters": ({"lora": "lora: {adapters: 0, rank: 16}"}, ["lora.adapters = 0"]),
    "half a rank": ({"lora": "lora: {adapters: 2, rank: 0.5}"}, ["lora.rank = 0.5"]),
    "all of a prompt cached": (
        {"sizes": "sizes: {prompt_tokens: 100, output_tokens: 9, cached_prefix_tokens: 100}"},
        ["cached_prefix_tokens = 100", "below prompt_tokens = 100"],
    ),
    "a share of 1": (
        {"sizes": "sizes: {prompt_tokens: 100, output_tokens: 9, cached_prefix_share: 1}"},
        ["sizes.cached_prefix_share = 1", "below 1"],
    ),
    "tokens beside a trace": (
        {"sizes": "sizes: {trace: t.csv, cached_prefix_tokens: 10}"},
        ["sizes.cached_prefix_tokens = 10", "goes with prompt_tokens"],
    ),
    "tokens and a share": (
        {
            "sizes": "sizes: {prompt_tokens: 9, output_tokens: 9, cached_prefix_tokens: 3, cached_prefix_share: 0.1}"
        },
        ["sizes.cached_prefix_share = 0.1", "leave it out"],
    ),
}


@pytest.mark.parametrize(("parts", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named(write_workload, parts, words):
    with pytest.raises(UsageError) as caught:
        load_workload(write_workload(**parts))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("cached", "right"),
    [("101", "no more than the prompt_tokens"), ("-1", "0 or more"), ("", "'': a token count")],
)
def test_a_fault_in_a_trace_is_named_with_its_row(write_workload, cached, right):
    path = write_workload(**FROM_TRACE)
    (path.parent / "trace.csv").write_text(TRACE.replace("10,60", f"10,{cached}"), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"row 2: cached_prefix_tokens = .*{right}"):
        load_workload(path)
