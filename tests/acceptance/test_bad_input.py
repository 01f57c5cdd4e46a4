"""Rubbish through the real front doors: each a clear error that names the thing and the way out, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduler import audit
from scheduler.client import SchedulerError
from tests.acceptance.studio import ROOT, Studio, until


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio with the scripted engine, and a copy of the example roles that may be broken."""
    home = tmp_path_factory.mktemp("rubbish")
    made = Studio(home, "fake")
    made.start()
    yield made
    made.end()


@pytest.fixture
def roles_dir(tmp_path: Path) -> Path:
    """A folder with the example roles' files."""
    shutil.copytree(ROOT / "examples", tmp_path / "roles", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path / "roles"


REQUEST = {"user": "education-team", "role": "teacher"}


@pytest.mark.parametrize(
    ("change", "status", "code", "field", "word"),
    [
        ({"role": "teachr"}, 404, "unknown_role", "role", "teacher"),
        ({"duration_sec": -1}, 422, None, "duration_sec", "-1"),
        ({"size": "100*100"}, 422, "bad_settings", "size", "384*256"),
        ({"steps": 9}, 422, None, "steps", "9"),
        ({"context": {"topik": "x"}}, 422, None, "context.topik", "topic"),
        ({"duration_sec": 60}, 422, "voice_too_short", "duration_sec", "loop"),
        ({"priority": 101}, 422, None, "priority", "100"),
        ({"user": "<script>"}, 422, None, "user", "user"),
        ({"colour": "red"}, 422, None, "colour", "colour"),
        ({"preset": "gold"}, 422, None, "preset", "standard"),
        ({"context": "loud"}, 422, None, "context", "context"),
    ],
)
def test_bad_request_is_refused_by_field(
    studio: Studio, change: dict[str, object], status: int, code: str | None, field: str, word: str
) -> None:
    before = studio.reader.state_counts()
    answered, body = studio.http("POST", "/jobs", {**REQUEST, **change})
    error = body["error"]
    assert (answered, error["field"]) == (status, field), error
    assert code is None or error["code"] == code
    assert word in f"{error['message']} {error['hint']}", error
    assert studio.reader.state_counts() == before


def test_ten_megabytes_are_refused_in_the_same_shape(studio: Studio) -> None:
    status, body = studio.http("POST", "/jobs", b"x" * 10_000_000)
    assert (status, body["error"]["code"]) == (413, "too_large")


def test_page_of_another_site_may_not_act(studio: Studio) -> None:
    status, body = studio.http("POST", "/jobs", REQUEST, {"Origin": "http://evil.example"})
    assert (status, body["error"]["code"]) == (403, "foreign_origin")


def test_reused_idempotency_key_gives_one_job_and_another_request_is_refused(studio: Studio) -> None:
    answers = [studio.http("POST", "/jobs", REQUEST, {"Idempotency-Key": "scene-1"}) for _ in range(3)]
    assert {status for status, _ in answers} == {202}
    assert len({body["id"] for _, body in answers}) == 1
    status, body = studio.http("POST", "/jobs", {**REQUEST, "priority": 3}, {"Idempotency-Key": "scene-1"})
    assert (status, body["error"]["code"]) == (409, "key_reused")


def _replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("breaking", "word"),
    [
        (lambda text: text + "\nbroken: [1, 2\n", "line"),
        (lambda text: text + "\nteacher:\n  image: images/teacher.png\n", "teacher"),
        (_replace("images/teacher.png", "images/nobody.png"), "nobody.png"),
        (_replace("audios/teacher.wav", "README.md"), "README.md"),
        (_replace("images/teacher.png", "audios/teacher.wav"), "teacher.wav"),
        (_replace("{topic}", "{topic} {% for i in range(10**9) %}x{% endfor %}"), "line"),
        (_replace("preset: pocket", "adapter: lora/teacher\n  preset: pocket"), "adapter"),
    ],
    ids=["broken yaml", "duplicate key", "missing portrait", "text as voice", "sound as portrait", "endless template", "adapter"],
)
def test_bad_registry_is_refused_with_its_line_and_the_old_one_stays(
    studio: Studio, roles_dir: Path, breaking: Callable[[str], str], word: str
) -> None:
    text = (roles_dir / "roles.yaml").read_text()
    broken = breaking(text)
    assert broken != text
    with pytest.raises(SchedulerError) as caught:
        studio.door.put_roles(broken, roles_dir)
    assert caught.value.status == 422
    assert word in caught.value.message, caught.value.message
    assert caught.value.data["problems"][0]["line"] >= 1
    assert {role["name"] for role in studio.reader.roles() if role["is_available"]} >= {"teacher", "student"}


def test_role_removed_while_its_job_waits_holds_the_job_until_it_is_back(studio: Studio, roles_dir: Path) -> None:
    text = (roles_dir / "roles.yaml").read_text()
    studio.door.pause_queue("a test")
    job_id = studio.door.request_role("education-team", "teacher")["id"]
    without = "student:" + text.split("student:", 1)[1].replace("teacher, ", "").replace(", teacher", "")
    studio.door.put_roles(without, roles_dir)
    assert studio.job(job_id)["hold"] == "role_unavailable"
    with pytest.raises(SchedulerError) as caught:
        studio.door.request_role("education-team", "teacher")
    assert caught.value.code == "unknown_role"
    studio.door.resume_queue()
    studio.door.put_roles(text, roles_dir)
    assert studio.wait_for_end(job_id)["state"] == "SUCCEEDED"


def test_after_all_that_the_studio_works_and_its_audit_verifies(studio: Studio) -> None:
    job_id = studio.door.request_role("market-team", "presenter", priority=100)["id"]
    assert studio.wait_for_end(job_id)["state"] == "SUCCEEDED"
    until(lambda: studio.slot()["state"] == "ready", "an idle slot")
    assert audit.verify(studio.data_dir).code == 0
    assert studio.stop() == 0
