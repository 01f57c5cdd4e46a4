"""The control API against the real daemon, over real HTTP, as its published commands are typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from scheduler.chaos.replay import Replay
from scheduler.chaos.review_replay import kept_reviews
from scheduler.client import Scheduler, SchedulerError
from tests.acceptance.studio import ROLES, Studio, until
from tests.browser.scenes import LONG_S
from tests.integration.web_rig import Answer, Caller, form_token, lines_of, signed_in, started


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests of this file."""
    made = started(tmp_path_factory.mktemp("studio"))
    yield made
    made.end()


@pytest.fixture
def local(studio: Studio) -> Caller:
    """A caller on this machine without sign-in."""
    return Caller(studio.port)


def test_published_switch_command_works_to_the_letter(local: Caller, studio: Studio) -> None:
    body = '{"role": "teacher", "context": {"topic": "LLM architecture", "audience": "developers"}}'
    answer = local.post("/switch_role", body)
    assert answer.status == 200, answer.body
    switched = answer.json
    assert set(switched) == {
        "role", "slot", "tier", "switch_ms", "prepare_ms", "prompt", "adapter", "weights_reloaded", "audit_seq",
    }  # fmt: skip
    assert switched["weights_reloaded"] is False
    assert "LLM architecture" in switched["prompt"]
    row = studio.reader.audit_entry(switched["audit_seq"])
    assert row is not None
    assert (row["actor"], row["action"], row["address"]) == ("local", "role:switched", "127.0.0.1")


def test_switch_says_what_is_wrong(local: Caller) -> None:
    unknown = local.post("/switch_role", {"role": "nobody"})
    assert (unknown.status, unknown.json["error"]["field"]) == (404, "role")
    slot = local.post("/switch_role", {"role": "teacher", "slot": 99})
    assert (slot.status, slot.json["error"]["field"]) == (404, "slot")
    wrong = local.post("/switch_role", {"role": "teacher", "context": {"no_such": "x"}})
    assert wrong.status == 422


def test_job_is_accepted_made_and_watched(local: Caller, studio: Studio) -> None:
    answer = local.post("/jobs", {"role": "student", "user": "ana", "duration_sec": 1.4, "seed": 7})
    assert answer.status == 202
    assert set(answer.json) >= {"id", "state", "place", "estimate", "decision"}
    job_id = answer.json["id"]
    studio.wait_for_end(job_id)
    ana = signed_in(studio, "ana")
    job = ana.get(f"/jobs/{job_id}").json
    assert (job["state"], job["recipe"]["settings"]["seed"], job["user"]) == ("SUCCEEDED", 7, "ana")
    video = ana.get(f"/jobs/{job_id}/video")
    assert (video.status, len(video.body)) == (200, job["video_bytes"])
    assert ana.get(f"/jobs/{job_id}/video", Range="bytes=4-7").body == b"ftyp"
    assert local.get(f"/jobs/{job_id}/video").status == 403, "without sign-in nobody watches ana's video"


