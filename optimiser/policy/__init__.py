"""The rules a plan obeys: every default protects a first-time user, every one can be overridden."""

from __future__ import annotations

from optimiser.policy.buying import Buying
from optimiser.policy.limits import Limits, Overheads
from optimiser.policy.places import Places
from optimiser.policy.running import Deployment, Running
from optimiser.policy.schedule import Schedule
from optimiser.policy.spot import Spot

__all__ = ["Deployment", "Overheads", "Policy"]


class Policy(Limits, Schedule, Running, Spot, Buying, Places):
    """What may be bought and how careful to be. Shares are 0..1, money is USD, rates are requests per second."""
