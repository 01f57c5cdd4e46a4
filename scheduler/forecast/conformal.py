"""Ranges corrected by what came true: conformal on the log scale, conditioned on load, adapted at several speeds.

Every forecast has a middle and a spread (of the sampled futures, in logarithms). When its job is over, the residual
(log of the truth minus the middle, in spreads) is kept with the load under which the forecast was made. A new forecast's
bounds are weighted quantiles of the residuals made under similar loads; how far out these quantiles lie is adapted after
every hit and miss (Gibbs & Candès 2021), with several step sizes whose answers are averaged by their past loss.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

REMEMBERED = 1500
PRIOR_WEIGHT = 40.0  # residuals that the normal distribution counts for
AGE_JOBS = 1150.0  # the weight of a residual is 1/e after so many
NEAR = 0.25  # loads that differ by so much count as similar
STEPS = (0.002, 0.01)
# Bounds may move far out and only a little in: misses come together (who waits when a peak ends early waits with many), and their
# truths come late, so a stretch of hits says little of the next hour
LEAST_ALPHA, MOST_ALPHA = 0.005, 0.12
MEDIAN_VARIANCE = 1.57  # of a median, times the number of normal values it is of
DOUBT = 10.0  # the middle is moved halfway where it lies so many (variances of chance) off
_TAIL = 0.1
_GRID = np.array([NormalDist().inv_cdf((i + 0.5) / 20) for i in range(20)])
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Raw:
    """A forecast before correction: middle and spread of a logarithm, and the load (two numbers, both logarithms)."""

    middle: float
    spread: float
    load: tuple[float, float]

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {"middle": round(self.middle, 5), "spread": round(self.spread, 5), "load": [round(v, 4) for v in self.load]}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Raw:
        """Inverse of `to_mapping`."""
        first, second = data["load"]
        return cls(float(data["middle"]), float(data["spread"]), (float(first), float(second)))


class _Side:
    """How far out one bound lies: several experts, each with its own step."""

    def __init__(self) -> None:
        self.alphas = [_TAIL for _ in STEPS]
        self.losses = [0.0 for _ in STEPS]

    @property
    def alpha(self) -> float:
        """The experts' answer, weighted by how well they did."""
        least = min(self.losses)
        weights = [exp(-4.0 * (loss - least)) for loss in self.losses]
        return sum(a * w for a, w in zip(self.alphas, weights, strict=True)) / sum(weights)

    def learn(self, depth: float) -> None:
        """`depth`: the quantile at which the truth lay, seen from this bound's side; below alpha it is a miss."""
        for index, step in enumerate(STEPS):
            alpha = self.alphas[index]
            is_miss = depth < alpha
            pinball = (alpha - depth) * (1.0 - _TAIL) if is_miss else (depth - alpha) * _TAIL
            self.losses[index] = 0.98 * self.losses[index] + pinball
            self.alphas[index] = min(MOST_ALPHA, max(LEAST_ALPHA, alpha + step * (_TAIL - is_miss)))


class Conformal:
    """Learns from outcomes, corrects forecasts."""

    def __init__(self) -> None:
        self._residuals: deque[float] = deque(maxlen=REMEMBERED)
        self._loads: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._low, self._high = _Side(), _Side()
        self._order: NDArray[np.intp] | None = None  # of the residuals by size, the normal ones first in the list
        self._arrays: tuple[Floats, Floats] | None = None  # residuals and loads, as arrays

    def learn(self, raw: Raw, log_truth: float) -> None:
        """A job forecast so is over."""
        residual = (log_truth - raw.middle) / raw.spread
        values, weights = self._near(raw.load)
        below = float(weights[values < residual].sum() / weights.sum())
        self._low.learn(below)
        self._high.learn(1.0 - below)
        self._residuals.append(max(-8.0, min(8.0, residual)))
        self._loads.append(raw.load)
        self._order = self._arrays = None

    def correct(self, raw: Raw) -> tuple[float, float, float]:
        """The logarithms of p10, p50 and p90."""
        values, weights = self._near(raw.load)
        if self._order is None:
            self._order = np.argsort(values)
        weights = weights[self._order]
        share = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
        values = values[self._order]
        found = np.interp([self._low.alpha, 0.5, 1.0 - self._high.alpha], share, values)
        found[1] = _beyond_chance(float(found[1]), weights)
        low, middle, high = (raw.middle + raw.spread * float(value) for value in found)
        return min(low, middle), middle, max(high, middle)

    def _near(self, load: tuple[float, float]) -> tuple[Floats, Floats]:
        """Residuals, and how much each counts here; a few of the normal distribution come first."""
        count = len(self._residuals)
        prior = np.full(_GRID.size, PRIOR_WEIGHT / _GRID.size)
        if not count:
            return _GRID, prior
        if self._arrays is None:
            self._arrays = (np.concatenate([_GRID, np.array(self._residuals)]), np.array(self._loads))
        values, loads = self._arrays
        off = ((loads - np.array(load)) / NEAR) ** 2
        ages = np.arange(count - 1, -1, -1)
        weights = np.exp(-0.5 * off.sum(axis=1) - ages / AGE_JOBS) + 0.02
        return values, np.concatenate([prior, weights])


def _beyond_chance(middle: float, weights: Floats) -> float:
    """The middle of the residuals as far as it is more than chance would make it: a correction by noise is itself noise."""
    count = float(weights.sum() ** 2 / (weights**2).sum())
    signal = middle * middle * count / MEDIAN_VARIANCE
    return middle * signal / (signal + DOUBT)