def test_same_key_gives_the_same_job(local: Caller) -> None:
    body = {"role": "teacher", "duration_sec": 0.5}
    first = local.post("/jobs", body, Idempotency_Key="k-1")
    assert local.post("/jobs", body, Idempotency_Key="k-1").json["id"] == first.json["id"]
    other = local.post("/jobs", {**body, "seed": 5}, Idempotency_Key="k-1")
    assert (other.status, other.json["error"]["code"]) == (409, "key_reused")
    assert local.post("/jobs", body, Idempotency_Key="x" * 300).status == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "teacher", "duration_sec": -1}, "duration_sec"), ({"role": "teacher", "size": "1*1"}, "size"),
        ({"role": "teacher", "priority": 101}, "priority"), ({"role": "teacher", "steps": 9}, "steps"),
        ({"role": "teacher", "duration_sec": 900}, "duration_sec"), ({"role": "teacher", "colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_impossible_request_names_its_field(local: Caller, body: dict[str, object], field: str) -> None:
    answer = local.post("/jobs", body)
    assert (answer.status, answer.json["error"]["field"]) == (422, field), answer.body
    assert answer.json["error"]["message"]


def test_running_job_stops_waits_and_goes_on(local: Caller, studio: Studio) -> None:
    job_id = local.post("/jobs", {"role": "student", "duration_sec": LONG_S, "fill": "loop"}).json["id"]
    studio.wait_for_blocks(job_id, 2)
    growing = local.get(f"/jobs/{job_id}/video")
    assert (growing.status, growing.headers["x-video-state"]) == (200, "growing")
    assert growing.headers["content-type"].startswith('video/mp4; codecs="avc1.')
    assert local.post(f"/jobs/{job_id}/pause").status == 200
    until(lambda: local.get(f"/jobs/{job_id}").json["hold"] == "paused", "the job waits as paused")
    why = local.get(f"/jobs/{job_id}").json["why"]
    assert why["text"]["en"].startswith("Paused by a person") and why["blockers"][0]["rule"] == "paused"
    assert local.post(f"/jobs/{job_id}/priority", {"priority": 1, "reason": "later"}).status == 200
    assert local.post(f"/jobs/{job_id}/resume").status == 200
    studio.wait_for_blocks(job_id, studio.job(job_id)["blocks_done"] + 1)
    assert local.post(f"/jobs/{job_id}/cancel").status == 200
    assert studio.wait_for_end(job_id)["state"] == "CANCELLED"
    assert local.post(f"/jobs/{job_id}/cancel").status == 409, "it has ended"


def test_lists_filter_and_page(local: Caller) -> None:
    for seed in range(3):
        local.post("/jobs", {"role": "teacher", "user": "pager", "duration_sec": 0.5, "seed": seed})
    page = local.get("/jobs?user=pager&per_page=2&sort=ordinal").json
    assert (page["total"], page["pages"], len(page["jobs"])) == (3, 2, 2)
    assert len(local.get("/jobs?user=pager&per_page=2&page=2").json["jobs"]) == 1
    assert local.get("/jobs?state=sleeping").json["error"]["field"] == "state"


def test_roles_are_read_and_replaced(local: Caller, studio: Studio) -> None:
    roles = local.get("/roles").json["roles"]
    assert {"teacher", "student", "assistant", "presenter"} <= {role["name"] for role in roles}
    assert local.get("/roles/teacher/portrait").headers["content-type"].startswith("image/")
    assert local.ask("PUT", "/roles", {"text": "x"}).status == 403, "local may not"
    planner = signed_in(studio, "pia", "planner")
    broken = planner.ask("PUT", "/roles", {"text": "teacher:\n  image: [1\n"})
    assert broken.status == 422
    assert "line" in broken.json["error"]["message"]
    assert len(local.get("/roles").json["roles"]) == len(roles), "nothing was changed"


def test_prompt_is_previewed_without_making_anything(local: Caller) -> None:
    answer = local.post("/roles/teacher/preview", {"context": {"topic": "rain"}})
    assert "rain" in answer.json["prompt"]
    unknown = local.post("/roles/teacher/preview", {"context": {"colour": "red"}})
    assert unknown.status == 422
    assert unknown.json["error"]["field"].startswith("context")


def test_queue_is_paused_and_resumed_by_right(local: Caller, studio: Studio) -> None:
    assert local.post("/queue/pause", {"reason": "cleaning"}).status == 403
    boss = signed_in(studio, "cora", "coordinator")
    try:
        assert boss.post("/queue/pause", {"reason": "cleaning"}).status == 200
        job_id = local.post("/jobs", {"role": "teacher", "duration_sec": 0.5}).json["id"]
        until(lambda: local.get("/queue").json["queue"]["paused"], "the queue is paused")
        waiting = {job["id"]: job for job in local.get("/queue").json["jobs"]}
        assert waiting[job_id]["hold"] == "queue_paused"
    finally:
        assert boss.post("/queue/resume").status == 200
    studio.wait_for_end(job_id)


def test_events_resume_where_they_were_left(local: Caller, studio: Studio) -> None:
    before = studio.reader.last_seq()
    job_id = local.post("/jobs", {"role": "teacher", "duration_sec": 0.5}).json["id"]
    studio.wait_for_end(job_id)
    seen = []
    for line in lines_of(studio.port, f"/events?object=job:{job_id}", Last_Event_ID=str(before)):
        if line.startswith("data: "):
            seen.append(json.loads(line[6:]))
        if seen and seen[-1]["action"] == "job:succeeded":
            break
    assert [event["action"] for event in seen[:2]] == ["job:submitted", "job:queued"]
    assert [event["seq"] for event in seen] == sorted({event["seq"] for event in seen})
    assert local.get("/events", Last_Event_ID="x").status == 422


def test_events_arrive_while_they_happen(local: Caller, studio: Studio) -> None:
    stream = lines_of(studio.port, "/events")
    assert next(stream).startswith("retry:")
    job_id = local.post("/jobs", {"role": "teacher", "duration_sec": 0.5}).json["id"]
    assert any(job_id in line for line in stream if line.startswith("data: "))
    stream.close()


def test_audit_is_read_exported_and_verified(studio: Studio) -> None:
    ops = signed_in(studio, "olga", "ops")
    page = ops.get("/audit?action=job:*&limit=2").json
    assert len(page["rows"]) == 2
    older = ops.get(f"/audit?action=job:*&limit=2&before_seq={page['next_before_seq']}").json
    assert older["rows"][0]["seq"] < page["rows"][-1]["seq"]
    csv = ops.get("/audit.csv")
    assert csv.body.startswith("\ufeffseq".encode())
    assert len(ops.get("/audit.json").json) > 10
    exported = ops.get("/audit?action=audit:exported").json["rows"]
    assert (exported[0]["actor"], exported[0]["body"]["format"]) == ("user:olga", "json")
    verdict = ops.post("/audit/verify").json
    assert verdict["is_ok"], verdict
    assert signed_in(studio, "reader").get("/audit.csv").status == 403


def test_readiness_means_blocks_or_a_ready_worker(local: Caller) -> None:
    assert local.get("/healthz").json == {"status": "ok"}
    ready = until(lambda: (a := local.get("/readyz")).status == 200 and a, "ready")
    assert ready.json["reason"] in ("idle", "blocks")
    assert 'greenroom_jobs{state="SUCCEEDED"}' in local.get("/metrics").body.decode()


def test_description_names_every_route_of_the_api(local: Caller) -> None:
    paths = local.get("/openapi.json").json["paths"]
    assert {
        "/switch_role", "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/cancel", "/jobs/{job_id}/pause", "/jobs/{job_id}/resume",
        "/jobs/{job_id}/priority", "/jobs/{job_id}/consent", "/jobs/{job_id}/video", "/roles", "/queue", "/devices", "/audit",
        "/events", "/metrics", "/healthz", "/readyz", "/dashboard.json",
    } <= set(paths)  # fmt: skip
    assert set(paths["/roles"]) == {"get", "put"}


def test_large_body_is_refused_over_real_http(local: Caller) -> None:
    answer = local.post("/jobs", b"x" * (10 << 20))
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")


def test_client_from_another_machine_uses_a_token(studio: Studio) -> None:
    signed_in(studio, "rob")
    token = studio.door.create_token("rob", "laptop")["token"]
    far = Scheduler(studio.url, token=token)
    made = far.request_role("rob", "teacher", duration_sec=0.5)
    studio.wait_for_end(made["id"])
    row = studio.reader.story(made["id"])[0]
    assert row["actor"] == "user:rob"
    with pytest.raises(SchedulerError) as caught:
        far.request_role("somebody-else", "teacher")
    assert caught.value.code == "no_right"


def test_client_from_another_machine_may_change_roles_and_queue_with_the_right(studio: Studio) -> None:
    signed_in(studio, "cora", "coordinator")
    far = Scheduler(studio.url, token=studio.door.create_token("cora", "console")["token"])
    text = ROLES.read_text(encoding="utf-8")
    changed = far.put_roles(text.replace("priority: 10\n", "priority: 11\n", 1))
    assert changed["changed"] == ["teacher"]
    assert far.put_roles(text)["changed"] == ["teacher"], "put back for the tests after this one"
    with pytest.raises(SchedulerError) as caught:
        far.put_roles(text, base_dir=".")
    assert caught.value.field == "base_dir"
    far.pause_queue("cleaning")
    assert studio.door.status()["queue"]["paused"] is True
    far.resume_queue()
    assert studio.door.status()["queue"]["paused"] is False
    assert far.drain_slot(0)["for"] == ["person"] == studio.door.status()["slots"][0]["drained_for"]
    assert far.drain_slot(0, is_drained=False) == {"slot": 0, "drained": False, "for": []}
    with pytest.raises(SchedulerError, match="There is no slot 9"):
        far.drain_slot(9)


def test_link_signs_in_once_and_signing_out_ends_it(studio: Studio) -> None:
    link = studio.door.create_login_link("zoe", "user", "")["path"]
    browser = Caller(studio.port)
    page = browser.get(link, Accept="text/html").body.decode()
    assert browser.get(link, Accept="text/html").status == 200, "looking at the link does not use it up"
    form = f"csrf={form_token(page)}&token={link.split('token=')[1]}"
    kind = "application/x-www-form-urlencoded"
    assert browser.post("/login", form, Content_Type=kind).status == 303
    cookies = dict(browser.cookies)
    assert browser.get("/users/zoe").status == 200
    second = Caller(studio.port)
    again = second.get(link, Accept="text/html").body.decode()
    form = f"csrf={form_token(again)}&token={link.split('token=')[1]}"
    used = second.post("/login", form, Content_Type=kind)
    assert (used.status, used.json["error"]["code"]) == (403, "link_not_valid")
    home = browser.get("/dashboard", Accept="text/html").body.decode()
    assert browser.post("/logout", f"csrf={form_token(home)}", Content_Type=kind).status == 303
    stolen = Caller(studio.port, cookies=cookies)
    assert stolen.get("/users/zoe").status == 403, "a copy of the cookie is worthless now"


def test_data_directory_holds_the_key_for_its_owner_only(studio: Studio) -> None:
    assert (Path(studio.data_dir) / "web.key").stat().st_mode & 0o777 == 0o600


def test_video_is_talked_about_and_of_two_who_judge_at_once_one_is_first(studio: Studio) -> None:
    job = studio.door.submit({"user": "anna", "role": "teacher", "duration_sec": 1.4, "fill": "loop"})["id"]
    studio.wait_for_end(job)
    anna, dora, otto = by_token(studio, "anna"), by_token(studio, "dora", "designer"), by_token(studio, "otto", "planner")
    path = f"/jobs/{job}"
    written = dora.post(f"{path}/notes", {"text": " The mouth is late.\r\nHere. ", "video_s": 0.5})
    assert written.status == 201 and written.json["video_s"] == 0.5
    number = written.json["number"]
    assert anna.post(f"{path}/notes", {"text": "It is", "answers": number}).json["answers"] == number
    (note,) = dora.get(f"{path}/notes").json["notes"]
    assert (note["text"], [one["by"] for one in note["answers"]]) == ("The mouth is late.\nHere.", ["anna"])
    for body, status, code in (
        ({"text": "x", "video_s": 60}, 422, "beyond_the_end"), ({"text": "x", "video_s": -1}, 422, "bad_field"),
        ({"text": "  \n "}, 422, "bad_request"), ({"text": "bell\u0007"}, 422, "bad_request"),
        ({"text": "x", "answers": 99_999}, 404, "unknown_note"),
    ):  # fmt: skip
        answer = dora.post(f"{path}/notes", body)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), body
    assert dora.post("/jobs/jnothere/notes", {"text": "x"}).status == 404
    assert otto.post(f"{path}/notes/{number}", {"deed": "retract"}).json["error"]["code"] == "not_author"
    assert anna.post(f"{path}/notes/{number}", {"deed": "resolve"}).json["state"] == "resolved"
    afar = Scheduler(studio.url, token=anna.headers["Authorization"].partition(" ")[2])
    assert afar.change_note(job, afar.write_note(job, "From afar", 0.1)["number"], "retract")["state"] == "retracted"
    assert dora.post(f"{path}/verdict", {"verdict": "rejected"}).json["error"]["code"] == "reason_missing"
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda one: one.post(f"{path}/verdict", {"verdict": "approved"}), (dora, otto)))
    assert sorted(answer.status for answer in answers) == [200, 409]
    (late,) = (answer.json["error"] for answer in answers if answer.status == 409)
    assert late["code"] == "judged_meanwhile"
    assert anna.get(path).json["verdict"] == "approved"
    replay, seq = Replay(), 0
    while entries := studio.reader.audit_after(seq):
        replay.feed(entries)
        seq = entries[-1]["seq"]
    assert replay.reviews.differences(kept_reviews(studio.reader)) == [], "the log tells notes and verdicts again"


