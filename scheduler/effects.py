"""One function per effect of the core, performed after the commit that made it true."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import protocol
from scheduler.core import actions
from scheduler.job_ladder import at_rung
from scheduler.store import Store
from scheduler.supervisor import Supervisor
from scheduler.vault_link import VaultLink

_log = logging.getLogger("greenroom.effects")


@dataclass(frozen=True)
class Hands:
    """What effects act on."""

    store: Store
    supervisor: Supervisor
    vault: VaultLink
    data_dir: Path


def perform(hands: Hands, effect: actions.Action) -> None:
    """Perform one effect. A worker that is gone by now loses nothing: its loss is already on the way as an event."""
    match effect:
        case actions.SendRun():
            _send_run(hands, effect)
        case actions.SendPreempt():
            hands.supervisor.send(effect.worker_id, protocol.PreemptJob(lease_id=effect.lease_id))
        case actions.SendCancel():
            hands.supervisor.send(effect.worker_id, protocol.CancelJob(lease_id=effect.lease_id))
        case actions.KillWorker():
            hands.supervisor.kill(effect.worker_id, effect.cause)
        case actions.DropIdleContexts():
            for job_id in effect.job_ids:
                hands.vault.let_go_of_context(job_id)
        case actions.ExpectContext():
            hands.vault.bring_context(effect.job_id, effect.slot)
        case actions.ExpectRole():
            _prepare_role(hands, effect)
        case actions.DropCaches():
            hands.vault.drop_caches()
        case actions.DropContext():
            hands.vault.drop_context(effect.job_id)
        case _:
            raise AssertionError(f"no hand for {type(effect).__name__}")


def _send_run(hands: Hands, effect: actions.SendRun) -> None:
    row = hands.store.job(effect.job_id)
    assert row is not None, effect.job_id
    asked = json.loads(row["asked"]) if row["asked"] else None
    recipe = at_rung(json.loads(row["recipe"]), row["rungs"], asked, effect.from_block)
    job_dir = hands.data_dir / "jobs" / effect.job_id
    job_dir.mkdir(parents=True, exist_ok=True)
    was_sent = hands.supervisor.send(
        effect.worker_id,
        protocol.RunJob(
            lease_id=effect.lease_id,
            job_id=effect.job_id,
            from_block=effect.from_block,
            total_blocks=row["total_blocks"],
            job_dir=str(job_dir),
            portrait_path=str(asset_path(hands.data_dir, recipe["portrait_sha256"])),
            voice_path=str(asset_path(hands.data_dir, recipe["voice_sha256"])),
            recipe=recipe,
            adapter_paths=adapter_paths(hands.data_dir, recipe),
        ),
    )
    if not was_sent:
        _log.info("worker %s was gone before %s reached it", effect.worker_id, effect.job_id)


def _prepare_role(hands: Hands, effect: actions.ExpectRole) -> None:
    """Nobody waits for the answer: a role that is not ready is prepared when its job begins."""
    row = hands.store.job(effect.job_id)
    assert row is not None, effect.job_id
    asked = json.loads(row["asked"]) if row["asked"] else None
    recipe = at_rung(json.loads(row["recipe"]), row["rungs"], asked, 0)
    hands.supervisor.send(
        effect.worker_id,
        protocol.PrepareRole(
            request_id=f"next:{effect.job_id}", role=row["role"], prompt=recipe["prompt"],
            portrait_path=str(asset_path(hands.data_dir, recipe["portrait_sha256"])), recipe=recipe,
            adapter_paths=adapter_paths(hands.data_dir, recipe),
        ),
    )  # fmt: skip


def adapter_paths(data_dir: Path, recipe: dict[str, Any]) -> list[str]:
    """Where the recipe's adapters lie, in its order."""
    return [str(asset_path(data_dir, use["sha256"])) for use in recipe.get("adapters", ())]


def asset_path(data_dir: Path, sha256: str) -> Path:
    """Where an asset of this content lies."""
    return data_dir / "assets" / sha256[:2] / sha256
