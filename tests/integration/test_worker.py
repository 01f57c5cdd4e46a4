"""The real worker with the real model at its small shape, random weights, and a real vault.

Starting a worker costs seconds (torch), so idle ones are used again and one job is killed at every named point in turn.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from engine import protocol
from engine.catalog import SHAPES
from engine.config import AdapterUse, Recipe
from engine.model.hashes import hash_file
from engine.model.random_weights import random_adapter
from engine.worker.crash_points import VARIABLE, CrashPoint
from tests.acceptance.gate import Gate
from tests.integration.vault_rig import VaultProcess
from tests.integration.worker_rig import JobKit, WorkerProcess, hashes

BLOCKS = 6


@dataclass
class Studio:
    """Model, vault, job and workers of this module, and the gate at which a test holds them."""

    folder: Path
    model_dir: Path
    vault: VaultProcess
    kit: JobKit
    gate: Gate
    idle: list[WorkerProcess] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    def start(self, *, crash_at: str = "", model_dir: Path | None = None, is_ready: bool = True) -> WorkerProcess:
        """A new worker that is in nobody's way."""
        worker = WorkerProcess(
            "engine.worker", env={VARIABLE: crash_at, **self.gate.env}, log=self.folder / f"log-{len(self.workers)}",
            vault_socket=str(self.vault.socket_path), model_dir=str(model_dir or self.model_dir),
            worker_id=f"w{len(self.workers)}",
        )  # fmt: skip
        self.workers.append(worker)
        if is_ready:
            worker.wait_for(protocol.WorkerReady)
        return worker

    def worker(self) -> WorkerProcess:
        """A ready worker, if possible one that is there already."""
        worker = self.idle.pop() if self.idle else self.start()
        worker.heard.clear()
        return worker

    def run(self, name: str, worker: WorkerProcess, from_block: int = 0) -> protocol.Message:
        """Let the worker run the job `name` to its last report."""
        worker.say(self.order(name, from_block))
        return worker.finish_job()

    def order(self, name: str, from_block: int = 0) -> protocol.RunJob:
        return self.kit.order(self.folder / name, job_id=name, lease_id=f"{name}-{from_block}", from_block=from_block)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    from engine.model.pocket import write_pocket

    folder = tmp_path_factory.mktemp("studio")
    write_pocket(folder / "model")
    vault = VaultProcess(folder / "vault.sock").start()
    kit = JobKit(folder / "assets", blocks=BLOCKS, infer_frames=24)  # portrait 64x64: the smallest picture there is
    studio = Studio(folder, folder / "model", vault, kit, Gate(folder / "orders"))
    try:
        yield studio
    finally:
        for worker in studio.workers:
            worker.close()
        vault.stop()


@pytest.fixture(scope="module")
def quiet(studio: Studio) -> list[tuple[str, str]]:
    """Hashes of the job when nothing happens."""
    worker = studio.worker()
    report = studio.run("quiet", worker)
    assert isinstance(report, protocol.JobSucceeded), report
    assert report.frames == BLOCKS * 12
    studio.idle.append(worker)
    found = hashes(studio.folder / "quiet")
    assert len(set(found)) == BLOCKS, "every block shows something else"
    return found


@pytest.mark.timeout(900)  # two dozen starts of a worker
def test_job_killed_at_every_named_point_gives_the_same_bits(studio: Studio, quiet: list[tuple[str, str]]) -> None:
    done = 0
    twice = (CrashPoint.BEFORE_STEP, CrashPoint.AFTER_BLOCK_DONE)
    alike_for_every_engine = (  # tests/integration/test_fake.py dies there
        CrashPoint.BEFORE_CONTEXT, CrashPoint.AFTER_STARTED, CrashPoint.AFTER_MAKE, CrashPoint.BEFORE_PREEMPTED,
        CrashPoint.BEFORE_SEGMENT,
    )  # fmt: skip
    points = [(point, 2 if point in twice else 1) for point in CrashPoint if point not in alike_for_every_engine]
    before_the_context_is_begun = (CrashPoint.AFTER_CONTEXT, CrashPoint.AFTER_BEGIN)
    following = studio.start(crash_at=f"{points[0][0]}:{points[0][1]}", is_ready=False)
    for number, (point, _) in enumerate(points, start=1):
        worker = following
        if number < len(points):  # the next one warms up meanwhile, as a standby does
            following = studio.start(crash_at=f"{points[number][0]}:{points[number][1]}", is_ready=False)
        worker.wait_for(protocol.WorkerReady)
        worker.say(studio.order("hunted", done))
        worker.drain()
        assert worker.process.returncode == -9, f"{point} was not passed"
        assert [b.block for b in worker.all_of(protocol.BlockDone)] == list(
            range(done, done + len(worker.all_of(protocol.BlockDone)))
        )
        said = [message.resume for message in worker.all_of(protocol.JobStarted)]
        assert said == ([] if point in before_the_context_is_begun else ["exact"]), point
        done += len(worker.all_of(protocol.BlockDone))
    assert done == BLOCKS
    worker = studio.worker()
    assert isinstance(studio.run("hunted", worker, done), protocol.JobSucceeded)
    assert worker.all_of(protocol.SegmentDone), "said again: nobody knows whether it was heard"
    assert hashes(studio.folder / "hunted") == quiet
    studio.idle.append(worker)