def test_video_that_does_not_exist_yet_is_neither_talked_about_nor_judged(studio: Studio) -> None:
    studio.door.pause_queue("test")
    try:
        job = studio.door.submit({"user": "anna", "role": "teacher"})["id"]
        dora = by_token(studio, "dora", "designer")
        assert dora.post(f"/jobs/{job}/notes", {"text": "x"}).json["error"]["code"] == "no_video_yet"
        assert dora.post(f"/jobs/{job}/verdict", {"verdict": "approved"}).json["error"]["code"] == "not_finished"
        studio.door.cancel(job)
    finally:
        studio.door.resume_queue()


def test_password_replaces_links_until_an_administrator_takes_it_away(studio: Studio) -> None:
    lena = signed_in(studio, "lena")
    assert lena.post("/password", {"new": "lena"}).json["error"]["code"] == "password_length"
    assert lena.post("/password", {"new": "three small words"}).json == {"user": "lena", "is_first": True}
    away = by_password(studio, "lena", "three small words")
    assert away.status == 303
    assert by_password(studio, "lena", "three other words").status == 403
    reset = by_token(studio, "root", "admin").post("/people/passwords/reset", {"user": "lena"}).json
    assert reset["had_password"] and reset["path"].startswith("/login?token=")
    assert lena.get("/password", Accept="text/html").body.count(b'name="new"') == 0, "signed out everywhere"
    assert by_password(studio, "lena", "three small words").status == 403
    actions = [row["action"] for row in studio.reader.story("user:lena")]
    assert actions[2:] == [
        "login:redeemed", "password:chosen", "login:succeeded", "login:failed", "password:removed", "session:ended",
        "login:created", "login:failed",
    ]  # fmt: skip
    told = "".join(studio.reader.export_audit())
    assert "three small words" not in told and "three other words" not in told and "scrypt" not in told


