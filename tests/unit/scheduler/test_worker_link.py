"""What a worker's heartbeats say about it: whether it gets on, or stands still, or goes round in circles."""

from __future__ import annotations

from pathlib import Path

from engine import protocol
from scheduler.worker_link import WorkerLink, WorkerPlace


def make_link(folder: Path) -> WorkerLink:
    """A link to a worker that was not started."""
    place = WorkerPlace("engine.fake", folder / "none.sock", folder, folder, threads=1, heartbeat_s=0.1)
    return WorkerLink("w1-1", 0, place, lambda link, message: None, lambda link, cause: None)


def beat(link: WorkerLink, phase: str, block: int | None = None, step: int | None = None, lease_id: str | None = "j0-1") -> bool:
    """A heartbeat arrives; whether it shows that the worker gets on."""
    heartbeat = protocol.Heartbeat(lease_id=lease_id, block=block, phase=phase, step=step)
    link.data_received(protocol.encode(heartbeat))
    return link.is_further


def test_worker_gets_on_with_every_step_and_phase_and_not_by_living(tmp_path: Path) -> None:
    link = make_link(tmp_path)
    assert not beat(link, "idle", lease_id=None)
    assert [beat(link, "step", 0, step) for step in (0, 1, 1, 2)] == [True, True, False, True]
    assert [beat(link, "decode", 0) for _ in range(2)] == [True, False]
    assert beat(link, "step", 1, 0)


def test_worker_that_goes_round_in_circles_does_not_get_on_until_a_block_is_done(tmp_path: Path) -> None:
    link = make_link(tmp_path)
    assert [beat(link, "step", 0, step) for step in (0, 1, 0, 1)] == [True, True, False, False]
    done = protocol.BlockDone(
        lease_id="j0-1", block=0, frames=12, seconds=1.0, latents_sha256="", frames_sha256="", fragment_sha256="",
        fragment_bytes=1, stage_ms={}, peak_bytes=0,
    )  # fmt: skip
    link.data_received(protocol.encode(done))
    assert beat(link, "step", 0, 0), "the next lease or block may pass the same places"


def test_first_verdict_on_a_silent_worker_stays_while_its_end_takes_its_time(tmp_path: Path) -> None:
    link = make_link(tmp_path)
    link.judge("heartbeat_lost", 2.0, 2.0)
    assert (link.silent_s, link.deadline_s) == (2.0, 2.0)
    link.stop()  # from here on its end is ordered
    link.judge("heartbeat_lost", 2.4, 2.0)
    assert link.silent_s == 2.0
