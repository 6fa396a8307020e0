"""The cheapest way to hold so many requests per second, on a fine unit of capacity: for fleets too large to list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices, Item, Units

_TOLERANCE = 1e-9


class Knapsack:
    """Covering table on cells of `unit` req/s: usd[x] is the cheapest way to hold at least x cells.

    G(x) = min_i (usd_i + G(max(0, x − w_i))), the covering form of the unbounded knapsack (Kellerer, Pferschy
    and Pisinger, Knapsack Problems, 2004, ch. 8). w_i is the rate in cells, rounded down (never claims
    capacity that is not there; units under one cell are bought as many at once as fill it) or, with
    optimistic=True, up (never costs more than the truth). Limited items come first, in bundles of 1, 2, 4, … times
    that. Memory: 8 bytes per cell and bundle of limited items.
    """

    def __init__(self, items: Sequence[Item], limit: float, unit: float, *, optimistic: bool = False) -> None:
        cells = int(np.ceil(limit / unit - _TOLERANCE)) + 1
        rounded = np.ceil if optimistic else np.floor
        shift = -_TOLERANCE if optimistic else _TOLERANCE
        self.unit = unit
        self.items = items
        least = 0.0 if optimistic else unit
        self._at_once = [max(int(np.ceil(least / item.rate - _TOLERANCE)), 1) for item in items]
        pairs = list(zip(items, self._at_once, strict=True))
        self._weights = [int(rounded(item.rate * size / unit + shift)) for item, size in pairs]
        self._usd = [item.usd * size for item, size in pairs]
        self._stages: list[tuple[int, int, Floats]] = []
        table = np.full(cells, np.inf)
        table[0] = 0.0
        for index, item in enumerate(items):
            if item.max_units is not None:
                table = self._add_limited(table, index, item)
        for index, item in enumerate(items):
            if item.max_units is None:
                _add_unlimited(table, self._weights[index], self._usd[index])
        self.usd = table

    def _add_limited(self, table: Floats, index: int, item: Item) -> Floats:
        most = (item.max_units or 0) // self._at_once[index]
        left, bundle = min(most, -(-len(table) // self._weights[index])), 1
        while left > 0:
            size = min(bundle, left)
            self._stages.append((index, size, table))
            weight = min(self._weights[index] * size, len(table) - 1)
            shifted = np.concatenate([np.full(weight, table[0]), table[: len(table) - weight]])
            table = np.minimum(table, shifted + self._usd[index] * size)
            left, bundle = left - size, bundle * 2
        return table

    def cover(self, need: Floats) -> Floats:
        """Cheapest USD per hour for at least `need` req/s, any shape."""
        return self.usd[self._cell(need)]

    def units(self, need: float) -> Units:
        """The units `cover` buys for one need, shape (items,)."""
        counts = np.zeros(len(self.items), dtype=np.int64)
        cell, table = int(self._cell(np.array([need]))[0]), self.usd
        unlimited = [i for i, item in enumerate(self.items) if item.max_units is None]
        while cell > 0:
            index = next((item for item in unlimited if self._bought_last(item, cell)), None)
            if index is None:
                break
            # An item that ends one best purchase ends all along it, so its units come off in one run.
            cells = np.append(np.arange(cell, 0, -self._weights[index]), 0)
            with np.errstate(invalid="ignore"):
                bought = np.abs(table[cells[1:]] + self._usd[index] - table[cells[:-1]]) < 1e-7
            run = int(np.argmin(np.append(bought, False)))
            counts[index] += run
            cell = int(cells[run])
        value = table[cell]
        for index, size, before_stage in reversed(self._stages):
            if abs(before_stage[cell] - value) > 1e-7:
                counts[index] += size
                cell = max(cell - self._weights[index] * size, 0)
                value = before_stage[cell]
        return counts * np.array(self._at_once, dtype=np.int64)

    def many_units(self, needs: Floats) -> Units:
        """`units` for every need, shape (needs, items)."""
        counts = np.zeros((len(needs), len(self.items)), dtype=np.int64)
        cell = self._cell(needs)
        unlimited = [i for i, item in enumerate(self.items) if item.max_units is None]
        left = np.flatnonzero((cell > 0) & np.isfinite(self.usd[cell]))
        before_any = np.full(len(needs), -1)
        while len(left):
            before_any[left] = cell[left]
            for index in unlimited:
                # Copies that end one best purchase end it all together, so they come off in halves.
                size = len(self.usd) // self._weights[index] + 1
                while size:
                    some = left[cell[left] > self._weights[index] * (size - 1)]
                    before = np.maximum(cell[some] - self._weights[index] * size, 0)
                    last = np.abs(self.usd[before] + self._usd[index] * size - self.usd[cell[some]]) < 1e-7
                    counts[some[last], index] += size
                    cell[some[last]] = before[last]
                    size //= 2
            left = left[(cell[left] > 0) & (cell[left] < before_any[left])]
        value = self.usd[cell]
        for index, size, before_stage in reversed(self._stages):
            with np.errstate(invalid="ignore"):
                bought = np.abs(before_stage[cell] - value) > 1e-7
            counts[bought, index] += size
            cell[bought] = np.maximum(cell[bought] - self._weights[index] * size, 0)
            value = before_stage[cell]
        return counts * np.array(self._at_once, dtype=np.int64)

    def _bought_last(self, index: int, cell: int) -> bool:
        before = float(self.usd[max(cell - self._weights[index], 0)])
        return abs(before + self._usd[index] - float(self.usd[cell])) < 1e-7

    def _cell(self, need: Floats) -> Indices:
        cells = np.ceil(np.maximum(need, 0.0) / self.unit - 1e-6).astype(np.int64)
        return np.minimum(cells, len(self.usd) - 1)


# Below so many cells a unit, blocks are too many to take one by one.
_SMALL_WEIGHT = 64


def _add_unlimited(table: Floats, weight: int, usd: float) -> None:
    """G(x) = min(G(x), usd + G(max(0, x − weight))) in place, block after block of `weight` cells.

    Small weights take all blocks at once: less usd per block passed, G is a running minimum down each column.
    """
    first = min(weight, len(table) - 1)
    table[1 : first + 1] = np.minimum(table[1 : first + 1], table[0] + usd)
    if weight < _SMALL_WEIGHT:
        blocks = -(-(len(table) - 1) // weight)
        paid = usd * np.arange(blocks, dtype=np.float64)[:, None]
        padded = np.full(blocks * weight, np.inf)
        padded[: len(table) - 1] = table[1:]
        column = np.minimum.accumulate(padded.reshape(blocks, weight) - paid, axis=0) + paid
        table[1:] = column.ravel()[: len(table) - 1]
        return
    for start in range(weight + 1, len(table), weight):
        block = table[start : start + weight]
        np.minimum(block, table[start - weight : start - weight + len(block)] + usd, out=block)
