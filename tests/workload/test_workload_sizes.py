"""Size buckets: shares, total tokens, the quantile grid against the integral of the quantile function."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.workload import SizeBucket, load_workload
from optimiser.workload.csv_table import CsvTable
from optimiser.workload.sizes import joint_buckets, quantile_buckets

lengths = st.lists(st.tuples(st.integers(1, 130_000), st.integers(1, 20_000)), min_size=1, max_size=400)


def mean(buckets, field):
    return sum(bucket.share * getattr(bucket, field) for bucket in buckets)


@given(lengths)
def test_binning_keeps_the_total_tokens_and_every_request(requests):
    prompt, output = np.array(requests, dtype=np.float64).T
    buckets = joint_buckets(prompt, output)
    n = len(requests)
    assert 1 <= len(buckets) <= 30
    assert sum(bucket.share for bucket in buckets) == pytest.approx(1, abs=1e-12)
    assert n * mean(buckets, "prompt_tokens") == pytest.approx(prompt.sum(), rel=1e-12)
    assert n * mean(buckets, "output_tokens") == pytest.approx(output.sum(), rel=1e-12)
    assert all(prompt.min() <= b.prompt_tokens <= prompt.max() + 1e-9 for b in buckets)


def test_bins_are_those_of_a_brute_force_count():
    # 100 prompts of 1..100 tokens: the edges lie at the 30th, 60th, 80th, 95th and 99th; one output length.
    prompt = np.arange(1.0, 101.0)
    buckets = joint_buckets(prompt, np.full(100, 7.0))
    bins = [range(1, 31), range(31, 61), range(61, 81), range(81, 96), range(96, 100), range(100, 101)]
    assert [b.prompt_tokens for b in buckets] == pytest.approx([sum(bin_) / len(bin_) for bin_ in bins])
    assert [b.share for b in buckets] == pytest.approx([len(bin_) / 100 for bin_ in bins])
    assert {b.output_tokens for b in buckets} == {7.0}


def test_lengths_that_go_together_stay_together():
    # Short prompts have long answers here; a grid of independent lengths would mix them.
    prompt = np.array([100.0] * 50 + [9000.0] * 50)
    output = np.array([800.0] * 50 + [10.0] * 50)
    assert joint_buckets(prompt, output) == (
        SizeBucket(prompt_tokens=100.0, output_tokens=800.0, share=0.5),
        SizeBucket(prompt_tokens=9000.0, output_tokens=10.0, share=0.5),
    )


def table(prompt, output):
    rows = [("prompt_tokens", *point) for point in prompt] + [("output_tokens", *point) for point in output]
    columns = ("field", "quantile_pct", "tokens")
    numbered = tuple((n, dict(zip(columns, map(str, row), strict=True))) for n, row in enumerate(rows, 2))
    return CsvTable(where="q.csv", comments={}, header=columns, rows=numbered)


@st.composite
def quantile_points(draw):
    inner = draw(st.sets(st.integers(0, 98), max_size=12))
    pct = [*sorted(inner), 99.0, 100.0]
    tokens = sorted(draw(st.lists(st.integers(1, 100_000), min_size=len(pct), max_size=len(pct))))
    return list(zip(pct, tokens, strict=True))


def fine_mean(points):
    """The quantile function's mean by the midpoint rule on 200,000 steps."""
    u = (np.arange(200_000) + 0.5) / 2000.0
    pct, tokens = zip(*points, strict=True)
    return float(np.interp(u, pct, tokens).mean())


@given(quantile_points(), quantile_points())
def test_the_quantile_grid_has_the_mean_of_the_quantile_function(prompt, output):
    buckets = quantile_buckets(table(prompt, output))
    assert len(buckets) == 30
    assert sum(bucket.share for bucket in buckets) == pytest.approx(1, abs=1e-12)
    assert mean(buckets, "prompt_tokens") == pytest.approx(fine_mean(prompt), rel=1e-3)
    assert mean(buckets, "output_tokens") == pytest.approx(fine_mean(output), rel=1e-3)


