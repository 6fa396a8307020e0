"""What all runs of a training job come to where some of it is sold whole: terms of commitments, Capacity Blocks.

The rules, none of which understates: runs of `training` follow one another on one cluster, so that its commitments are
paid for as many whole terms as their hours take. Cycles of retraining are spread over the months: commitments are held
from the first start to the last end, so many side by side as overlap, or signed for each cycle, whichever are fewer.
Capacity Blocks are bought for each run, a part of a run taking a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise

from optimiser.costing.project.amounts import ZERO, Range, in_cents, rounded
from optimiser.costing.project.formulas import MONTHS_PER_YEAR
from optimiser.costing.training.plan import TrainChoice
from optimiser.costing.training.ways import BLOCK, RESERVED
from optimiser.planning.plan import HOURS_PER_MONTH

JOB_HOURS = "job_hours"
_NOTHING = Decimal("1e-12")


@dataclass(frozen=True, kw_only=True)
class Use:
    """When a section runs its job: from month `begins` (0 is the first of the horizon) for so many months of it, each
    run after the other, or evenly over the months (cycles).
    """

    begins: int
    months: int
    horizon: int
    evenly: bool

    def runs(self, asked: Decimal) -> Decimal:
        """Runs over the horizon: as many as asked, of cycles so many a year."""
        return asked * self.months / MONTHS_PER_YEAR if self.evenly else asked

    def starting(self, runs: Decimal) -> list[int]:
        """How many of runs spread evenly over its months start in each month of the horizon, a part being whole."""
        before = [_up(runs * month / self.months) for month in range(self.months + 1)]
        inside = [until - since for since, until in pairwise(before)]
        after = self.horizon - self.begins - self.months
        return [*[0] * self.begins, *inside, *[0] * after]


@dataclass(frozen=True, kw_only=True)
class RunPaid:
    """How one run is paid: hours it lasts; USD that go by its hours; of a commitment the months of a term, USD of one
    term of all instances (overheads in percent of it among them) and the cash at its start; term_months 0 is none. Of
    a Capacity Block (whole) all is by the run, and upfront_usd cash at its start.
    """

    hours: Decimal
    usd: Decimal
    term_months: int
    term_usd: Decimal
    upfront_usd: Decimal
    whole: bool

    @property
    def term_hours(self) -> int:
        """Hours of one term."""
        return self.term_months * HOURS_PER_MONTH


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Whole terms over the horizon, how many start in each of its months (what starts later is put in the last), and
    how many months the last of them runs on after it.
    """

    count: int
    starting: tuple[int, ...]
    months_beyond_end: int


def run_paid(choice: TrainChoice, overheads_percent: float) -> RunPaid:
    """What of a plan's choice is paid by the hour, and what by the term."""
    hours, leg = Decimal(str(choice.hours)), choice.legs[0]
    if choice.how != RESERVED:
        whole = choice.how == BLOCK
        upfront = choice.upfront_usd if whole else ZERO
        return RunPaid(
            hours=hours,
            usd=choice.total_usd,
            term_months=0,
            term_usd=ZERO,
            upfront_usd=upfront,
            whole=whole,
        )
    terms = round(leg.billed_hours_per_instance / (leg.term_months * HOURS_PER_MONTH))
    term_usd = in_cents(leg.usd * (1 + Decimal(str(overheads_percent)) / 100) / terms)
    return RunPaid(
        hours=hours,
        usd=max(choice.total_usd - terms * term_usd, ZERO),
        term_months=leg.term_months,
        term_usd=term_usd,
        upfront_usd=in_cents(leg.upfront_usd / terms),
        whole=False,
    )


def usd_of_runs(paid: RunPaid, use: Use, runs: Decimal, hours: Decimal) -> Decimal:
    """USD of so many runs over the horizon, each of so many hours."""
    if paid.whole:
        return paid.usd * _up(runs)
    if not paid.term_months:
        return paid.usd * hours / paid.hours * runs
    return paid.usd * hours / paid.hours * runs + paid.term_usd * terms_of(paid, use, runs, hours).count


