"""`diagnose` beside real houses: what spoils a video is named with its evidence, what does not is not."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from engine.worker.crash_points import CrashPoint
from scheduler.assets import AssetLibrary
from tests.acceptance.gate import Gate
from tests.acceptance.studio import ROOT, Studio, until
from tests.acceptance.test_command_line import Shell
from tests.acceptance.test_faults import Script, renew_workers
from tests.acceptance.test_healing import write_policy

EXAMPLES = ROOT / "examples"
ROLE = """\
{name}:
  image: "{image}"
  audio: "{audio}"
  prompt_template: "A student by a bright window asks about rain, curious"
  priority: 5
  preset: pocket
"""


def write_roles(folder: Path) -> None:
    """A healthy role, one with a blurred portrait, one with a noisy voice, one with an adapter; their files beside them."""
    folder.mkdir()
    picture = Image.open(EXAMPLES / "images/student.png").convert("RGB")
    picture.save(folder / "clear.png")
    picture.filter(ImageFilter.GaussianBlur(8)).save(folder / "soft.png")
    shutil.copy(EXAMPLES / "audios/student.wav", folder / "voice.wav")
    shutil.copy(EXAMPLES / "adapters/captain.safetensors", folder / "captain.safetensors")
    with wave.open(str(folder / "voice.wav")) as voice:
        shape, sound = voice.getparams(), np.frombuffer(voice.readframes(voice.getnframes()), "<i2")
    hiss = np.random.default_rng(1).normal(0, 4000, len(sound))
    with wave.open(str(folder / "noisy.wav"), "wb") as voice:
        voice.setparams(shape)
        voice.writeframes(np.clip(sound + hiss, -32768, 32767).astype("<i2").tobytes())
    roles = [
        ("healthy", "clear", "voice"), ("blurred", "soft", "voice"), ("noisy", "clear", "noisy"), ("captain", "clear", "voice"),
    ]  # fmt: skip
    text = "".join(ROLE.format(name=name, image=f"{image}.png", audio=f"{audio}.wav") for name, image, audio in roles)
    (folder / "roles.yaml").write_text(text + '  adapter: "captain.safetensors"\n')


class Clinic:
    """A studio, and its patients."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self._shell = studio, Shell(studio)

    def make(self, role: str, seconds: float = 1.0) -> str:
        """A job that has ended."""
        job_id: str = self.studio.door.request_role("local", role, duration_sec=seconds)["id"]
        self.studio.wait_for_end(job_id)
        return job_id

    def look(self, job_id: str, code: int) -> dict[str, Any]:
        """The diagnosis, with `by_name` for its findings."""
        told = self._shell.ask("diagnose", job_id, code=code)
        assert told["exit_code"] == code
        return {**told, "by_name": {one["name"]: one for one in told["findings"]}}

    def say(self, job_id: str, code: int) -> str:
        """The same for people."""
        return self._shell.run("diagnose", job_id, code=code)

    def asset(self, role: str, thing: str) -> Path:
        """Where a file of a role lies in the library."""
        found = self.studio.reader.load_role(role)
        assert found is not None
        sha256 = found.adapters[0].sha256 if thing == "adapter" else getattr(found, f"{thing}_sha256")
        return AssetLibrary(self.studio.data_dir).path_of(sha256)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """One studio with the pocket model for the tests that need real pictures and weights."""
    home = tmp_path_factory.mktemp("studio")
    studio = Studio(home, "real")
    try:
        studio.start()
        write_roles(home / "roles")
        studio.door.put_roles((home / "roles" / "roles.yaml").read_text(), home / "roles")
        yield Clinic(studio)
    finally:
        studio.end()


