"""A store as a studio has it after months: jobs in every state with their log, blocks, a day of device readings."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

from scheduler.audit import Actor
from scheduler.core.actions import MoveJob
from scheduler.core.job import JobState
from scheduler.prompts.styles import load_style_book
from scheduler.registry import Role
from scheduler.store import NewJob, Store
from scheduler.store.opening import open_writer

PERSON = Actor("user:planner", "127.0.0.1", "request")
ROLES, TEAMS, USERS = ("teacher", "student", "assistant", "presenter"), ("education", "market", "service"), 60
QUEUED = 200
WITH_BLOCKS = 2_000
PER_TRANSACTION = 500
SPAN_S = 90 * 86_400.0
GIB = 1 << 30


def fill(data_dir: Path, jobs: int, seed: int = 420) -> None:
    """Write it all through the real writer: `jobs` jobs over 90 days, 24 h of readings of one device."""
    chance, now = random.Random(seed), time.time()
    with open_writer(data_dir) as store:
        with store.transaction():
            for name in ROLES:
                store.put_role(_role(name), PERSON, now - SPAN_S)
        for begin in range(0, jobs, PER_TRANSACTION):
            with store.transaction():
                for number in range(begin, min(jobs, begin + PER_TRANSACTION)):
                    _write_job(store, number, jobs, now, chance)
        _write_readings(store, now, chance)


def _write_job(store: Store, number: int, jobs: int, now: float, chance: random.Random) -> None:
    at = now - SPAN_S * (1 - (number + 1) / jobs)
    job_id = f"j{number:012d}"
    store.insert_job(_new_job(job_id, number, at, chance), PERSON, at)
    store.move_job(_move(job_id, "SUBMITTED", "QUEUED", hold="waiting_for_slot"), PERSON, at)
    if number >= jobs - QUEUED:
        return
    begun, ended = at + chance.uniform(1, 300), at + chance.uniform(400, 2000)
    store.move_job(_move(job_id, "QUEUED", "LEASED", slot=0, lease_id=f"{job_id}-1"), PERSON, begun)
    store.move_job(_move(job_id, "LEASED", "RUNNING", started_at=begun), PERSON, begun)
    if number >= jobs - QUEUED - WITH_BLOCKS:
        for block in range(4):
            store.insert_block(_block(job_id, block, begun + block))
    end = "SUCCEEDED" if chance.random() < 0.95 else "FAILED"
    error = {} if end == "SUCCEEDED" else {"error_code": "engine_error", "error_message": "It said no."}
    store.move_job(_move(job_id, "RUNNING", end, finished_at=min(ended, now), frames=96, slot=None, **error), PERSON, ended)


def _new_job(job_id: str, number: int, at: float, chance: random.Random) -> NewJob:
    role = chance.choice(ROLES)
    settings = {"size": "384*256", "steps": 4, "infer_frames": 48, "clips": None, "seed": number, "solver": "euler"}
    recipe: dict[str, Any] = {
        "prompt": "A person in front of a bookshelf explains the lesson of today. " * 6, "context": {"topic": "rain"},
        "role": role,
        "role_version": 1, "style": None, "settings": settings, "portrait_sha256": "1" * 64, "voice_sha256": "2" * 64,
        "voice_seconds": 3.2, "model": "pocket", "weights_sha256": "",
    }  # fmt: skip
    return NewJob(
        id=job_id, ordinal=number + 1, user=f"u{number % USERS}", team=chance.choice(TEAMS), role=role, role_version=1,
        priority=chance.randint(0, 90), degrade="ask", total_blocks=8, context_bytes=1_000_000, submitted_at=at, recipe=recipe,
    )  # fmt: skip


def _move(job_id: str, source: str, target: str, **fields: Any) -> MoveJob:
    return MoveJob(job_id, JobState(source), JobState(target), f"job:{target.lower()}", fields, {"reason": "benchmark"})


def _block(job_id: str, number: int, at: float) -> dict[str, Any]:
    return {
        "job_id": job_id, "block": number, "lease_id": f"{job_id}-1", "frames": 12, "seconds": 0.5, "latents_sha256": "a" * 64,
        "frames_sha256": "b" * 64, "fragment_sha256": "c" * 64, "fragment_bytes": 4000,
        "stage_ms": {"steps": 400.0, "decode": 90.0}, "peak_bytes": 5 * GIB, "made_at": at,
    }  # fmt: skip


def _role(name: str) -> Role:
    return Role(
        name=name, prompt_template="Explain {topic}", priority=10, portrait_sha256="1" * 64, voice_sha256="2" * 64,
        voice_seconds=3.2, image_width=512, image_height=512, book=load_style_book("studio"), style="engaging",
        defaults={"topic": "rain"}, pauses=((1.0, 1.25),),
    )  # fmt: skip


def _write_readings(store: Store, now: float, chance: random.Random) -> None:
    """Every second of the last hour, every fifth of the 23 before."""
    moments = [now - 86_400 + 5 * step for step in range(23 * 720)] + [now - 3600 + step for step in range(3600)]
    for begin in range(0, len(moments), PER_TRANSACTION * 4):
        with store.transaction():
            for at in moments[begin : begin + PER_TRANSACTION * 4]:
                used = 0.6 + 0.3 * math.sin(at / 3000) + chance.uniform(0, 0.05)
                shares = {"weights": 30 * GIB, f"job:j{int(at) // 600 % 1000:012d}": 12 * GIB, "greenroom": GIB}
                store.insert_sample(at, "gpu0", {
                    "name": "GPU", "memory_used_bytes": int(80 * GIB * used), "memory_total_bytes": 80 * GIB,
                    "utilization_percent": chance.randint(0, 100), "temperature_c": 60, "shares": shares,
                })  # fmt: skip