def terms_of(paid: RunPaid, use: Use, runs: Decimal, hours: Decimal) -> Terms:
    """The whole terms that cover so many runs. In turn: ceil(runs × hours / hours of a term). Evenly, `apart` months
    from start to start: ceil(hours / apart) clusters held from the first start to the last end in whole terms, or
    ceil(hours / hours of a term) terms signed for each run, whichever are fewer: both cover every run.
    """
    term = paid.term_months
    if not use.evenly:
        return _held(use, term, _up(runs * hours / paid.term_hours), 1)
    each, of_each = _up(runs), _up(hours / paid.term_hours)
    if not each:
        return _held(use, term, 0, 0)
    apart = use.months / runs
    side_by_side = _up(hours / HOURS_PER_MONTH / apart)
    along = _up(((each - 1) * apart + hours / HOURS_PER_MONTH) / term)
    if side_by_side * along <= each * of_each:
        return _held(use, term, along, side_by_side)
    starting = use.starting(runs)
    last = max(month for month, count in enumerate(starting) if count)
    return Terms(
        count=each * of_each,
        starting=tuple(count * of_each for count in starting),
        months_beyond_end=max(last + of_each * term - use.horizon, 0),
    )


def _held(use: Use, term: int, in_turn: int, side_by_side: int) -> Terms:
    """Terms one after another from the first month on, so many of each."""
    starting, last = [0] * use.horizon, use.horizon - 1
    inside = min(in_turn, -(-(use.horizon - use.begins) // term))
    for at in range(inside):
        starting[use.begins + at * term] += side_by_side
    starting[last] += (in_turn - inside) * side_by_side
    beyond = max(use.begins + in_turn * term - use.horizon, 0) if in_turn else 0
    return Terms(count=in_turn * side_by_side, starting=tuple(starting), months_beyond_end=beyond)


@dataclass(frozen=True, kw_only=True)
class JobCash:
    """USD of cash up front that is paid in a month; what is paid after the last month stands in that one."""

    month: str
    usd: Decimal


@dataclass(frozen=True, kw_only=True)
class RunsPaid:
    """The runs of a section as they are paid: as expected, where they are faster and where they are slower than that.
    asked is the input that says how many they are.
    """

    section: str
    asked: str
    use: Use
    hours: Range
    faster: RunPaid
    expected: RunPaid
    slower: RunPaid

    def usd(self, values: Mapping[str, Decimal]) -> Decimal:
        """USD of all runs over the horizon at one set of values, never less the slower they are."""
        runs, own = self.use.runs(values[self.asked]), self.expected
        hours = values[f"{self.section}.{JOB_HOURS}"]
        found = usd_of_runs(own, self.use, runs, hours)
        if hours < own.hours:
            return min(found, usd_of_runs(self.faster, self.use, runs, max(hours, self.faster.hours)))
        if hours > own.hours:
            return max(found, usd_of_runs(self.slower, self.use, runs, self.slower.hours))
        return found

    def terms(self, runs: Decimal) -> Terms | None:
        """The whole terms of so many runs, as expected; None without a commitment."""
        own = self.expected
        return terms_of(own, self.use, runs, own.hours) if own.term_months else None

    def upfront(self, runs: Decimal, months: Sequence[str]) -> tuple[JobCash, ...]:
        """The cash up front of so many runs in its months, as expected."""
        terms = self.terms(runs)
        starting = self.use.starting(runs) if terms is None else terms.starting
        each = self.expected.upfront_usd
        return tuple(
            JobCash(month=month, usd=count * each)
            for month, count in zip(months, starting, strict=True)
            if count and each
        )


def _up(value: Decimal) -> int:
    """Rounded up, but for what division leaves in the last digits."""
    return int(rounded(value, _NOTHING).to_integral_value(ROUND_CEILING))
