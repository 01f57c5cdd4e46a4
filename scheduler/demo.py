"""The demo: three scenes by three teams, one engine, and a preemption to watch. Real daemon, real worker, real video."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scheduler.client import Scheduler, SchedulerError
from scheduler.core.counted import counted
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.launcher import running
from scheduler.preflight import CannotStart
from scheduler.reach import base_url
from scheduler.serve_options import ServeOptions
from scheduler.show import Show
from scheduler.spawn import python_module
from scheduler.store import Reader, open_reader

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
EXIT_FAILED = 1
POLL_S = 0.2
WORKER_TIMEOUT_S = 180.0
SCENE_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Scene:
    """One request of the demo, two to four seconds long. `after_blocks`: submitted when the first has made so many.

    `seconds` cuts a voice that is longer; None leaves it whole.
    """

    user: str
    role: str
    context: dict[str, Any]
    after_blocks: int
    seconds: float | None = None


SCENES = (
    Scene("education-team", "teacher", {"topic": "how a queue stays fair"}, 0, 3.9),
    Scene("support-team", "assistant", {}, 2),
    Scene("market-team", "presenter", {}, 2),
)


class DemoFailed(Exception):
    """The demo could not make its video."""


def run(*, data_dir: Path, host: str = "127.0.0.1", port: int = 8000, once: bool = False) -> int:
    """Start everything, make the scenes, print path and sign-in link; then keep running until a signal, unless `once`.

    Returns 0 when the video was made, else the code of what went wrong.
    """
    roles = EXAMPLES / "roles.yaml"
    options = ServeOptions(data_dir=data_dir, preload_roles=roles, host=host, port=port)
    with Show() as show:
        if not roles.exists():
            show.say(f"There is no {roles}. Run the demo from a checkout of the repository.")
            return EXIT_FAILED
        try:
            return _run(options, show, once)
        except CannotStart as error:
            show.say(str(error))
            return error.exit_code


def _run(options: ServeOptions, show: Show, once: bool) -> int:
    """The main thread keeps the processes (it is their parent); another plays the scenes."""
    outcome: list[str | None] = []
    with running(options, show.say) as (launcher, should_stop):

        def drive() -> None:
            try:
                play(options, show, should_stop)
                if not once:
                    show.say(f"It goes on until Ctrl-C. Dashboard: {_sign_in(options)}")
                outcome.append(None)
            except (DemoFailed, SchedulerError) as error:
                show.say(f"The demo failed: {error}")
                outcome.append(str(error))

        thread = threading.Thread(target=drive, name="demo", daemon=True)
        thread.start()
        launcher.watch(lambda: should_stop() or (bool(outcome) and (once or outcome[0] is not None)))
        thread.join(2)
    return 0 if outcome and outcome[0] is None else EXIT_FAILED


def play(options: ServeOptions, show: Show, should_stop: Callable[[], bool]) -> Path:
    """Submit the scenes, follow them, join the videos. Returns the joined file."""
    door = Scheduler(options.data_dir)
    reader = open_reader(options.data_dir)
    show.say(f"Watch it live: {_sign_in(options)}")
    _wait_for_worker(door, show, should_stop)
    jobs = _submit_all(door, reader, show, should_stop)
    _follow(reader, jobs, show, should_stop)
    joined = _join(options.data_dir, reader, [job_id for job_id, _ in jobs])
    door.record("video:joined", f"job:{jobs[0][0]}", {"jobs": [job_id for job_id, _ in jobs], "sha256": joined["sha256"]})
    preemptions = sum(_job(reader, job_id)["preemptions"] for job_id, _ in jobs)
    show.say(f"Three scenes, {joined['frames']} frames, {counted(preemptions, 'preemption')}, no weights reloaded.")
    if door.status()["daemon"]["weights_trained"] is False:
        show.say("These weights are random: expect moving noise, not a face.")
    show.say(f"The joined video: {joined['path']}")
    return Path(joined["path"])


def _sign_in(options: ServeOptions) -> str:
    """Where the dashboard is, with a fresh link: the one printed before may have been used."""
    base = base_url(options.host, options.port)
    link = Scheduler(options.data_dir).create_login_link("demo", "admin", "demo")
    return f"{base}/dashboard   sign in once with {base}{link['path']}"


def _wait_for_worker(door: Scheduler, show: Show, should_stop: Callable[[], bool]) -> None:
    show.say("warming up the engine")
    _until(lambda: door.status()["slots"][0]["worker"] is not None, WORKER_TIMEOUT_S, should_stop, "No worker became ready")


def _submit_all(
    door: Scheduler, reader: Reader, show: Show, should_stop: Callable[[], bool]
) -> list[tuple[str, Scene]]:
    jobs: list[tuple[str, Scene]] = []
    for scene in SCENES:
        if scene.after_blocks:
            has_made = partial(_has_made, reader, jobs[0][0], scene.after_blocks)
            _until(has_made, SCENE_TIMEOUT_S, should_stop, f"{jobs[0][0]} made no blocks")
        answer = door.as_actor("local").request_role(
            scene.user, scene.role, scene.seconds, context=scene.context
        )
        jobs.append((answer["id"], scene))
        show.say(f"{scene.user} asked for {scene.role}: job {answer['id']}, {answer['decision']['text']['en']}")
    return jobs


def _follow(reader: Reader, jobs: list[tuple[str, Scene]], show: Show, should_stop: Callable[[], bool]) -> None:
    def are_done() -> bool:
        rows = [_job(reader, job_id) for job_id, _ in jobs]
        for row, (job_id, scene) in zip(rows, jobs, strict=True):
            show.update(job_id, f"{scene.role} ({row['priority']})", row["blocks_done"], row["total_blocks"], row["state"])
        return all(row["state"] in FINAL_STATES for row in rows)

    _until(are_done, SCENE_TIMEOUT_S, should_stop, "The scenes were not finished")
    for job_id, scene in jobs:
        row = _job(reader, job_id)
        if row["state"] != JobState.SUCCEEDED:
            raise DemoFailed(f"{scene.role}'s job {job_id} ended as {row['state']}: {row['error_message'] or 'no reason given'}")


def _has_made(reader: Reader, job_id: str, blocks: int) -> bool:
    return bool(_job(reader, job_id)["blocks_done"] >= blocks)


def _job(reader: Reader, job_id: str) -> dict[str, Any]:
    row = reader.job(job_id)
    assert row is not None, job_id
    return row


def _until(is_done: Callable[[], bool], timeout_s: float, should_stop: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if is_done():
                return
        except SchedulerError as error:
            if error.status != 503:  # a restarting daemon is no reason to give up
                raise
        if should_stop():
            raise DemoFailed("stopped")
        if time.monotonic() > deadline:
            raise DemoFailed(f"{problem} within {timeout_s:.0f} s.")
        time.sleep(POLL_S)


def _join(data_dir: Path, reader: Reader, job_ids: list[str]) -> dict[str, Any]:
    target = data_dir / "demo" / f"{job_ids[0]}.mp4"
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = [str(data_dir / _job(reader, job_id)["video_path"]) for job_id in job_ids]
    command = python_module("engine.media", "join", "--output", str(target), *parts)
    made = subprocess.run(command, capture_output=True, text=True, timeout=120)
    answer: dict[str, Any] = json.loads(made.stdout) if made.stdout.strip() else {}
    if made.returncode or "sha256" not in answer:
        raise DemoFailed(f"The scenes could not be joined: {made.stdout.strip() or made.stderr.strip()}")
    return answer
