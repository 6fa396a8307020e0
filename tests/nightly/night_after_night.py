"""One store, and the refreshes that fill it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from optimiser.config import Config
from optimiser.prices.store import open_store, scopes_in_force
from optimiser.refresh import Event, RefreshReport, RefreshRequest, refresh
from providers.fetch import Scope
from providers.gcp.client import GcpClient

DAY = timedelta(days=1)
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDNOTREALBUTSECRET",
    "AWS_SECRET_ACCESS_KEY": "not-real-but-secret/aws",
    "AWS_SESSION_TOKEN": "not-real-but-secret/session",
}


@dataclass
class Nights:
    """One store, and the refreshes that fill it, a day apart by their own clock."""

    url: str
    config: Config
    first: datetime
    events: list[Event] = field(default_factory=list)

    def refresh(self, day: float = 1, **asked: Any) -> RefreshReport:
        """The refresh so many days after the first one."""
        request = RefreshRequest(
            config=self.config,
            store_url=self.url,
            clock=lambda: self.first + day * DAY,
            tell=self.events.append,
            **{"wait_seconds": 0, "clients": {"gcp": GcpClient(retry_seconds=0.3)}, **asked},
        )
        return refresh(request)

    def nights(self) -> dict[Scope, float]:
        """On which day what is in force in each scope was fetched."""
        with open_store(self.url) as store:
            return {scope: (seen - self.first) / DAY for scope, (seen, _) in scopes_in_force(store).items()}