def test_vault_killed_in_the_middle_of_a_job_costs_nothing(studio: Studio, quiet: list[tuple[str, str]]) -> None:
    first, gate = studio.worker(), studio.gate
    for point in (CrashPoint.BEFORE_STEP, CrashPoint.AFTER_BLOCK_DONE):
        gate.close(point)
    first.say(studio.order("robbed"))
    gate.held(CrashPoint.BEFORE_STEP)
    studio.vault.kill()
    gate.open(CrashPoint.BEFORE_STEP)
    gate.hold_after_blocks(1)
    studio.vault.start()
    first.say(protocol.PreemptJob("robbed-0"))
    gate.open(CrashPoint.AFTER_BLOCK_DONE)
    preempted = first.finish_job()
    assert isinstance(preempted, protocol.JobPreempted) and 1 <= preempted.blocks_done < BLOCKS
    while "robbed" not in studio.vault.status().contexts:  # adopted without being asked for
        pass
    first.process.kill()
    first.drain()
    second = studio.worker()
    assert isinstance(studio.run("robbed", second, preempted.blocks_done), protocol.JobSucceeded)
    started = second.all_of(protocol.JobStarted)[0]
    assert (started.resume, started.from_block) == ("exact", preempted.blocks_done)
    assert hashes(studio.folder / "robbed") == quiet
    studio.idle.append(second)


def test_job_whose_context_is_gone_goes_on_and_says_that_it_is_continuous(
    studio: Studio, quiet: list[tuple[str, str]]
) -> None:
    first = studio.worker()
    studio.gate.close(CrashPoint.AFTER_BLOCK_DONE)
    first.say(studio.order("orphan"))
    studio.gate.hold_after_blocks(3)
    first.say(protocol.PreemptJob("orphan-0"))
    studio.gate.open(CrashPoint.AFTER_BLOCK_DONE)
    preempted = first.finish_job()
    assert isinstance(preempted, protocol.JobPreempted) and 3 <= preempted.blocks_done < BLOCKS
    client = studio.vault.client("daemon")
    client.drop_context("orphan")
    client.close()
    assert isinstance(studio.run("orphan", first, preempted.blocks_done), protocol.JobSucceeded)
    started = first.all_of(protocol.JobStarted)[-1]
    assert (started.resume, started.from_block) == ("continuous", preempted.blocks_done)
    found = hashes(studio.folder / "orphan")
    assert found[: preempted.blocks_done] == quiet[: preempted.blocks_done] and len(found) == BLOCKS
    studio.idle.append(first)


def test_role_is_served_from_where_it_lies(studio: Studio, quiet: list[tuple[str, str]]) -> None:
    order = protocol.PrepareRole(
        "r", "teacher", "A teacher waves.", str(studio.kit.portrait), studio.kit.recipe.to_json()
    )
    first, second = studio.worker(), studio.start()
    answers = []
    for worker in (first, first, second):
        worker.say(order)
        answers.append(worker.wait_for(protocol.RolePrepared))
    assert [answer.tier for answer in answers] == ["prepared", "gpu", "host"]
    assert answers[0].prepare_ms > 0 and answers[1].prepare_ms == answers[2].prepare_ms == 0
    second.say(protocol.PrepareRole("r2", "teacher", "p", str(studio.folder / "absent.png"), order.recipe))
    refused = second.wait_for(protocol.RoleRefused)
    assert (refused.request_id, refused.code) == ("r2", "bad_media")
    second.say(protocol.PrepareRole("r3", "reader", studio.kit.recipe.prompt, str(studio.kit.portrait), order.recipe))
    assert second.wait_for(protocol.RolePrepared, where=lambda answer: answer.request_id == "r3").tier == "host"
    assert isinstance(studio.run("made ready", second), protocol.JobSucceeded)
    assert hashes(studio.folder / "made ready") == quiet, "what was computed beforehand is what the job computes itself"
    studio.idle += [first, second]