def by_token(studio: Studio, user: str, group: str = "user") -> Caller:
    """A program of a person's."""
    studio.door.create_login_link(user, group, "")
    return Caller(studio.port, headers={"Authorization": f"Bearer {studio.door.create_token(user, user)['token']}"})


def by_password(studio: Studio, name: str, password: str) -> Answer:
    """A new browser signs in by name and password."""
    caller = Caller(studio.port)
    form = {"csrf": form_token(caller.get("/login", Accept="text/html").body.decode()), "user": name, "password": password}
    return caller.post("/login", urlencode(form), Content_Type="application/x-www-form-urlencoded", Accept="text/html")


def test_expensive_video_waits_for_the_approval_of_its_preview(studio: Studio) -> None:
    anna, dora = by_token(studio, "anna"), by_token(studio, "dora", "designer")
    wish = {"role": "teacher", "duration_sec": 1.4, "preview_first": True}
    asked = anna.post("/jobs", wish, Idempotency_Key="preview-1").json
    main, preview = asked["id"], asked["preview"]["id"]
    assert asked["decision"]["reason"] == "approval" and set(asked["cost"]) == {"preview_gpu_s", "gpu_s"}
    again = anna.post("/jobs", wish, Idempotency_Key="preview-1").json
    assert (again["id"], again["preview"]["id"]) == (main, preview), "the same key makes no second pair"
    studio.wait_for_end(preview)
    until(lambda: anna.get(f"/jobs/{main}").json["waits_for"]["state"] == "SUCCEEDED", "the preview is there", 15)
    shown = anna.get(f"/jobs/{main}").json
    assert (shown["state"], shown["hold"], shown["waits_for"]["id"]) == ("QUEUED", "approval", preview)
    assert not shown["waits_for"]["may_judge"] and preview in shown["why"]["text"]["zh"]
    assert dora.get(f"/jobs/{preview}").json["releases"] == [
        {"id": main, "state": "QUEUED", "is_open": True, "gpu_s": shown["waits_for"]["gpu_s"]}
    ]
    assert anna.post(f"/jobs/{main}/verdict", {"verdict": "approved"}).status == 403, "who ordered it has not judge_own"
    answer = dora.post(f"/jobs/{main}/verdict", {"verdict": "approved"}).json
    assert answer["job_id"] == preview and [one["id"] for one in answer["waiting"]] == [main]
    studio.wait_for_end(main)
    row = studio.reader.last_entry_of(f"job:{main}", "job:approved")
    assert row is not None and row["actor"] == "user:dora" and row["body"]["waited_s"] > 0
    rejected = anna.post("/jobs", wish).json
    studio.wait_for_end(rejected["preview"]["id"])
    dora.post(f"/jobs/{rejected['preview']['id']}/verdict", {"verdict": "rejected", "reason": "too dark"})
    ended = anna.get(f"/jobs/{rejected['id']}").json
    assert (ended["state"], ended["error_code"]) == ("CANCELLED", "preview_rejected")
    assert ended["waits_for"]["verdict"]["reason"] == "too dark"
    studio.door.pause_queue("so that the preview does not begin")
    waiting, gone = (held := anna.post("/jobs", wish).json)["id"], held["preview"]["id"]
    assert anna.post(f"/jobs/{waiting}/preview").json["error"]["code"] == "preview_stands"
    assert studio.reader.runs_of_preview(gone)[0]["id"] == waiting, "a refused wish leaves nothing behind"
    anna.post(f"/jobs/{gone}/cancel")
    assert dora.post(f"/jobs/{waiting}/preview").status == 403, "whoever may change the video may ask"
    second = anna.post(f"/jobs/{waiting}/preview").json["preview"]["id"]
    studio.door.resume_queue()
    studio.wait_for_end(second)
    assert anna.get(f"/jobs/{waiting}").json["waits_for"]["id"] == second
    recipes = [{**json.loads(studio.job(one)["recipe"]), "made_with": None} for one in (gone, second)]
    assert recipes[0] == recipes[1]
    assert dora.post(f"/jobs/{waiting}/verdict", {"verdict": "approved"}).json["job_id"] == second
    studio.wait_for_end(waiting)
