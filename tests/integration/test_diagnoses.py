"""Diagnoses over real HTTP, against the real daemon: one of a person at a time, so that nobody holds both places."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.child_watch import is_stopped
from tests.acceptance.studio import Studio, until
from tests.browser.scenes import script
from tests.integration.web_rig import Answer, Caller, signed_in

HOLDS = """
import os, pathlib, signal, sys
if "diagnose" in sys.orig_argv and pathlib.Path(__file__).with_name("closed").exists():
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While it is there, who begins to look stands still."""
    (tmp_path / "hold").mkdir()
    (tmp_path / "hold" / "sitecustomize.py").write_text(HOLDS)
    (tmp_path / "hold" / "closed").touch()
    return tmp_path / "hold" / "closed"


@pytest.fixture
def studio(tmp_path: Path, held: Path) -> Iterator[Studio]:
    places = [str(held.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    made = Studio(tmp_path, "fake", {**script(tmp_path, 0.05), "PYTHONPATH": os.pathsep.join(places)})
    try:
        made.start()
        yield made
    finally:
        made.end()


class Asking:
    """A diagnosis that is asked for in a thread of its own, and held before it ends."""

    def __init__(self, studio: Studio, caller: Caller, job_id: str) -> None:
        self._caller, self._path = caller, f"/jobs/{job_id}/diagnosis"
        self.answer: Answer | None = None
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        self._pid = until(lambda: _diagnosing(studio, job_id), "the process that looks")
        until(lambda: is_stopped(self._pid), "it stands still")

    def _ask(self) -> None:
        self.answer = self._caller.get(self._path)

    def go_on(self) -> Answer:
        """Let it end; its answer."""
        os.kill(self._pid, signal.SIGCONT)
        self._thread.join(90.0)
        assert self.answer is not None
        return self.answer


def _diagnosing(studio: Studio, job_id: str) -> int | None:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if {b"diagnose", job_id.encode(), str(studio.data_dir).encode()} <= set(words):
            return int(path.parent.name)
    return None


def test_person_has_one_diagnosis_at_a_time_and_others_have_the_other_place(studio: Studio, held: Path) -> None:
    ana, otto, third = (signed_in(studio, name, "coordinator") for name in ("ana", "otto", "third"))
    jobs = [studio.door.request_role("ana", "teacher", duration_sec=1.0)["id"] for _ in range(3)]
    for job_id in jobs:
        studio.wait_for_end(job_id)
    first = Asking(studio, ana, jobs[0])
    refused = ana.get(f"/jobs/{jobs[1]}/diagnosis")
    assert (refused.status, refused.json["error"]["code"]) == (429, "own_diagnosis_running")
    assert jobs[0] in refused.json["error"]["message"] and jobs[0] in refused.json["error"]["hint"]
    assert refused.headers["retry-after"] == "5"
    assert "一次一个" in ana.get(f"/jobs/{jobs[1]}/diagnosis?lang=zh").json["error"]["message"]
    second = Asking(studio, otto, jobs[1])
    full = third.get(f"/jobs/{jobs[2]}/diagnosis")
    assert (full.status, full.json["error"]["code"], full.headers["retry-after"]) == (503, "diagnoses_running", "5")
    held.unlink()
    assert first.go_on().status == 200 and second.go_on().json["job"] == jobs[1]
    assert ana.get(f"/jobs/{jobs[1]}/diagnosis").status == 200, "after the first has ended"
