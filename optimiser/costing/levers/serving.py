"""Less work for the same demand: caches, drafts, shorter answers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from optimiser.costing.levers.lever import (
    Asks,
    Changed,
    Given,
    InPlace,
    Lever,
    NotHere,
    Outcome,
    with_workload,
)
from optimiser.performance.parameters import active_parameter_count, parameter_parts
from optimiser.performance.specs import ModelSpec
from optimiser.recommend import Request
from optimiser.workload import SizeBucket
from optimiser.workload.resolved import SpeculativeDecoding
from optimiser.workload.volume import cached_share, times

SHORTER = (0.10, 0.25)


def _with_cached(bucket: SizeBucket, share: float) -> SizeBucket:
    # The last token of a prompt is always computed.
    most = bucket.prompt_tokens - 1.0
    cached = min(max(bucket.cached_prefix_tokens, bucket.prompt_tokens * share), most)
    return replace(bucket, cached_prefix_tokens=cached)


def _prefix(request: Request, given: Given) -> Outcome:
    buckets = request.workload.buckets
    now = cached_share(buckets)
    if given.prefix_hit is None and not now:
        why = (
            "no hit share is known: give --prefix-hit SHARE of prompt tokens (vLLM counts prefix_cache_hits and "
            "prefix_cache_queries), or cached_prefix_tokens in the trace"
        )
        return NotHere(why=why)
    if given.prefix_hit is None or given.prefix_hit <= now + 1e-9:
        none = tuple(replace(one, cached_prefix_tokens=0.0) for one in buckets)
        why = f"already {_percent(now)} of prompt tokens are found in the KV cache"
        return InPlace(why=why, without=with_workload(request, buckets=none))
    share = given.prefix_hit
    return Changed(
        request=with_workload(request, buckets=tuple(_with_cached(one, share) for one in buckets)),
        setting=f"--set sizes.cached_prefix_share={share:g}",
        note="requests have to reach a replica that holds their prefix",
    )


def _response(request: Request, given: Given) -> Outcome:
    if given.response_hit is None:
        why = (
            "no hit share is known: give --response-hit SHARE of requests, as your gateway counts repeated ones (a "
            "trace of lengths does not tell)"
        )
        return NotHere(why=why)
    kept = 1 - given.response_hit
    return Changed(
        request=replace(request, workload=times(request.workload, kept)),
        setting=f"a cache of answers before the service (demand × {kept:g})",
        note="a repeated question gets the earlier answer; hits are taken to be of every size; the cache is not priced",
    )


def draft_like_one_layer(model: ModelSpec) -> float:
    """Weights of a draft of one layer of the model and its output head, per token: (active − head) / layers + head."""
    head = parameter_parts(model).output_head
    return (active_parameter_count(model) - head) / model.layers + head


def _drafts(model: ModelSpec, given: Given) -> tuple[SpeculativeDecoding, str] | None:
    """The drafts to plan with, and where their acceptance is from."""
    row = given.facts.drafts.get(model.name)
    if given.accepted_tokens is not None and given.draft_tokens is not None:
        accepted, proposed, said = given.accepted_tokens, given.draft_tokens, "acceptance as you gave it"
    elif row is not None:
        accepted, proposed = row.tokens_per_step, row.draft_tokens
        said = f"{row.benchmark}; {row.source}"
    else:
        return None
    weights = draft_like_one_layer(model) if given.draft_parameters is None else given.draft_parameters
    drafts = SpeculativeDecoding(
        tokens_per_step=accepted, draft_tokens=proposed, draft_parameters=float(f"{weights:.4g}")
    )
    return drafts, said


def _speculative(request: Request, given: Given) -> Outcome:
    techniques = request.workload.techniques
    if techniques.speculative_decoding:
        without = replace(techniques, speculative_decoding=None)
        now = techniques.speculative_decoding.tokens_per_step
        return InPlace(
            why=f"already {now:g} tokens a step", without=with_workload(request, techniques=without)
        )
    model = request.config.find_model(request.workload.model)
    found = _drafts(model, given)
    if found is None:
        why = (
            f"no published acceptance of drafts for {model.name} in levers.yaml: give --accepted-tokens and "
            "--draft-tokens as your engine logs them"
        )
        return NotHere(why=why)
    drafts, said = found
    fields = f"tokens_per_step: {drafts.tokens_per_step:g}, draft_tokens: {drafts.draft_tokens}"
    fields += f", draft_parameters: {drafts.draft_parameters:.4g}" if drafts.draft_parameters else ""
    return Changed(
        request=with_workload(request, techniques=replace(techniques, speculative_decoding=drafts)),
        setting=f"--set 'speculative_decoding={{{fields}}}'",
        note=said,
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _shorter(request: Request, _given: Given, *, share: float) -> Outcome:
    buckets = tuple(
        replace(one, output_tokens=max(one.output_tokens * (1 - share), 1.0))
        for one in request.workload.buckets
    )
    return Changed(
        request=with_workload(request, buckets=buckets),
        setting="ask for it in the prompt, with max_tokens as a stop",
        note="a percentile of TPOT over shorter answers is less of a mean, and may be harder to meet",
    )


def _shorter_lever(share: float) -> Lever:
    return Lever(
        name=f"output-{share * 100:.0f}",
        title=f"answers {_percent(share)} shorter",
        group="output",
        asks=Asks.ANSWERS,
        apply=partial(_shorter, share=share),
        technique="shorter-answers",
        combine=share == SHORTER[0],
    )


LEVERS = (
    Lever(
        name="prefix-cache", title="prefix caching", group="prefix-cache", asks=Asks.NOTHING, apply=_prefix
    ),
    Lever(
        name="response-cache",
        title="caching whole answers",
        group="response-cache",
        asks=Asks.NOTHING,
        apply=_response,
    ),
    Lever(
        name="speculative",
        title="speculative decoding",
        group="speculative",
        asks=Asks.NOTHING,
        apply=_speculative,
    ),
    *map(_shorter_lever, SHORTER),
)
