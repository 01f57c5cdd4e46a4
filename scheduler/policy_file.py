"""The policy of a data directory: `policy.yaml`, numbers of the queue; under `faults` the rules of healing, under
`simulation` what things cost in simulated runs, under `quality` what counts as good in a finished video, under `uploads`
what people may bring.

Absent: the defaults. It is read at the start and again whenever it changes; a file with a mistake changes nothing, also where
the daemon has to be replaced meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from scheduler.core.healing_policy import HealingPolicy
from scheduler.core.policy import Policy, PolicyError
from scheduler.core.quality import SECTION as QUALITY
from scheduler.core.quality import QualityPolicy
from scheduler.core.uploads import SECTION as UPLOADS
from scheduler.core.uploads import UploadsPolicy
from scheduler.costs import SIMULATION, Costs
from scheduler.errors import SchedulerError
from scheduler.yaml_files import Node, Problem, YamlError, read_yaml, text_of

POLICY_NAME = "policy.yaml"
FAULTS = "faults"
CHANGES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a policy file says. `sha256`: of its text, empty without a file."""

    policy: Policy
    healing: HealingPolicy
    sha256: str = ""
    costs: Costs = field(default_factory=Costs)
    quality: QualityPolicy = field(default_factory=QualityPolicy)
    uploads: UploadsPolicy = field(default_factory=UploadsPolicy)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data, defaults filled in."""
        return {
            **self.policy.to_mapping(), FAULTS: self.healing.to_mapping(), QUALITY: self.quality.to_mapping(),
            UPLOADS: self.uploads.to_mapping(),
        }  # fmt: skip


def load_policy(data_dir: Path, slot_memory_bytes: int) -> Policy:
    """The numbers of the queue; the rules of healing are checked as well. Raises as `read_policy`."""
    return read_policy(data_dir, slot_memory_bytes).policy


def read_policy(data_dir: Path, slot_memory_bytes: int) -> PolicyFile:
    """The policy; a slot's memory is the vault's limit unless the file says otherwise.

    SchedulerError `bad_policy` names line and field and the way out: a daemon with half a policy would surprise everybody.
    """
    return read_policy_at(data_dir / POLICY_NAME, slot_memory_bytes)


def read_policy_at(path: Path, slot_memory_bytes: int | None) -> PolicyFile:
    """The policy of this file, wherever it lies; the defaults without one. Raises as `read_policy`."""
    try:
        text = text_of(path) if path.exists() else ""
        node = read_yaml(text)
    except YamlError as error:
        raise _refused(f"{path}, {replace(error.problem, hint='')}", error.problem) from error
    except (UnicodeDecodeError, OSError) as error:
        message, problem = f"{path} cannot be read: {error}", Problem(0, 0, "", f"it cannot be read: {error}", "", "unreadable")
        raise _refused(message, problem) from error
    data = {} if node.value is None else node.plain
    if not isinstance(data, dict):
        said, hint = "the file is not a map.", "Write one `name: number` per line."
        raise _refused(f"{path} is not a map.", Problem(node.line, node.column, "", said, hint, "no_numbers"))
    try:
        faults = data.pop(FAULTS, None) or {}
        if not isinstance(faults, dict):
            hint = "Write the faults below it, indented."
            raise PolicyError(f"{FAULTS} is not a map.", field=FAULTS, hint=hint, problem="no_entries_map")
        costs = Costs.from_mapping(data.pop(SIMULATION, None) or {})
        quality = QualityPolicy.from_mapping(data.pop(QUALITY, None) or {})
        uploads = UploadsPolicy.from_mapping(data.pop(UPLOADS, None) or {})
        policy, healing = Policy.from_mapping(data), HealingPolicy.from_mapping(faults)
    except PolicyError as error:
        line, column = _place_of(node, error.field)
        problem = Problem(line, column, error.field, error.message, error.hint, error.problem, error.data)
        raise _refused(f"{path}, line {line}: {error.message}", problem) from error
    if policy.slot_memory_bytes is None:
        policy = replace(policy, slot_memory_bytes=slot_memory_bytes)
    return PolicyFile(policy, healing, hashlib.sha256(text.encode()).hexdigest() if text else "", costs, quality, uploads)


def last_good(fact: Callable[[str], Any]) -> PolicyFile | None:
    """The policy that held last in a data directory, by its store's facts; None where there was none, or of another version.

    What things cost in simulated runs is no part of it.
    """
    data = fact(f"policy:{fact('policy_version')}")
    if not isinstance(data, dict):
        return None
    faults, quality, uploads = (data.pop(name, {}) for name in (FAULTS, QUALITY, UPLOADS))
    try:
        return PolicyFile(
            Policy.from_mapping(data), HealingPolicy.from_mapping(faults), quality=QualityPolicy.from_mapping(quality),
            uploads=UploadsPolicy.from_mapping(uploads),
        )  # fmt: skip
    except PolicyError:
        return None


def for_slots(policy: PolicyFile, slots: int) -> PolicyFile:
    """The same policy, for a house of so many slots. SchedulerError `bad_policy` where it speaks of others: a window for a slot
    that is not there would keep nobody from work, and nobody would hear of it."""
    for text, window in zip(policy.policy.maintenance_windows, policy.policy.windows, strict=True):
        if unknown := [number for number in window.slots if number >= slots]:
            known = "only slot 0" if slots == 1 else f"slots 0 to {slots - 1}"
            message = f"maintenance_windows: `{text}` names slot {unknown[0]}; this house has {known}."
            figures = {"found": text[:60], "slot": unknown[0], "last": slots - 1}
            problem = Problem(0, 0, "maintenance_windows", message, "Count slots from 0.", "window_slot", figures)
            raise _refused(message, problem)
    return policy


def _refused(message: str, problem: Problem) -> SchedulerError:
    """For people at a terminal the message, for pages the problem with its line."""
    return SchedulerError(
        422, "bad_policy", message, field=problem.path or None, hint=problem.hint, problems=[asdict(problem)]
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[str]:
    """What differs between two policies, as `faults.stutter.blocks: 2 → 3`."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += changes(old, new, f"{path}{name}.")
        elif old != new:
            found.append(f"{path}{name}: {old} → {new}")
    return found


def _place_of(node: Node, field: str) -> tuple[int, int]:
    """Line and column of a field's key, or of the deepest map on the way to it that is there."""
    place = node.line, node.column
    for name in field.split("."):
        if not isinstance(node.value, dict) or name not in node.value:
            break
        place, node = node.keys[name], node.value[name]
    return place
