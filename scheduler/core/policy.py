"""The rules' numbers: a frozen model, checked once, units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import inf
from typing import Any, ClassVar

from scheduler.core.maintenance import Window, parse_window


class PolicyError(ValueError):
    """This policy cannot be used. `problem` and `data` say the same for pages in another language."""

    code = "bad_policy"

    def __init__(self, message: str, *, field: str, hint: str, problem: str, **data: Any) -> None:
        self.message = message
        self.field = field
        self.hint = hint
        self.problem = problem
        self.data = {"named": field, **data}
        super().__init__(f"{message} {hint}".strip())


MOST = 1e15  # of any number here: whatever is reckoned from it is still a number
STANDARD, FIFO, PRIORITY, SHORTEST = "standard", "fifo", "priority", "shortest"
ORDERINGS = (STANDARD, FIFO, PRIORITY, SHORTEST)
GONE = {"fair_share_credit_s": "fair_share_half_life_s"}  # fields of earlier versions, and what says the same today


def _number(default: float | None, *, least: float, says: str) -> Any:
    return field(default=default, metadata={"least": least, "says": says})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How the queue decides. Fields are numbers, but for `ordering` and `team_weights`; whole numbers take no fractions."""

    ordering: str = field(
        default=STANDARD,
        metadata={
            "choices": ORDERINGS,
            "says": "standard; to compare: fifo, priority or shortest, without ageing, shares and preemption",
        },
    )
    ageing_per_s: float = _number(0.05, least=0, says="priority points that a job gains per second since submission")
    ageing_ceiling: int = _number(99, least=0, says="ageing lifts a job up to this effective priority, no further")
    urgent_priority: int = _number(100, least=1, says="jobs of at least this priority may always preempt others")
    deadline_lead_s: float = _number(
        3600.0, least=0, says="a job with a deadline counts as waiting since so long before it would have to begin"
    )
    deadline_points: float = _number(50.0, least=0, says="priority points that a deadline is worth at most")
    fair_share_points: float = _number(
        180.0, least=0, says="points that a team with more of its share than others in line loses at most; 0: no fair share"
    )
    fair_share_scale_s: float = _number(
        20.0, least=0.001, says="GPU seconds (over weight) above the lowest team in line that take half of these points"
    )
    fair_share_half_life_s: float = _number(
        3600.0, least=1, says="half of what a team got too much or too little is forgotten after it"
    )
    team_weights: Mapping[str, float] = field(
        default_factory=dict, metadata={"says": "teams' shares as `{team: number}`; only proportions count, one not named has 1"}
    )
    preempt_margin: float = _number(10.0, least=0.001, says="points by which a waiting job must lead to preempt")
    preempt_cost_s: float = _number(
        1.0, least=0, says="seconds that a preemption costs: stopping, switching there and back; grows with each of a job"
    )
    preempt_points_per_s: float = _number(
        5.0, least=0, says="points that a second of such loss counts; the lead must be more than all of it"
    )
    spare_last_s: float = _number(
        5.0, least=0, says="a running job this near its end counts as losing more by giving way"
    )
    degrade_within_s: float = _number(
        0.0, least=0, says="a victim that allows fewer steps and would then end within this time takes them instead; 0: never"
    )
    degrade_late_s: float = _number(
        0.0, least=0,
        says="a running job that would miss its deadline, allows fewer steps and is then no later than this takes them; 0: never",
    )
    affinity_points: float = _number(
        3.0, least=0, says="a slot may prefer a job of the role that it played last to one that leads by no more points"
    )
    backfill_points: float = _number(
        5.0, least=0, says="before a reservation a slot may prefer a job that ends by then to one that leads by no more points"
    )
    reservation_notice_s: float = _number(600.0, least=0, says="a reservation must be made so long before its time")
    min_run_blocks: int = _number(2, least=0, says="new blocks a job makes per lease before it may be preempted")
    max_preemptions: int = _number(5, least=0, says="after so many preemptions only an urgent job may stop it again")
    lease_s: float = _number(60.0, least=0.05, says="a worker that neither reports nor makes a step for so long is killed")
    grace_s: float = _number(30.0, least=0.05, says="time to reach the block's end after preempt, pause or cancel")
    retry_backoff_s: float = _number(2.0, least=0, says="wait before the first retry; doubles with each")
    retry_backoff_max_s: float = _number(60.0, least=0, says="longest wait before a retry")
    max_retries: int = _number(3, least=0, says="failures in a row, without a new block, that are tried again")
    max_crashes: int = _number(3, least=1, says="workers a job may lose in a row, without a new block, before it fails")
    max_strikes: int = _number(10, least=1, says="workers a slot may lose in a row, without a block, before quarantine")
    quarantine_s: float = _number(30.0, least=0, says="how long a slot stays in quarantine")
    max_queued_per_user: int = _number(100, least=1, says="queued jobs that one user may have")
    max_queued_per_team: int | None = _number(None, least=1, says="queued jobs that one team may have; null: no limit")
    max_queued_per_role: int | None = _number(None, least=1, says="queued jobs that one role may have; null: no limit")
    max_running_per_user: int | None = _number(None, least=1, says="running jobs that one user may have; null: no limit")
    max_running_per_team: int | None = _number(None, least=1, says="running jobs that one team may have; null: no limit")
    max_running_per_role: int | None = _number(None, least=1, says="running jobs that one role may have; null: no limit")
    gpu_s_per_day_per_user: float | None = _number(None, least=1, says="GPU seconds a day that one user may have; null: no limit")
    gpu_s_per_day_per_team: float | None = _number(None, least=1, says="GPU seconds a day that one team may have; null: no limit")
    gpu_s_per_day_per_role: float | None = _number(None, least=1, says="GPU seconds a day that one role may have; null: no limit")
    quota_day_starts_s: float = _number(0.0, least=0, says="seconds after midnight UTC at which a day of quotas begins")
    maintenance_windows: tuple[str, ...] = field(
        default=(), metadata={"says": "weekly, UTC, as `[sat 03:00-04:30, sun 22:00-01:00 slots 0+1]`: these slots take no work"}
    )
    max_queued: int = _number(10_000, least=1, says="queued jobs altogether")
    slot_memory_bytes: int | None = _number(
        None, least=1, says="memory of a slot for one job's context; null: no limit"
    )
    exclusion_patience_s: float = _number(
        300.0, least=0, says="an excluded job that waited so long lets no further job of an excluding role start"
    )
    consent_timeout_s: float = _number(3600.0, least=1, says="a job that nobody agrees to degrade ends after it")

    def __post_init__(self) -> None:
        for item in fields(self):
            _check_field(item.name, getattr(self, item.name), str(item.type), item.metadata)
        windows = tuple(self.maintenance_windows)
        object.__setattr__(self, "maintenance_windows", windows)
        object.__setattr__(self, "windows", tuple(parse_window(text) for text in windows))
        object.__setattr__(self, "team_weights", dict(sorted(self.team_weights.items())))
        if self.ageing_ceiling >= self.urgent_priority:
            raise PolicyError(
                f"ageing_ceiling {self.ageing_ceiling} reaches urgent_priority {self.urgent_priority}: "
                "waiting alone would make a job urgent.",
                field="ageing_ceiling",
                hint=f"Use at most {self.urgent_priority - 1}.",
                problem="ceiling_urgent",
                most=self.urgent_priority - 1,
            )

        for name in ("affinity_points", "backfill_points"):
            if getattr(self, name) >= self.preempt_margin:
                raise PolicyError(
                    f"{name} {getattr(self, name):g} reaches preempt_margin {self.preempt_margin:g}: "
                    "a job could be stopped and get its slot back at once.",
                    field=name,
                    hint="Use fewer points than preempt_margin.",
                    problem="points_margin",
                    most=f"{self.preempt_margin:g}",
                )

        limits = (self.max_running_per_user, self.max_running_per_team, self.max_running_per_role)
        object.__setattr__(self, "has_running_limits", limits != (None, None, None))
        days = (self.gpu_s_per_day_per_user, self.gpu_s_per_day_per_team, self.gpu_s_per_day_per_role)
        object.__setattr__(self, "has_day_limits", days != (None, None, None))

    has_running_limits: ClassVar[bool] = False  # no fields: these follow from the others
    has_day_limits: ClassVar[bool] = False
    windows: ClassVar[tuple[Window, ...]] = ()  # the parsed maintenance windows

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Policy:
        """A policy from plain data (YAML, JSON); absent fields take their defaults. Raises PolicyError."""
        known = {item.name for item in fields(cls)}
        for name in data:
            if name not in known:
                if instead := GONE.get(str(name)):
                    hint = f"Take it out. What a team missed while it waited is remembered by itself, as long as {instead} says."
                    message = f"policy field {name!r} is no more."
                    raise PolicyError(message, field=str(name), hint=hint, problem="gone_key", key=name, instead=instead)
                hint, problem, data_of = _nearest(str(name), known)
                message = f"policy field {name!r} is unknown."
                raise PolicyError(message, field=str(name), hint=hint, problem=problem, **data_of)
        return cls(**data)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; `from_mapping` is its inverse."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    def weight_of(self, team: str) -> float:
        """The team's share in relation to others."""
        return self.team_weights.get(team, 1.0)

    def __hash__(self) -> int:
        return hash(tuple(str(value) for value in self.to_mapping().values()))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _check_field(name: str, value: object, kind: str, limits: Mapping[str, Any]) -> None:
    if "choices" in limits:
        if value not in limits["choices"]:
            hint, data = f"Use {' or '.join(limits['choices'])}.", {"found": str(value)[:40], "known": list(limits["choices"])}
            raise PolicyError(f"{name} is {value!r}.", field=name, hint=hint, problem="no_choice", **data)
    elif kind.startswith("Mapping"):
        _check_weights(name, value)
    elif kind.startswith("tuple"):
        _check_windows(name, value)
    else:
        _check_number(name, value, kind, limits)


