"""What teams got above what they were entitled to, forgotten by half-lives: the balances that fair share weighs by.

A balance is stored as of a time, with the rates at which those of teams with work change until the slots or the line do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import expm1, log
from typing import Any

from scheduler.core.policy import Policy

NOTHING_S = 1e-3  # a balance below it is forgotten altogether


@dataclass(slots=True)
class Balance:
    """GPU seconds above (or, with a minus sign, below) what a team was entitled to, as of a time."""

    seconds: float
    at: float


class Shares:
    """The teams' balances, and how fast those of teams with work change until the slots or the line do."""

    def __init__(self) -> None:
        self.balances: dict[str, Balance] = {}
        self.rates: dict[str, float] = {}  # slots above what the team is entitled to, since `since`
        self.since = 0.0
        self.half_life_s = Policy.fair_share_half_life_s  # by which all is forgotten since then
        self.levels: dict[str, float] = {}  # balance, with what runs still needs, over weight; as of the last decision
        self.left: dict[str, float] = {}  # of running jobs: what they still needed then, over their team's weight
        self.version = 0

    def count(self, rates: Mapping[str, float], at: float, half_life_s: float) -> None:
        """Up to this time the rates and the half-life counted, from here on these do."""
        if rates == self.rates and half_life_s == self.half_life_s:
            return  # what is stored is what is known, to the last bit
        at = max(at, self.since)
        is_settled = half_life_s != self.half_life_s  # what has been forgotten does not come back with a longer one
        is_swept = at // self.half_life_s != self.since // self.half_life_s  # else who asked once is written down for ever
        for team, seconds in self.balances_at({**self.balances, **self.rates} if is_settled else self.rates, at).items():
            self.balances[team] = Balance(seconds, at)
        self.rates, self.since, self.half_life_s = dict(rates), at, half_life_s
        if is_swept:
            for team, seconds in self.balances_at([*self.balances], at).items():
                if abs(seconds) < NOTHING_S and team not in rates:
                    del self.balances[team]
        self.version += 1

    def balances_at(self, teams: Iterable[str], at: float) -> dict[str, float]:
        """GPU seconds that the teams have above what they were entitled to, at a time at which the rates still hold."""
        lasted_s, half_life_s, rates = max(0.0, at - self.since), self.half_life_s, self.rates
        forgotten = lasted_s * log(2.0) / half_life_s
        counted_s = lasted_s * (-expm1(-forgotten) / forgotten) if forgotten else lasted_s
        found: dict[str, float] = {}
        for team in teams:
            known, rate = self.balances.get(team), rates.get(team)
            seconds = 0.0 if known is None else known.seconds * 0.5 ** (max(0.0, at - known.at) / half_life_s)
            found[team] = seconds + rate * counted_s if rate else seconds
        return found

    def copy(self) -> Shares:
        """One that shares nothing with this."""
        copied = Shares()
        copied.balances = {team: Balance(balance.seconds, balance.at) for team, balance in self.balances.items()}
        copied.rates, copied.since, copied.version = dict(self.rates), self.since, self.version
        copied.half_life_s = self.half_life_s
        copied.levels, copied.left = dict(self.levels), dict(self.left)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for the store."""
        balances = {team: [balance.seconds, balance.at] for team, balance in sorted(self.balances.items())}
        rates = dict(sorted(self.rates.items()))
        return {"balances": balances, "rates": rates, "since": self.since, "half_life_s": self.half_life_s}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any] | None) -> Shares:
        """Inverse of `to_mapping`; nothing is nothing."""
        shares, known = cls(), data or {}
        for team, (seconds, at) in known.get("balances", {}).items():
            shares.balances[team] = Balance(float(seconds), float(at))
        shares.rates = {team: float(rate) for team, rate in known.get("rates", {}).items()}
        shares.since = float(known.get("since", 0.0))
        shares.half_life_s = float(known.get("half_life_s", shares.half_life_s))
        return shares
