"""Robust least squares for a few dozen smooth unknowns, each drawn to where it is expected.

Gauss-Newton with Levenberg's damping (any textbook on numerical optimisation). Errors up to SCALE count by their
square, larger ones by their size (pseudo-Huber), so that a wild row counts little more than a poor one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.layouts import Array

Mask = NDArray[np.bool_]
# Unknowns that may be moved at once, as they touch different residuals: (index, the residuals it touches).
Block = Sequence[tuple[int, Mask]]

SCALE = 0.1
LARGEST_ERROR = 3.0
_STEP, _LARGEST_MOVE, _ENOUGH = 2e-3, 0.5, 1e-4
_TRIES = 8


def pseudo_huber(errors: Array) -> Array:
    """Signed roots of the loss 2·s²·(√(1 + (e/s)²) − 1); an error without a value counts as LARGEST_ERROR."""
    bounded = np.clip(np.nan_to_num(errors, nan=LARGEST_ERROR), -LARGEST_ERROR, LARGEST_ERROR)
    loss = 2.0 * (np.sqrt(1.0 + (bounded / SCALE) ** 2) - 1.0)
    return np.asarray(np.sign(bounded) * SCALE * np.sqrt(loss))


def minimise(
    errors: Callable[[Array], Array],
    weights: Array,
    start: Array,
    expected: Array,
    pull: float,
    blocks: Sequence[Block],
    rounds: int,
) -> Array:
    """The unknowns with the least Σ (weight · loss(error))² + Σ (pull · (unknown − expected))², near start.

    errors maps the unknowns to the errors, (cases,), and weights are theirs. blocks hold every unknown once.
    """

    def residuals(at: Array) -> Array:
        return np.concatenate([pseudo_huber(errors(at)) * weights, pull * (at - expected)])

    at, now, damping = start, residuals(start), 1e-3
    for _ in range(rounds):
        slopes = _slopes(residuals, at, now, blocks, len(weights), pull)
        curvature, gradient = slopes.T @ slopes, slopes.T @ now
        for _ in range(_TRIES):
            damped = curvature + damping * np.diag(np.diag(curvature))
            move = np.clip(-np.linalg.solve(damped, gradient), -_LARGEST_MOVE, _LARGEST_MOVE)
            then = residuals(at + move)
            if then @ then < now @ now:
                break
            damping *= 4.0
        else:
            return at
        gain = 1.0 - (then @ then) / (now @ now)
        at, now, damping = at + move, then, max(damping / 5.0, 1e-6)
        if gain < _ENOUGH:
            break
    return at


def _slopes(
    residuals: Callable[[Array], Array],
    at: Array,
    now: Array,
    blocks: Sequence[Block],
    cases: int,
    pull: float,
) -> Array:
    """d residual / d unknown by forward differences, a block of unknowns at once."""
    slopes = np.zeros((len(now), len(at)))
    for block in blocks:
        moved = at.copy()
        moved[[index for index, _ in block]] += _STEP
        change = (residuals(moved) - now)[:cases] / _STEP
        for index, mask in block:
            slopes[:cases, index] = np.where(mask, change, 0.0)
            slopes[cases + index, index] = pull
    return slopes
