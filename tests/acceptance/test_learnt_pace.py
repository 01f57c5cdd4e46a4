"""What a house has learnt of its blocks reaches everybody who reckons with them: admission, the watermark, a rehearsal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import av

from tests.acceptance.studio import Studio
from tests.acceptance.test_command_line import Shell
from tests.browser.scenes import script

BLOCK_S = 0.2
PLAN = """
date: {day}
entries:
  - {{role: teacher, user: kim, window: "09:00-17:00", count: 3, length: 4, fill: loop}}
"""


def test_measured_blocks_reach_admission_watermark_and_rehearsal(make_studio: Callable[..., Studio], tmp_path: Path) -> None:
    studio = make_studio("fake", script(tmp_path, BLOCK_S))
    first = studio.door.request_role("kim", "teacher", num_clip=2)["id"]
    assert studio.job(first)["block_ms"] == 480, "nothing is measured yet"
    made = studio.wait_for_end(first)
    assert (made["state"], made["width"], made["height"]) == ("SUCCEEDED", 192, 128)
    with av.open(str(studio.data_dir / "jobs" / first / "video.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (192, 128), "what is told is what was made"

    [(key, learnt)] = studio.reader.block_times()
    assert (key.size, key.device, learnt.count) == ("192x128", "fake", made["total_blocks"]) and learnt.typical_s >= BLOCK_S
    later = studio.door.request_role("kim", "teacher", num_clip=1)["id"]
    assert studio.job(later)["block_ms"] == round(learnt.typical_s * 1000)
    studio.wait_for_end(later)

    shell, plan = Shell(studio), tmp_path / "plan.yaml"
    plan.write_text(PLAN.format(day=date.today() + timedelta(days=2)), encoding="utf-8")
    [(_, learnt)] = studio.reader.block_times()
    [pace] = [check for check in shell.ask("--validate", "--plan", str(plan))["checks"] if check["name"] == "plan pace"]
    assert (pace["state"], pace["data"]["basis"], pace["data"]["block_s"]) == ("ok", "learnt", learnt.typical_s)
    rehearsed = shell.ask("--stress", "--plan", str(plan), "--no-keep")
    assert (rehearsed["block_s_basis"], rehearsed["block_s"]) == ("learnt", round(learnt.typical_s, 4))
