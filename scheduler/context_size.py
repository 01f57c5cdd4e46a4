"""How large a job's context is, with keys and values in the form that this house's workers keep them in.

A worker tells the form when it is ready (`WorkerReady.kv`); the daemon keeps it as a fact, so that forecaster, checks of plans
and the daemon's next start know it, too. Until a worker of a model was ready for the first time, the model's own type is
counted, which takes more.
"""

from __future__ import annotations

from typing import Any

from engine import memory
from engine.catalog import SHAPES
from engine.config import Settings
from engine.protocol import WorkerReady
from scheduler.store import Reader, Store

FACT = "ring_form"


def context_bytes(model: str, width: int, height: int, settings: Settings, kv: str | None) -> int:
    """Bytes of the context of a job with these settings; `kv` as in `engine.memory.context_tensors`."""
    return memory.context_bytes(SHAPES[model], width, height, settings.steps, settings.infer_frames, kv)


def keep_ring_form(store: Store, model: str, ready: WorkerReady | None, at: float) -> None:
    """Write down what a worker says, where it is news."""
    if ready is not None and store.fact(FACT) != (told := {"model": model, "kv": ready.kv}):
        store.set_fact(FACT, told, at)


def known_ring_form(store: Store | Reader, model: str) -> str | None:
    """What workers of the model said last; None (the model's own type) where none has."""
    told: dict[str, Any] = store.fact(FACT) or {}
    return told.get("kv") if told.get("model") == model else None
