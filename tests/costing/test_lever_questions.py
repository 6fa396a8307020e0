"""What each lever makes of the question, and why it leaves one alone: worked by hand, nothing is planned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st
from lever_requests import CONFIG, GIVEN, small_request

from optimiser.costing.levers import levers_for
from optimiser.costing.levers.lever import Changed, Given, InPlace, NotHere, Outcome
from optimiser.costing.levers.models import family_of, next_size_down
from optimiser.costing.levers.pruned import narrowed, sparse_bytes_per_weight, without_layers
from optimiser.costing.levers.serving import draft_like_one_layer
from optimiser.performance.model_checks import check_model
from optimiser.performance.parameters import parameter_count
from optimiser.recommend import Request

LEVERS = levers_for(CONFIG)
REQUEST = small_request()
IN_SCENARIOS = small_request(
    {"scenarios": "[{name: usual, probability: 0.6}, {name: more, probability: 0.4, scale: 2}]"}
)
CACHED = "{prompt_tokens: 1000, output_tokens: 200, cached_prefix_tokens: 400}"


def pulled(name: str, request: Request = REQUEST, given: Given = GIVEN) -> Outcome:
    return LEVERS[name].apply(request, given)


def changed(name: str, request: Request = REQUEST, given: Given = GIVEN) -> Changed:
    outcome = pulled(name, request, given)
    assert isinstance(outcome, Changed), outcome
    return outcome


def why(name: str, request: Request = REQUEST, given: Given = GIVEN) -> str:
    outcome = pulled(name, request, given)
    assert isinstance(outcome, NotHere | InPlace), outcome
    return outcome.why


def test_weights_get_narrower_and_never_wider() -> None:
    assert changed("weights-fp8").request.workload.weight_precision == "fp8"
    in_fp8 = small_request({"weight_precision": "fp8"})
    assert isinstance(pulled("weights-fp8", in_fp8), InPlace)
    assert why("weights-int8", in_fp8) == "weights are in fp8 already, which is no wider"
    assert changed("weights-int4", in_fp8).request.workload.weight_precision == "int4"
    # gpt-oss is published in 4 bit.
    assert "fp4" in why("weights-fp8", small_request({"model": "gpt-oss-20b"}))
    assert isinstance(pulled("kv-fp8", small_request({"kv_precision": "fp8"})), InPlace)


def test_the_next_size_down_is_of_the_same_family_else_of_its_generation() -> None:
    down = {name: next_size_down(CONFIG.models[name], CONFIG.models) for name in CONFIG.models}
    names = {name: model and model.name for name, model in down.items()}
    assert names["llama-3.1-405b"] == "llama-3.1-70b"
    assert names["llama-3.1-70b"] == "llama-3.1-8b"
    # 3.3 has no smaller one of its own: of the two with 8B the last.
    assert names["llama-3.3-70b"] == "llama-3.1-8b"
    # Qwen3 32B is smaller than 235B with 22B active and yet more work for each token.
    assert names["qwen3-235b-a22b"] == "qwen3-30b-a3b"
    assert names["mixtral-8x22b"] == "mixtral-8x7b"
    assert names["deepseek-r1"] is None
    assert names["qwen2.5-coder-32b"] is None
    assert family_of("gpt-oss-120b") == "gpt-oss"


def test_another_model_keeps_the_question_and_drops_the_drafts_of_the_former() -> None:
    drafted = small_request({"speculative_decoding": "{tokens_per_step: 2, draft_tokens: 3}"})
    smaller = changed("distil", drafted)
    assert smaller.request.workload.model == "llama-3.1-8b"
    assert smaller.request.workload.techniques.speculative_decoding is None
    assert "without speculative decoding" in smaller.note
    named = changed("distil", given=replace(GIVEN, distil="qwen3-8b"))
    assert named.setting == "--set model=qwen3-8b"
    assert "--distil" in why("distil", small_request({"model": "deepseek-r1"}))
    other = changed("architecture")
    assert (other.request.workload.model, other.quality[:4]) == ("deepseek-v2", "MMLU")
    assert why("architecture", small_request({"model": "deepseek-r1"})).startswith("already a mixture")
    assert "--architecture" in why("architecture", small_request({"model": "phi-4"}))


def test_a_quarter_of_the_layers_or_of_the_width_is_left_out() -> None:
    llama = CONFIG.models["llama-3.1-70b"]
    # 0.75 · 80 layers; 0.75 · 28,672 = 21,504 = 84 · 256.
    assert without_layers(llama, 0.25).layers == 60
    assert narrowed(llama, 0.25).intermediate == 21_504
    # A layer of 8,192 · (64 + 16) · 128 + 8,192² + 3 · 8,192 · 28,672 weights and two norms, of which 20 are gone.
    layer = 8_192 * 80 * 128 + 8_192**2 + 3 * 8_192 * 28_672 + 2 * 8_192
    assert parameter_count(llama) - parameter_count(without_layers(llama, 0.25)) == 20 * layer
    assert changed("prune-layers").note.startswith("24 % fewer weights")
    assert changed("prune-layers").request.config.find_model("llama-3.1-70b of 60 layers").layers == 60


@examples(st.sampled_from(sorted(CONFIG.models)), st.floats(min_value=0.01, max_value=0.99))
def test_whatever_is_pruned_is_a_model_still_and_no_larger(name: str, share: float) -> None:
    model = CONFIG.models[name]
    for smaller in (without_layers(model, share), narrowed(model, share)):
        check_model(smaller, name)
        assert parameter_count(smaller) <= parameter_count(model) * 1.03


def test_two_of_four_weights_take_half_and_an_index() -> None:
    llama = CONFIG.models["llama-3.1-70b"]
    # 16 bit: two values of 16 and two indices of 2 bit for four weights: 36 / 4 = 9 bit.
    assert sparse_bytes_per_weight(llama, "bf16") == 9 / 8
    assert sparse_bytes_per_weight(llama, "fp8") == 5 / 8
    assert "0.19" in why("sparse-2of4")
    able = changed("sparse-2of4", small_request({"engine": "trtllm"}))
    assert able.request.policy.gpus is not None
    assert {"H100", "A100-80GB", "L4"} <= set(able.request.policy.gpus)
    assert not {"T4", "V100", "MI300X"} & set(able.request.policy.gpus)
    assert "sparse tensor cores" in why("sparse-2of4", small_request({"engine": "trtllm"}, gpus=("T4",)))


def test_hit_shares_come_from_the_trace_or_the_user_and_are_never_made_up() -> None:
    assert "--prefix-hit" in why("prefix-cache")
    assert "--response-hit" in why("response-cache")
    (bucket,) = changed("prefix-cache", given=replace(GIVEN, prefix_hit=0.4)).request.workload.buckets
    assert bucket.cached_prefix_tokens == 400
    cached = small_request({"sizes": CACHED})
    outcome = pulled("prefix-cache", cached)
    assert isinstance(outcome, InPlace)
    assert outcome.why.startswith("already 40 %")
    assert outcome.without is not None
    assert outcome.without.workload.buckets[0].cached_prefix_tokens == 0
    # The last token of a prompt is always computed.
    (bucket,) = changed("prefix-cache", cached, replace(GIVEN, prefix_hit=0.9999)).request.workload.buckets
    assert bucket.cached_prefix_tokens == 999


@examples(st.floats(min_value=0.01, max_value=0.99))
def test_answers_from_a_cache_take_that_share_of_all_requests(hit: float) -> None:
    before = IN_SCENARIOS
    after = changed("response-cache", before, replace(GIVEN, response_hit=hit)).request.workload

    def requests(periods: object) -> float:
        return sum(one.mean_rps * one.hours for one in periods)  # type: ignore[attr-defined]

    for old, new in (
        (before.workload.periods, after.periods),
        *((a.periods, b.periods) for a, b in zip(before.workload.scenarios, after.scenarios, strict=True)),
    ):
        assert requests(new) == pytest.approx((1 - hit) * requests(old))


def test_drafts_are_planned_at_published_acceptance_or_the_users() -> None:
    assert "--accepted-tokens" in why("speculative")
    eight = small_request({"model": "llama-3.1-8b"})
    drafts = changed("speculative", eight).request.workload.techniques.speculative_decoding
    assert drafts is not None
    assert (drafts.tokens_per_step, drafts.draft_tokens) == (2.77, 7)
    # A layer: attention 4,096 · (32 + 16 + 32) · 128, feed-forward 3 · 4,096 · 14,336, norms 2 · 4,096, a 32nd of the
    # last norm; the head 128,256 · 4,096.
    by_hand = 4_096 * 80 * 128 + 3 * 4_096 * 14_336 + 2 * 4_096 + 4_096 / 32 + 128_256 * 4_096
    assert draft_like_one_layer(CONFIG.models["llama-3.1-8b"]) == pytest.approx(by_hand, rel=1e-12)
    own = replace(GIVEN, accepted_tokens=2.4, draft_tokens=3, draft_parameters=0.0)
    assert "tokens_per_step: 2.4, draft_tokens: 3}" in changed("speculative", given=own).setting
    drafted = small_request({"speculative_decoding": "{tokens_per_step: 2, draft_tokens: 3}"})
    assert why("speculative", drafted) == "already 2 tokens a step"


def test_targets_move_by_their_steps_and_never_to_nothing() -> None:
    target = changed("tpot+10").request.workload.target
    assert target is not None
    assert (target.tpot_ms, target.ttft_ms) == (60, 2000)
    assert "no room" in why("tpot-10", small_request({"target.tpot_ms": "10"}))
    assert changed("no-target").request.workload.target is None
    assert why("ttft+100", small_request({"target": "null"})) == "there is no latency target"
    (bucket,) = changed("output-25").request.workload.buckets
    assert bucket.output_tokens == 150


def test_tiers_and_places_are_opened_where_they_are_closed() -> None:
    closed = small_request(tiers=("on_demand",))
    spot = changed("spot", closed).request.policy
    assert (spot.tiers, spot.max_spot_share) == (("on_demand", "spot"), 0.3)
    years = changed("commit-3y", closed).request.policy
    assert (years.tiers, years.max_commitment_months) == (("on_demand", "reserved"), 36)
    assert isinstance(pulled("spot"), InPlace)
    assert isinstance(pulled("commit-1y"), InPlace)
    assert "see spot" in why("spot-50", closed)
    assert changed("regions").request.policy.regions is None
    assert changed("providers").request.policy.providers is None
    assert isinstance(pulled("regions", small_request(regions=None)), InPlace)
    amd = changed("gpu-MI300X").request.policy
    assert (amd.gpus, amd.gpu_vendors, amd.instance_types) == (("MI300X",), ("AMD",), None)


def test_a_constant_fleet_carries_the_busiest_hour_in_all() -> None:
    outcome = pulled("autoscale")
    assert isinstance(outcome, InPlace)
    assert outcome.without is not None
    assert [one.mean_rps for one in outcome.without.workload.periods] == [66, 66, 66, 66]
    flat = small_request({"demand": "{requests_per_second: 20}"})
    assert "same in every hour" in why("autoscale", flat)