def _check_windows(name: str, value: object) -> None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        hint = "Use a list such as [sat 03:00-04:30]."
        raise PolicyError(f"{name} is {value!r}.", field=name, hint=hint, problem="no_windows")
    for text in value:
        try:
            parse_window(text)
        except ValueError as error:
            message = f"{name} has {text!r}."
            raise PolicyError(message, field=name, hint=f"{error}.", problem="bad_window", found=text[:60]) from error


def _check_weights(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{name} is {value!r}.", field=name, hint="Use `{team: number}`.", problem="no_weights")
    for team, weight in value.items():
        if not isinstance(team, str):
            hint = "Team names are text: put quotes around it."
            raise PolicyError(f"{name} names {team!r}.", field=name, hint=hint, problem="no_team", found=str(team)[:40])
        _check_number(f"{name}.{team}", weight, "float", {"least": 0.001})


def _check_number(name: str, value: object, kind: str, limits: Mapping[str, Any]) -> None:
    if value is None and "None" in kind:
        return
    wanted = "a whole number" if kind.startswith("int") else "a number"
    is_number = isinstance(value, int if kind.startswith("int") else (int, float)) and not isinstance(value, bool)
    if not is_number or not isinstance(value, (int, float)) or not -inf < value < inf:
        is_whole, hint = kind.startswith("int"), f"Use {wanted}."
        problem = "whole_wanted" if is_whole else "number_wanted"
        if "None" in kind:
            problem, hint = "whole_wanted_or_null" if is_whole else "number_wanted_or_null", f"Use {wanted}, or null: no limit."
        raise PolicyError(f"{name} is {value!r}.", field=name, hint=hint, problem=problem, found=str(value)[:40])
    if value < limits["least"]:
        least = f"{limits['least']:g}"
        hint = f"Use {wanted} of at least {least}."
        raise PolicyError(f"{name} is {value!r}.", field=name, hint=hint, problem="below_least", found=str(value), least=least)
    if value > MOST:
        found, most = str(value)[:40], f"{MOST:g}"
        hint = f"Use {wanted} of at most {most}."
        raise PolicyError(f"{name} is {found}.", field=name, hint=hint, problem="above_most", found=found, most=most)


def _nearest(name: str, known: set[str]) -> tuple[str, str, dict[str, Any]]:
    """(hint, problem, data) for a field that is unknown."""
    close = get_close_matches(name, sorted(known), n=1)
    if close:
        return f"Did you mean {close[0]}?", "misspelt_key", {"key": name[:40], "guess": close[0]}
    fields_known = ", ".join(sorted(known))
    return f"Known fields: {fields_known}.", "unknown_key", {"key": name[:40], "known": fields_known}