def test_healthy_video_is_found_healthy_with_its_scores(real: Clinic) -> None:
    job_id = real.make("healthy", seconds=2.0)
    until(lambda: real.studio.reader.quality(job_id), "its scores")
    told = real.look(job_id, 0)
    assert (told["verdict"], told["likeliest"]) == ("sound", None)
    assert {one["verdict"] for one in told["findings"]} == {"sound"}
    assert [one["branch"] for one in told["findings"]][::3] == ["input", "degradation", "communication", "weights"]
    assert told["scores"]["measures"]["blurred_ratio"]["word"] == "good"
    weights = told["by_name"]["weights"]["evidence"]
    assert weights["weights_sha256"] == weights["recipe_sha256"] and weights["is_deep"] and len(weights["files"]) == 4
    assert "Nothing found that explains it" in real.say(job_id, 0)
    status, answer = real.studio.http("GET", f"/jobs/{job_id}/diagnosis")
    assert status == 200 and {**answer, "exit_code": 0} == {name: one for name, one in told.items() if name != "by_name"}
    assert real.studio.http("GET", "/jobs/jnobody/diagnosis")[0] == 404


def test_blurred_portrait_is_named_though_the_score_of_blur_cannot_see_it(real: Clinic) -> None:
    job_id = real.make("blurred")
    until(lambda: real.studio.reader.quality(job_id), "its scores")
    told = real.look(job_id, 11)
    assert (told["likeliest"], told["by_name"]["portrait"]["verdict"]) == ("portrait", "cause")
    assert told["by_name"]["portrait"]["evidence"]["sharp_side"] < 128 and told["by_name"]["portrait"]["remedy_zh"]
    assert told["scores"]["measures"]["blurred_ratio"]["word"] == "good", "held against a portrait as blurred as itself"


def test_noisy_voice_is_suspect_while_the_lips_are_in_step(real: Clinic) -> None:
    job_id = real.make("noisy")
    until(lambda: real.studio.reader.quality(job_id), "its scores")
    told = real.look(job_id, 10)
    noise = told["by_name"]["voice noise"]
    assert told["likeliest"] == "voice noise" and noise["evidence"]["signal_to_noise_db"] < 20
    assert told["scores"]["measures"]["lip_offset_s"]["word"] == "good"


def test_damaged_adapter_fails_the_job_and_the_diagnosis_says_which_file(real: Clinic) -> None:
    adapter = real.asset("captain", "adapter")
    whole = adapter.read_bytes()
    adapter.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        job_id = real.make("captain")
        assert real.studio.job(job_id)["state"] == "FAILED"
        told = real.look(job_id, 11)
    finally:
        adapter.write_bytes(whole)
    assert told["by_name"]["captain file"]["evidence"] == {"sha256": adapter.name, "health": "damaged"}
    end = told["by_name"]["end"]
    assert (told["likeliest"], end["branch"], end["evidence"]["code"]) == ("end", "weights", "bad_weights")
    rows = {row["seq"]: row["action"] for row in real.studio.reader.story(job_id)}
    assert [rows[seq] for seq in end["audit"]] == ["job:failed"]


