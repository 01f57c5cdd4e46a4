"""Healing as data: which fault is seen by which threshold, what is done about it, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from scheduler.core.policy import PolicyError


class Fault(StrEnum):
    """What can go wrong with machine, processes and jobs, as far as it can be healed or has to be said."""

    MEMORY_HIGH = "memory_high"
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_DIED = "worker_died"
    HEARTBEAT_LOST = "heartbeat_lost"
    HUNG_STEP = "hung_step"
    STUTTER = "stutter"
    CRASH_LOOP = "crash_loop"
    POISON_JOB = "poison_job"
    DISK_LOW = "disk_low"
    DISK_FULL = "disk_full"
    THERMAL = "thermal"
    GPU_LOST = "gpu_lost"
    GPU_ERROR = "gpu_error"
    VAULT_LOST = "vault_lost"
    DAEMON_LOST = "daemon_lost"
    WEB_LOST = "web_lost"
    PORT_IN_USE = "port_in_use"


@dataclass(frozen=True, slots=True)
class Number:
    """A threshold or limit: its default, the least and most it may be, and what it means."""

    default: float
    least: float
    most: float
    says: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be said about a fault: the actions (the first is the default), its numbers, its lists of codes."""

    actions: tuple[str, ...]
    numbers: Mapping[str, Number] = field(default_factory=dict)
    codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


ALERT = "alert"  # say it, do nothing
HOUR = 3600.0
_LIMIT = Number(12, 0, 10_000, "so many heals per hour and place; beyond it only an alert")

