"""What share of an estimate to plan on, so that the true rate is at least that at a stated confidence."""

from __future__ import annotations

import math


def planned_share(relative_error: float, confidence: float) -> float:
    """The share of an estimated rate that the true rate reaches with probability `confidence`.

    relative_error m is the estimate's median error without its sign (0.1 is 10 %). The logarithm of true over
    estimated rate is taken as Laplace(0, b), since the 90th percentile of the errors measured is 3 to 4 times their
    median (config/README.md) and a Laplace distribution has ln 10 / ln 2 = 3.32 (a normal one 2.44). Its median
    size is b·ln 2 = ln(1 + m), and P(log error < −x) = e^(−x/b) / 2 = 1 − c at x = b·ln(1 / (2(1 − c))): the
    share e^(−x) is (1 + m)^(−log2(1 / (2(1 − c)))). Half of all rates are above the estimate itself (c = 0.5, share
    1), three quarters above 1 / (1 + m) of it. Raises ValueError for a confidence outside 0.5 ≤ c < 1 and for a
    negative error.
    """
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence {confidence:g}: must be at least 0.5 and below 1")
    if not relative_error >= 0.0:
        raise ValueError(f"relative error {relative_error:g}: must not be negative")
    return float((1.0 + relative_error) ** -math.log2(1.0 / (2.0 * (1.0 - confidence))))
