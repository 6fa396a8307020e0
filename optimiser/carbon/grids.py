"""What grids emit, on one footing: figures of different methods are never compared with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from optimiser.carbon.embodied import Embodied
from optimiser.carbon.power import Power


@dataclass(frozen=True, kw_only=True)
class Pue:
    """Power usage effectiveness of a provider: what the building draws over what machines do."""

    provider: str
    pue: float
    year: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Carbon intensity of a region's grid, g CO2e per kWh, and how it was found."""

    provider: str
    region: str
    gco2_per_kwh: float
    method: str
    year: int
    source: str
    licence: str = ""


# A region's figures by method.
Figures = Mapping[str, Grid]


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """What is known of energy and carbon: figures of grids by (provider, region), PUE by provider."""

    power: Power
    embodied: Embodied = field(default_factory=Embodied)
    pue: Mapping[str, Pue] = field(default_factory=dict)
    grids: Mapping[tuple[str, str], Figures] = field(default_factory=dict)


def footing(carbon: Carbon, sites: Iterable[tuple[str, str]]) -> str | None:
    """The one method by which all these sites are told: the one that most of them have a figure of.

    Of several, the one made for the fewest places, which is the closest to each. None where no site has any.
    """
    here = Counter(method for site in set(sites) for method in carbon.grids.get(site, {}))
    everywhere = Counter(method for figures in carbon.grids.values() for method in figures)
    return min(here, key=lambda method: (-here[method], everywhere[method], method), default=None)
