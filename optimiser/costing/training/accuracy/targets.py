"""What estimates of training are held to: each published figure beside ours, its error, its target, met or missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from optimiser.costing.training.accuracy.judge import Energy, TrainingAccuracy

HOURS_TARGET, IDENTITY_TARGET = 0.20, 0.01
# kg CO2e per kWh of GPUs, PUE included, by what a row's model begins with. Llama 2's table has hours, W and tonnes; its
# tonnes are made as LLaMA's are: a PUE of 1.1 and 0.385 kg per kWh (arXiv 2302.13971, section 6). BLOOM: 57 g per kWh
# (arXiv 2211.02001).
_KG_PER_KWH: Mapping[str, float] = {"Llama-2-": 1.1 * 0.385, "BLOOM-": 0.057}
# Llama 3.1's model card names no factor: what its other runs on the card come to stands in, all on one grid.
_SIBLINGS: Mapping[str, tuple[str, ...]] = {"Llama-3.1-405B": ("Llama-3.1-8B", "Llama-3.1-70B")}
_DENSE, _MIXTURE = "DeepSeek-67B (per 1T tokens)", "DeepSeek-V2 (per 1T tokens)"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A published figure and ours, in the unit that `what` names, or an error (published None) held to a target. An
    identity has the published GPU-hours × W as ours, and judges no prediction.
    """

    what: str
    identity: bool = False
    published: float | None
    ours: float
    target: float

    @property
    def error(self) -> float:
        """|ours / published − 1|."""
        return self.ours if self.published is None else abs(self.ours / self.published - 1)

    @property
    def met(self) -> bool:
        """Whether the error is within the target."""
        return self.error <= self.target


def targets(found: TrainingAccuracy) -> tuple[Target, ...]:
    """Every target that the table has rows for."""
    return (*_hours(found), *_saving(found), *_identities(found.energies))


def _hours(found: TrainingAccuracy) -> Iterable[Target]:
    errors = {
        "GPU-hours of whole runs, median error": [one.error for one in found.whole],
        "the same, each by the other runs": list(found.left_one_out()),
    }
    for what, each in errors.items():
        if each:
            yield Target(what=what, published=None, ours=median(each), target=HOURS_TARGET)


def _saving(found: TrainingAccuracy) -> Iterable[Target]:
    """What latent attention and experts save of a dense model's hours (arXiv 2405.04434, section 3.2.3). What
    two predictions of hours differ by is known no better than they are.
    """
    pair = {one.run.model: one for one in found.whole if one.run.model in (_DENSE, _MIXTURE)}
    if len(pair) < 2:
        return
    for name, one in pair.items():
        yield Target(
            what=f"{name}, H800-hours", published=one.measured, ours=one.predicted, target=HOURS_TARGET
        )
    dense, mixture = pair[_DENSE], pair[_MIXTURE]
    yield Target(
        what="DeepSeek-V2 for 67B, % of H800-hours saved",
        published=100 * (1 - mixture.measured / dense.measured),
        ours=100 * (1 - mixture.predicted / dense.predicted),
        target=HOURS_TARGET,
    )


def _identities(energies: Sequence[Energy]) -> Iterable[Target]:
    """GPU-hours × W against the energy that authors give, or else that their tonnes mean; and tonnes by their grid."""
    for one in energies:
        kg_per_kwh = _factor(one.model, energies)
        if kg_per_kwh is None or one.mwh_by_hours is None:
            continue
        given = one.published_mwh
        said = "published" if given else "their tonnes over kg/kWh"
        yield Target(
            what=f"{one.model}, MWh ({said})",
            identity=True,
            published=given or one.tonnes / kg_per_kwh,
            ours=one.mwh_by_hours,
            target=IDENTITY_TARGET,
        )
        yield Target(
            what=f"{one.model}, t CO2e at {kg_per_kwh:.4f} kg/kWh",
            identity=True,
            published=one.tonnes,
            ours=one.mwh_by_hours * kg_per_kwh,
            target=IDENTITY_TARGET,
        )


def _factor(model: str, energies: Sequence[Energy]) -> float | None:
    """kg CO2e per kWh that a row's authors reckon with, from what they say beside the row; None where unknown."""
    if model in _SIBLINGS:
        others = [one for one in energies if one.model in _SIBLINGS[model]]
        mwh = sum(one.mwh for one in others)
        return sum(one.tonnes for one in others) / mwh if mwh else None
    return next((factor for name, factor in _KG_PER_KWH.items() if model.startswith(name)), None)