KINDS: dict[Fault, Kind] = {
    Fault.MEMORY_HIGH: Kind(("ladder", ALERT), {
        "above_ratio": Number(0.95, 0.1, 1.0, "share of the memory in use (device, box or vault)"),
        "for_s": Number(5, 0, HOUR, "for so long without a break"),
        "settle_s": Number(10, 0.1, HOUR, "time that a rung has to show its effect before the next is taken"),
        "return_below_ratio": Number(0.80, 0.05, 1.0, "below this share a rung may be climbed again"),
        "return_after_s": Number(60, 1, 24 * HOUR, "after so long below it; doubles each time it had to step down again"),
        "max_per_hour": _LIMIT,
    }),
    Fault.OUT_OF_MEMORY: Kind(("ladder", "retry"), {"max_per_hour": _LIMIT}),
    Fault.WORKER_DIED: Kind(("replace",)),
    Fault.HEARTBEAT_LOST: Kind(("replace",), {
        "floor_s": Number(2, 0.5, 600, "silence below this is never held against a worker"),
        "factor": Number(3, 1, 100, "times the widest gap between heartbeats seen lately"),
    }),
    Fault.HUNG_STEP: Kind(("replace",), {
        "factor": Number(3, 1.5, 100, "times the predicted block: no progress for so long is a hang"),
        "floor_s": Number(5, 0.5, HOUR, "a deadline is never shorter"),
        "cold_s": Number(90, 1, HOUR, "the deadline while no block of this kind was ever measured"),
        "long_s": Number(90, 1, HOUR, "the deadline of preparing a job and of closing a segment or a video"),
        "start_s": Number(120, 1, HOUR, "time to import, load and warm up"),
    }),
    Fault.STUTTER: Kind(("fewer_steps", ALERT), {
        "below_ratio": Number(0.6, 0.05, 1.0, "share of the planned frame rate"),
        "min_fps": Number(12, 0, 1000, "frames per second that must be kept where the plan promises as many"),
        "blocks": Number(2, 1, 1000, "so many slow blocks in a row"),
        "recovered_ratio": Number(0.85, 0.05, 1.0, "share of the planned frame rate at which it is over"),
        "return_after_s": Number(120, 1, 24 * HOUR, "all steps again after so long without stutter; doubles each time"),
        "max_per_hour": _LIMIT,
    }),
    Fault.CRASH_LOOP: Kind(("back_off",), {
        "failures": Number(3, 2, 1000, "workers in a row that ended before they were ready"),
        "first_s": Number(1, 0.05, HOUR, "first wait; doubles with each"),
        "max_s": Number(60, 0.05, HOUR, "longest wait; it is tried at this pace until it works"),
    }),
    Fault.POISON_JOB: Kind(("quarantine",)),
    Fault.DISK_LOW: Kind((ALERT, "hold"), {
        "below_bytes": Number(1 << 30, 0, 1 << 60, "free space of the data directory"),
        "return_above_bytes": Number(5 << 28, 0, 1 << 60, "free space at which it is over"),
    }),
    Fault.DISK_FULL: Kind(("wait",)),
    Fault.THERMAL: Kind((ALERT, "rest"), {
        "for_s": Number(10, 0, HOUR, "throttled by heat or power for so long"),
        "return_after_s": Number(30, 0, HOUR, "cool for so long"),
    }),
    Fault.GPU_LOST: Kind(("retire",), {
        "return_after_s": Number(30, 0, HOUR, "seen again for so long"),
    }),
    Fault.GPU_ERROR: Kind(("restart", ALERT), {
        "within_s": Number(600, 1, 24 * HOUR, "a second restart code within this time retires the GPU"),
    }, {
        "restart_codes": (13, 31, 43, 45, 69, 94),
        "retire_codes": (48, 62, 64, 74, 79, 92, 95, 119, 120, 140),
    }),
    Fault.VAULT_LOST: Kind(("replace",), {"silent_s": Number(10, 0.5, 600, "a vault that answers nothing for so long hangs")}),
    Fault.DAEMON_LOST: Kind(("replace",), {"silent_s": Number(5, 0.5, 600, "a daemon without a heartbeat for so long hangs")}),
    Fault.WEB_LOST: Kind(("replace",), {"silent_s": Number(10, 1, 600, "a web that answers nothing for so long hangs")}),
    Fault.PORT_IN_USE: Kind(("back_off",)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one fault."""

    action: str
    numbers: Mapping[str, float]
    codes: Mapping[str, tuple[int, ...]]

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]


def default_rule(fault: Fault) -> Rule:
    """The rule of a fault about which nothing is said."""
    kind = KINDS[fault]
    return Rule(kind.actions[0], {name: number.default for name, number in kind.numbers.items()}, dict(kind.codes))


@dataclass(frozen=True, slots=True)
class HealingPolicy:
    """The rules of all faults."""

    rules: Mapping[Fault, Rule] = field(default_factory=lambda: {fault: default_rule(fault) for fault in Fault})

    def __getitem__(self, fault: Fault) -> Rule:
        return self.rules[fault]

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> HealingPolicy:
        """From plain data `{fault: {action: …, threshold: number}}`; what is absent is the default. Raises PolicyError."""
        rules = {fault: default_rule(fault) for fault in Fault}
        for name, said in data.items():
            if name not in set(Fault):
                raise PolicyError(
                    f"fault {name!r} is unknown.", field=f"faults.{name}", hint=f"Known: {', '.join(Fault)}.",
                    problem="unknown_key", key=str(name)[:40], known=", ".join(Fault),
                )  # fmt: skip
            rules[Fault(name)] = _rule(Fault(name), said)
        policy = cls(rules)
        policy._check_pairs()
        return policy

    def to_mapping(self) -> dict[str, dict[str, Any]]:
        """Plain data; `from_mapping` is its inverse."""
        return {
            fault.value: {"action": rule.action, **rule.numbers, **{name: list(codes) for name, codes in rule.codes.items()}}
            for fault, rule in self.rules.items()
        }

    def _check_pairs(self) -> None:
        """A return that is not beyond its threshold would make the house flap."""
        high, disk, slow = self[Fault.MEMORY_HIGH], self[Fault.DISK_LOW], self[Fault.STUTTER]
        if high["return_below_ratio"] >= high["above_ratio"]:
            raise PolicyError("memory_high.return_below_ratio is not below above_ratio.",
                              field="faults.memory_high.return_below_ratio", hint="Leave a gap, as 0.80 to 0.95.",
                              problem="no_gap_below", other="above_ratio")  # fmt: skip
        if disk["return_above_bytes"] <= disk["below_bytes"]:
            raise PolicyError("disk_low.return_above_bytes is not above below_bytes.",
                              field="faults.disk_low.return_above_bytes", hint="Leave a gap, as a quarter more.",
                              problem="no_gap_above", other="below_bytes")  # fmt: skip
        if slow["recovered_ratio"] <= slow["below_ratio"]:
            raise PolicyError("stutter.recovered_ratio is not above below_ratio.",
                              field="faults.stutter.recovered_ratio", hint="Leave a gap, as 0.85 to 0.6.",
                              problem="no_gap_above", other="below_ratio")  # fmt: skip


def _rule(fault: Fault, said: Any) -> Rule:
    kind, rule, path = KINDS[fault], default_rule(fault), f"faults.{fault.value}"
    if not isinstance(said, Mapping):
        hint = "Write a map: {action: …, …}."
        raise PolicyError(f"{fault.value} is {said!r}.", field=path, hint=hint, problem="no_entries_map")
    action, numbers, codes = rule.action, dict(rule.numbers), dict(rule.codes)
    for name, value in said.items():
        where = f"{path}.{name}"
        if name == "action":
            if value not in kind.actions:
                raise PolicyError(f"action {value!r} is not one of {fault.value}.", field=where,
                                  hint=f"Use {' or '.join(kind.actions)}.", problem="no_choice", found=str(value)[:40],
                                  known=list(kind.actions))  # fmt: skip
            action = value
        elif name in kind.numbers:
            numbers[name] = _number(value, kind.numbers[name], where)
        elif name in kind.codes:
            if not isinstance(value, list) or not all(type(code) is int for code in value):
                hint = "Write a list of whole numbers: [13, 31]."
                raise PolicyError(f"{name} is {value!r}.", field=where, hint=hint, problem="no_codes")
            codes[name] = tuple(value)
        else:
            known = ", ".join(("action", *kind.numbers, *kind.codes))
            raise PolicyError(f"{fault.value} has no {name!r}.", field=where, hint=f"Known: {known}.",
                              problem="unknown_key", key=str(name)[:40], known=known)  # fmt: skip
    return Rule(action, numbers, codes)


def _number(value: Any, number: Number, where: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf
    if not is_number or not number.least <= value <= number.most:
        raise PolicyError(f"{where.rpartition('.')[2]} is {value!r}.", field=where,
                          hint=f"Use a number from {number.least:g} to {number.most:g}.", problem="no_number",
                          found=str(value)[:40], low=f"{number.least:g}", high=f"{number.most:g}")  # fmt: skip
    return float(value)
