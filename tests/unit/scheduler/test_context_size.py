"""How large the daemon takes a context to be: as large as the one that a worker of this house makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog import SHAPES
from engine.config import Settings
from engine.memory import GIB
from engine.model.context import layout_of
from engine.protocol import WorkerReady
from scheduler.context_size import context_bytes, keep_ring_form, known_ring_form
from scheduler.core.ladder import JOB
from scheduler.job_ladder import Picture, job_ladder
from scheduler.submission import work_out
from tests.unit.scheduler.store_rig import role, writer

MODEL = "live-avatar-14b"
SIZE, PICTURE = "688*368", Picture(width=640, height=384)


@pytest.mark.parametrize(("kv", "gib"), [("fp8", 22.5), (None, 41.0)])
@pytest.mark.parametrize("infer_frames", [36, 48])
def test_daemon_counts_the_bytes_that_a_worker_takes(kv: str | None, gib: float, infer_frames: int) -> None:
    request = {"user": "a-team", "role": "teacher", "size": SIZE, "steps": 4, "infer_frames": infer_frames,
               "context": {"topic": "rain"}}  # fmt: skip
    drawn = role(image_width=PICTURE.width, image_height=PICTURE.height)
    made = work_out(request, drawn, MODEL, "", kv=kv)
    assert made.context_bytes == layout_of(SHAPES[MODEL], made.width, made.height, 4, infer_frames, kv).total_bytes
    asked = next(rung for rung in job_ladder(MODEL, made.recipe.settings, PICTURE, kv=kv) if rung.kind == JOB)
    assert asked.predicted_bytes == made.context_bytes
    if infer_frames == 48:
        assert made.context_bytes / GIB == pytest.approx(gib, abs=0.5)


def test_form_that_a_worker_told_is_known_after_a_restart_and_of_its_own_model_only(tmp_path: Path) -> None:
    ready = WorkerReady(warm_ms=1.0, device="cuda", weights_sha256="", weights_trained=False, kv="fp8")
    with writer(tmp_path) as store, store.transaction():
        assert known_ring_form(store, MODEL) is None
        keep_ring_form(store, MODEL, None, 1.0)
        keep_ring_form(store, MODEL, ready, 2.0)
    with writer(tmp_path) as store:
        assert known_ring_form(store, MODEL) == "fp8" and known_ring_form(store, "pocket") is None


def test_plain_house_counts_the_models_own_type() -> None:
    settings = Settings(size="192*128", steps=3)
    assert context_bytes("pocket", 192, 128, settings, None) == layout_of(SHAPES["pocket"], 192, 128, 3).total_bytes
