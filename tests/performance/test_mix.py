"""What a mix of sizes says of its requests."""

from itertools import product

import numpy as np
import pytest

from optimiser.performance.mix import Mix


def test_requests_that_come_together_overlap_for_the_shorter_of_their_stays() -> None:
    draw = np.random.default_rng(1)
    for buckets in (1, 2, 7):
        outputs = draw.integers(2, 6, buckets).astype(np.float64)
        shares = draw.dirichlet(np.ones(buckets))
        both = sum(
            shares[one] * shares[other] * min(outputs[one], outputs[other])
            for one, other in product(range(buckets), repeat=2)
        )
        mix = Mix.of(np.full((1, 1, buckets), 100.0), outputs[None, None], shares[None, None])
        assert mix.overlap[0, 0] == pytest.approx(both / (shares * outputs).sum())
