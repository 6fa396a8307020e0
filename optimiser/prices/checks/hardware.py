"""Does the cloud describe the machines as config/instances does?"""

from __future__ import annotations

from collections.abc import Iterator

from optimiser.prices.checks.evidence import ALL_REGIONS, Evidence, warn
from optimiser.prices.refreshed import Finding
from providers.fetch import Scope, SeenShape
from providers.offer import Tier
from providers.shape import InstanceShape

TOLERANCE = 0.10


def hardware_matches_config(evidence: Evidence) -> Iterator[Finding]:
    """GPU count, vCPUs, memory and memory of one GPU are within 10 % of the reviewed shape, else a warning.

    What the API does not say is no finding. Never more than a warning: APIs misreport GPUs (AWS gave the sum
    of all as the memory of each L4, Azure 12 GPUs for an 8-GPU machine), so they cross-check the YAML and
    never define it.
    """
    scope = Scope(evidence.provider, ALL_REGIONS, Tier.ON_DEMAND)
    for seen in evidence.seen_shapes:
        shape = evidence.shapes.get((seen.provider, seen.instance_type))
        differs = [] if shape is None else list(_differences(seen, shape, evidence))
        if differs:
            yield warn("hardware_matches_config", scope, seen.instance_type, "; ".join(differs))


def unknown_gpu_instances(evidence: Evidence) -> Iterator[Finding]:
    """GPU instance types on sale that config/instances does not know: one warning that names them all."""
    names = sorted(set(evidence.unknown_gpu_types))
    if names:
        scope = Scope(evidence.provider, ALL_REGIONS, evidence.tiers[0])
        text = (
            f"{len(names):,} GPU instance types on sale have no shape in config/instances: {', '.join(names)}"
        )
        yield warn("unknown_gpu_instances", scope, "", text)


def _differences(seen: SeenShape, shape: InstanceShape, evidence: Evidence) -> Iterator[str]:
    compared: tuple[tuple[str, float | None, float | None], ...] = (
        ("GPUs", seen.gpu_count, shape.gpu_count),
        ("vCPUs", seen.vcpus, shape.vcpus),
        ("GiB of memory", seen.memory_gib, shape.memory_gib),
        ("MiB on each GPU", seen.gpu_memory_mib, evidence.gpu_memory_mib.get(shape.gpu)),
    )
    for unit, found, reviewed in compared:
        if found is not None and reviewed is not None and abs(found - reviewed) > TOLERANCE * reviewed:
            yield f"{found:,g} {unit} by the API, {reviewed:,g} in config"