def test_the_longest_requests_have_a_bucket_of_their_own():
    # Straight lines worked by hand: the last prompt bin is 99 to 100 %, the last output bin 98 to 100 %.
    buckets = quantile_buckets(table([(0, 100), (99, 1090), (100, 5090)], [(0, 1), (100, 201)]))
    longest = max(buckets, key=lambda b: (b.prompt_tokens, b.output_tokens))
    assert longest.prompt_tokens == pytest.approx((1090 + 5090) / 2)
    assert longest.output_tokens == pytest.approx((1 + 2 * 98 + 201) / 2)
    assert longest.share == pytest.approx(0.01 * 0.02)


def test_sizes_are_read_from_a_quantile_file(write_workload):
    path = write_workload(sizes="sizes: {quantiles: q.csv}")
    rows = "prompt_tokens,0,100\nprompt_tokens,100,300\noutput_tokens,50,40\noutput_tokens,99,40\n"
    (path.parent / "q.csv").write_text("# a comment\nfield,quantile_pct,tokens\n" + rows, encoding="utf-8")
    workload = load_workload(path)
    assert mean(workload.buckets, "prompt_tokens") == pytest.approx(200)
    assert {round(b.output_tokens, 9) for b in workload.buckets} == {40.0}
    assert any("independent" in note for note in workload.notes)


GOOD = [(0, 100), (100, 300)]
FAULTS = {
    "no output": ((GOOD, []), ["no rows for output_tokens"]),
    "falling lengths": (([(0, 100), (50, 90), (100, 300)], GOOD), ["line 3", "tokens = '90'", "no lower"]),
    "falling quantiles": (
        ([(50, 100), (40, 200), (100, 300)], GOOD),
        ["line 3", "quantile_pct = '40'", "rising"],
    ),
    "past 100 %": (([(0, 100), (101, 200)], GOOD), ["line 3", "quantile_pct = '101'"]),
    "shares for percent": (
        ([(0, 100), (0.5, 200), (1, 300)], GOOD),
        ["last quantile_pct of prompt_tokens = 1.0", "99"],
    ),
    "no tail": ((GOOD, [(0, 1), (95, 9)]), ["last quantile_pct of output_tokens = 95.0", "at least 99"]),
    "no tokens": (([(0, 0), (100, 300)], GOOD), ["line 2", "tokens = '0'"]),
    "no number": ((GOOD, [(0, "nan"), (100, 2)]), ["line 4", "tokens = 'nan'"]),
}


@pytest.mark.parametrize(("points", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_a_quantile_file_is_named(points, words):
    with pytest.raises(UsageError) as caught:
        quantile_buckets(table(*points))
    for word in ["q.csv", *words]:
        assert word in str(caught.value)


def test_a_quantile_file_without_its_columns_is_refused():
    bare = CsvTable(where="q.csv", comments={}, header=("field", "pct", "tokens"), rows=())
    with pytest.raises(UsageError, match=r"q\.csv: columns = 'field,pct,tokens': no quantile_pct among them"):
        quantile_buckets(bare)
    with pytest.raises(UsageError, match="field = 'prompt': did you mean prompt_tokens"):
        quantile_buckets(
            CsvTable(
                where="q.csv",
                comments={},
                header=("field", "quantile_pct", "tokens"),
                rows=((2, {"field": "prompt", "quantile_pct": "0", "tokens": "1"}),),
            )
        )


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
def test_shares_written_to_six_places_are_made_to_sum_to_1(weights):
    from optimiser.workload.schema import SizesFields
    from optimiser.workload.sizes import size_buckets

    shares = [round(weight / sum(weights), 7) for weight in weights]
    fields = {"buckets": [{"prompt_tokens": 1, "output_tokens": 1, "share": share} for share in shares]}
    buckets = size_buckets(None, SizesFields.model_validate(fields), None, [])
    assert sum(bucket.share for bucket in buckets) == pytest.approx(1, abs=1e-12)