def test_recipe_that_cannot_be_kept_is_refused(studio: Studio, quiet: list[tuple[str, str]]) -> None:
    worker = studio.worker()
    recipe = studio.kit.recipe.to_json()
    for changes, code, word in (
        ({"portrait_sha256": "0" * 64}, "bad_media", "not the one of the recipe"),
        ({"voice_sha256": "0" * 64}, "bad_media", "not the one of the recipe"),
        ({"adapters": [{"name": "x", "sha256": "0" * 64, "alpha": 1.0}]}, "bad_weights", "1 adapters, 0 files"),
    ):
        order = studio.order("refused")
        worker.say(protocol.RunJob(**{**vars(order), "recipe": {**recipe, **changes}}))
        failed = worker.finish_job()
        assert isinstance(failed, protocol.JobFailed)
        assert (failed.code, failed.can_retry) == (code, False) and word in failed.message
    studio.idle.append(worker)


def test_role_adapter_changes_the_character_and_leaves_nothing_behind(
    studio: Studio, quiet: list[tuple[str, str]], tmp_path: Path
) -> None:
    def recipe_of(path: Path | None) -> dict[str, Any]:
        uses = [vars(AdapterUse(name=path.stem, sha256=hash_file(path), alpha=4.0))] if path else []
        return {**studio.kit.recipe.to_json(), "adapters": uses}

    worker, found, files = studio.worker(), {}, {"generic": None}
    for seed, name in enumerate(("captain", "pencil")):
        path = files[name] = tmp_path / f"{name}.safetensors"
        save_file(random_adapter(SHAPES["pocket"], "cpu", 4, 0.5, seed), str(path))
    for job in ("captain", "generic", "pencil", "captain again"):
        path = files[job.removesuffix(" again")]
        order = dataclasses.replace(studio.order(job), recipe=recipe_of(path), adapter_paths=[str(path)] if path else [])
        worker.say(order)
        assert isinstance(worker.finish_job(), protocol.JobSucceeded)
        found[job] = hashes(studio.folder / job)
    assert found["generic"] == quiet
    assert found["captain"] == found["captain again"]
    assert all(len({found[job][block] for job in files}) == 3 for block in range(BLOCKS))
    forged = tmp_path / "forged.safetensors"
    forged.write_bytes(files["captain"].read_bytes()[:-1] + b"x")
    worker.say(dataclasses.replace(studio.order("forged"), recipe=recipe_of(forged), adapter_paths=[str(files["pencil"])]))
    failed = worker.finish_job()
    assert isinstance(failed, protocol.JobFailed) and failed.code == "bad_weights", "nobody is shown with a wrong face"
    assert "The adapter forged" in failed.message and "roles load" in failed.hint
    studio.idle.append(worker)


def test_bits_and_records_say_what_they_were_made_with(studio: Studio, quiet: list[tuple[str, str]]) -> None:
    record = json.loads((studio.folder / "quiet" / "blocks" / "000000.json").read_bytes())
    assert record["made_with"]["deterministic"] == "true" and record["made_with"]["device"] == "cpu"
    assert {"torch", "threads", "cpu_capability"} <= set(record["made_with"])
    assert record["peak_bytes"] > 1 << 20


def test_generate_makes_the_same_bits_without_queue_and_vault(
    studio: Studio, quiet: list[tuple[str, str]], tmp_path: Path
) -> None:
    kit, video = studio.kit, tmp_path / "out" / "video.mp4"
    flags = {
        "--ckpt_dir": studio.model_dir, "--image": kit.portrait, "--audio": kit.voice, "--prompt": kit.recipe.prompt,
        "--size": kit.recipe.settings["size"], "--sample_steps": kit.recipe.settings["steps"], "--infer_frames": 20,
        "--num_clip": 3, "--base_seed": kit.recipe.settings["seed"], "--save_file": video, "--threads": 1,
    }  # fmt: skip
    arguments = [str(part) for flag in flags.items() for part in flag]
    done = subprocess.run(
        [sys.executable, "-m", "engine.generate", *arguments, "--json"], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"event": "Rounded", "infer_frames": 24} in said and {"event": "NotTrained"} in said
    blocks = [(s["latents_sha256"], s["frames_sha256"]) for s in said if s["event"] == "BlockDone"]
    assert blocks == quiet, "three clips of two blocks, the same as a worker makes"
    assert hashlib.sha256(video.read_bytes()).hexdigest() == said[-1]["sha256"]
    recipe = Recipe.from_json(json.loads((tmp_path / "out" / "video.mp4.recipe.json").read_bytes()))
    assert recipe.made_with["threads"] == "1" and recipe.checked_settings().seed == 7
    assert len(list((tmp_path / "out").iterdir())) == 2, "nothing else is left behind"


def test_worker_with_one_flipped_bit_in_its_weights_refuses_to_work(studio: Studio, tmp_path: Path) -> None:
    for path in studio.model_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "vae.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1000] ^= 1
    weights.write_bytes(data)
    worker = studio.start(model_dir=tmp_path, is_ready=False)
    worker.drain()
    assert worker.process.returncode == 1
    assert not worker.all_of(protocol.WorkerReady)
    log = worker.log.read_text()
    assert "bad_weights" in log and "vae.safetensors" in log and "expected sha256" in log