def test_damaged_weights_are_named_by_file_and_hash_and_gone_ones_as_not_seen(real: Clinic) -> None:
    job_id = real.make("healthy")
    until(lambda: real.studio.reader.quality(job_id), "its scores")
    model = real.studio.data_dir / "models" / "pocket"
    spoilt = model / "vae.safetensors"
    whole = spoilt.read_bytes()
    try:
        spoilt.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        flipped = real.look(job_id, 10)
        spoilt.write_bytes(whole[: len(whole) // 2])
        cut = real.look(job_id, 10)
        model.rename(model.with_name("away"))
        gone = real.look(job_id, 12)
    finally:
        if not model.exists():
            model.with_name("away").rename(model)
        spoilt.write_bytes(whole)
    for told, word in ((flipped, "damaged"), (cut, "")):
        assert told["likeliest"] == "weights"
        assert "vae.safetensors" in told["by_name"]["weights"]["text"] and word in told["by_name"]["weights"]["text"]
    assert flipped["by_name"]["weights"]["evidence"]["files"]["vae.safetensors"] in flipped["by_name"]["weights"]["text"]
    assert gone["by_name"]["weights"]["verdict"] == "unknown" and "weights" in gone["conclusion"]


def test_job_whose_files_are_gone_is_told_by_what_was_measured_on_arrival(real: Clinic) -> None:
    job_id = real.make("blurred")
    portrait, voice = real.asset("blurred", "portrait"), real.asset("blurred", "voice")
    kept = {path: path.read_bytes() for path in (portrait, voice)}
    video = real.studio.data_dir / real.studio.job(job_id)["video_path"]
    made = video.read_bytes()
    try:
        video.write_bytes(made[:-1])
        assert real.look(job_id, 11)["by_name"]["video"]["verdict"] == "cause"
        for path in (*kept, video):
            path.unlink()
        told = real.look(job_id, 11)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert {name: told["by_name"][name]["verdict"] for name in ("portrait file", "voice file", "video")} == dict.fromkeys(
        ("portrait file", "voice file", "video"), "unknown"
    )
    assert (told["likeliest"], told["by_name"]["voice"]["verdict"]) == ("portrait", "sound"), "as it was measured"


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A script with short blocks."""
    return Script(tmp_path)


def test_degraded_disturbed_and_waiting_jobs_without_a_daemon_to_ask(tmp_path: Path, script: Script) -> None:
    patient = "hung_step: {floor_s: 600}\n  heartbeat_lost: {floor_s: 60}"
    write_policy(tmp_path, f"faults:\n  memory_high: {{above_ratio: 1.0}}\n  {patient}\n")
    gate = Gate(tmp_path / "orders")
    script.write(block_s=0.05, faults=[{"do": "out_of_memory", "block": 6, "times": 99, "above_steps": 3}])
    studio = Studio(tmp_path, "fake", {**script.env, **gate.env})
    try:
        studio.start()
        clinic = Clinic(studio)
        lowered = studio.door.request_role("reader", "teacher", degrade="allow")["id"]
        studio.wait_for_end(lowered)
        script.write(block_s=0.3)
        renew_workers(studio)
        gate.close(CrashPoint.AFTER_BLOCK_DONE)
        killed = studio.door.request_role("reader", "teacher", degrade="never")["id"]
        gate.kill(CrashPoint.AFTER_BLOCK_DONE)
        studio.wait_for_end(killed)
        studio.door.pause_queue("for the test")
        waiting = studio.door.request_role("reader", "teacher")["id"]
        assert studio.stop() == 0
    finally:
        studio.end()
    told = clinic.look(lowered, 11)
    ladder = told["by_name"]["ladder"]
    assert (told["likeliest"], ladder["verdict"], ladder["evidence"]["asked"]["steps"]) == ("ladder", "cause", 4)
    assert ladder["evidence"]["lowered_blocks"] == ladder["evidence"]["made_blocks"] - 6
    (move,) = [one for one in ladder["evidence"]["moves"] if one["rung"] == "steps=3"]
    assert move["cause"] == "out_of_memory" and move["seq"] in ladder["audit"] and move["at_utc"]
    assert "steps=3" in clinic.say(lowered, 11)

    told = clinic.look(killed, 12)
    workers = told["by_name"]["workers"]
    assert (workers["verdict"], workers["evidence"]["lost_workers"]) == ("sound", 1) and len(workers["audit"]) == 1
    assert told["by_name"]["weights"]["code"] == "weights_scripted"

    told = clinic.look(waiting, 12)
    assert told["scores"] == {"state": "no_video"} and told["likeliest"] is None
    assert told["by_name"]["end"]["evidence"] == {"state": "QUEUED", "is_over": False}
    clinic.asset("teacher", "portrait").unlink()
    told = clinic.look(waiting, 11)
    assert (told["likeliest"], told["by_name"]["portrait file"]["verdict"]) == ("portrait file", "cause")
    assert json.loads(Shell(studio).run("diagnose", "jnobody", "--json", code=64))["error"]["code"] == "unknown_job"
    Shell(studio).run("diagnose", code=64)
