"""The policy of a data directory: `policy.yaml`, read once at the start. Absent: the defaults of `scheduler.core.policy`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scheduler.core.policy import Policy, PolicyError
from scheduler.errors import SchedulerError
from scheduler.yaml_files import YamlError, read_yaml

POLICY_NAME = "policy.yaml"


def load_policy(data_dir: Path, slot_memory_bytes: int) -> Policy:
    """The policy; a slot's memory is the vault's limit unless the file says otherwise.

    SchedulerError `bad_policy` names line or field and the way out: a daemon with half a policy would surprise everybody.
    """
    path = data_dir / POLICY_NAME
    try:
        data = read_yaml(path.read_text(encoding="utf-8")).plain if path.exists() else {}
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise SchedulerError(422, "bad_policy", f"{path} is not a map.", hint="Write one `name: number` per line.")
        policy = Policy.from_mapping(data)
    except YamlError as error:
        raise SchedulerError(422, "bad_policy", f"{path}, {error.problem}") from error
    except (UnicodeDecodeError, OSError) as error:
        raise SchedulerError(422, "bad_policy", f"{path} cannot be read: {error}") from error
    except PolicyError as error:
        raise SchedulerError(422, "bad_policy", f"{path}: {error.message}", field=error.field, hint=error.hint) from error
    if policy.slot_memory_bytes is None:
        return replace(policy, slot_memory_bytes=slot_memory_bytes)
    return policy
