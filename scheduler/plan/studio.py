"""What a plan is held against: a snapshot of the house, read once. Nothing in it changes while the plan is checked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any

from scheduler.assets import AssetLibrary
from scheduler.context_size import known_ring_form
from scheduler.core.block_times import BlockTimes
from scheduler.core.explain import Situation
from scheduler.core.maintenance import CAUSE
from scheduler.core.policy import Policy
from scheduler.core.usage import Spent
from scheduler.probe import Probe, smallest
from scheduler.registry import Role
from scheduler.store import Reader

Row = dict[str, Any]
OVERHEAD_QUANTILE = 0.5


@dataclass(frozen=True, kw_only=True)
class OpenWork:
    """A job that is in the house already. `block_s`: its predicted seconds per block; `start_at`: its reserved time, in seconds
    since 1970; `follows`: the open job whose end lets it begin."""

    id: str
    user: str
    team: str
    role: str
    priority: int
    submitted_at: float
    blocks_left: int
    block_s: float
    start_at: float | None = None
    follows: str = ""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """The house as it is now. `model` and `device` are empty where nobody knows them. `overhead_s`: of a job beside its
    blocks; None: no finished job tells. `device_bytes`: memory of the device; None: not read. `drained`: numbers of slots that
    take no work until a person or healing gives them back; maintenance is not among that, it ends by itself."""

    now: float
    zone: tzinfo
    policy: Policy
    slots: int
    drained: frozenset[int] = frozenset()
    roles: Mapping[str, Role] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)  # roles that take no jobs, and why
    model: str = ""
    device: str = ""
    device_name: str = ""  # the driver's name for it
    device_bytes: int | None = None
    kv: str | None = None  # form of rings in this house (`scheduler.context_size`)
    times: BlockTimes = field(default_factory=BlockTimes)
    costs: tuple[Row, ...] = ()
    open_jobs: tuple[OpenWork, ...] = ()
    spent: Spent = field(default_factory=Spent)  # of the quotas' day: GPU seconds of leases that have ended
    free_bytes: int = 0
    library: AssetLibrary | None = None

    @property
    def usable_slots(self) -> int:
        """Slots that take work."""
        return self.slots - len(self.drained)

    @property
    def overhead_s(self) -> float | None:
        """Median wall time of a finished, undisturbed job beside its blocks' computing."""
        spent = sorted(max(0.0, row["run_s"] - row["block_s"]) for row in self.costs if row["block_s"] is not None)
        return spent[int(len(spent) * OVERHEAD_QUANTILE)] if spent else None


def read_studio(
    data: Path, now: float, zone: tzinfo, reader: Reader, policy: Policy, status: Mapping[str, Any] | None
) -> Studio:
    """The snapshot; `status` is the daemon's answer, None when it does not answer: then the store tells what it can."""
    rows = reader.roles()
    roles = {row["name"]: reader.load_role(row["name"]) for row in rows}
    situation = Situation.from_mapping(fact) if (fact := reader.fact("situation")) else Situation()
    times = reader.block_times()
    recipe = reader.newest_recipe() or {}
    devices = [slot["device"] for slot in status["slots"] if slot["device"]] if status else []
    newest = [key.device for key, _ in times]
    model = status["daemon"]["model"] if status else recipe.get("model", "")
    device = next(iter([*devices, *newest]), "")
    body = _reading(device)
    drained = frozenset(range(situation.drained_slots - situation.maintained_slots))  # how many is known, not which
    if status:
        drained = frozenset(slot["slot"] for slot in status["slots"] if set(slot["drained_for"]) - {CAUSE})
    return Studio(
        now=now, zone=zone, policy=policy, slots=len(status["slots"]) if status else situation.slots, drained=drained,
        roles={name: role for name, role in roles.items() if role is not None},
        problems={row["name"]: row["problem"] or "" for row in rows if not row["is_available"]},
        model=model, device=device, device_name=str(body.get("name", "")), device_bytes=body.get("memory_total_bytes"),
        kv=known_ring_form(reader, model), times=BlockTimes(times), costs=tuple(reader.job_costs()),
        spent=Spent.from_mapping((reader.fact("shares") or {}).get("spent")),
        free_bytes=shutil.disk_usage(data).free, library=AssetLibrary(data),
    )  # fmt: skip


def _reading(device: str) -> Mapping[str, Any]:
    """The reading of the devices that jobs run on: the processor's own where they run on it, else the smallest GPU's."""
    readings = Probe().read()
    wanted = [one for one in readings if (one.device == "cpu") == (device in ("", "cpu"))]
    return smallest([one.body for one in wanted or readings])
