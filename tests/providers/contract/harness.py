"""What the contract tests must know of one provider to put any adapter through the same questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optimiser.config import load_config
from providers import load
from providers.fetch import FetchResult
from providers.offer import Tier
from providers.shape import InstanceShape

SHAPES: tuple[InstanceShape, ...] = tuple(load_config().shapes.values())
# The clock of every fetch. The fakes list nothing that begins later.
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# What no error, price or count may ever repeat; the fakes' refusals are full of it.
SECRETS = (
    "AKIDNOTREALBUTSECRET",
    "not-real-but-secret/key",
    "not-real-but-secret/session",
    "arn:aws:iam::123456789012:user/somebody",
    "somebody@secret-project.iam.gserviceaccount.com",
    "00000000-aaaa-bbbb-cccc-secretsubscr",
)
LEAKY = "refused to " + " with ".join(SECRETS)


@dataclass(frozen=True, kw_only=True)
class Breaks:
    """How to make a running fake fail: whole (outage: 5xx, refused: 403, garbage: unreadable), in words full of
    SECRETS, or in one place: scopes says by tier how to make it fail in a region, and nothing in another.
    """

    outage: Callable[[Any], object]
    refused: Callable[[Any], object]
    garbage: Callable[[Any], object]
    scopes: Mapping[Tier, Callable[[Any, str], object]]


@dataclass(frozen=True, kw_only=True)
class Harness:
    """One provider in the contract tests.

    start(folder) runs its fake on 127.0.0.1, which sells instance_types in both regions on every tier, over more
    than one page; environment(fake, folder) makes the adapter's own client find it. client builds one that does
    not wait long between tries. no_credentials are the variables that take the sign-in away (None: unset), None
    where prices need none. sdk are the packages of its client library. embedded says whether config/prices has a
    file of it.
    """

    start: Callable[[Path], AbstractContextManager[Any]]
    environment: Callable[[Any, Path], Mapping[str, str]]
    regions: tuple[str, str]
    instance_types: tuple[str, ...]
    breaks: Breaks
    client: Callable[[], Any]
    no_credentials: Mapping[str, str | None] | None
    sdk: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    patches: Mapping[str, Any] = field(default_factory=dict)
    embedded: bool = True


@dataclass(frozen=True, kw_only=True)
class Running:
    """A provider whose fake runs, and stands in the environment of this process."""

    name: str
    harness: Harness
    fake: Any

    @property
    def shapes(self) -> list[InstanceShape]:
        """The shapes that the fake sells."""
        return [shape for shape in SHAPES if shape.instance_type in self.harness.instance_types]

    def fetch(self, *regions: str, tiers: tuple[Tier, ...] = tuple(Tier), **more: Any) -> FetchResult:
        """What the adapter answers; no region named: all of them. more replaces arguments of fetch_offers."""
        asked = {"shapes": self.shapes, "regions": list(regions) or None, **more}
        if "client" not in asked:
            asked["client"] = self.harness.client()
        result: FetchResult = load(self.name).fetch_offers(**asked, tiers=tiers, now=NOW)
        return result
