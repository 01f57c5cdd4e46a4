"""Plans and rehearsals by the clock and through the daemon's commands, on a real store, with real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduler.chores import CHECK, REHEARSE, VERIFY, Chore, is_missed
from scheduler.clock import SteadyClock
from scheduler.commands import handle
from scheduler.commands.house import House
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.device_sensors import DeviceSensors
from scheduler.door import Actor
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger, Turn
from scheduler.store import Store
from scheduler.store.opening import open_writer
from scheduler.timetable import Timetable

PLAN = 'date: 2026-11-23\nentries:\n  - {role: teacher, user: a, window: "10:00-11:00", count: 3}\n'
ADA = Actor("user:ada")


def _scene(tmp_path: Path, act: Callable[[Ledger], Awaitable[Any]]) -> tuple[Any, Store]:
    """Run something with a ledger that decides; the store stays open for a look."""
    (tmp_path / "run").mkdir(exist_ok=True)
    store = open_writer(tmp_path)
    ledger = Ledger(store, lambda: State.restore(Policy(), 1, []), SteadyClock(), lambda _: None, lambda: None)
    assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])

    async def play() -> Any:
        running = asyncio.get_running_loop().create_task(ledger.run())
        result = await act(ledger)
        await ledger.do(lambda turn: None, SYSTEM)
        running.cancel()
        return result

    return asyncio.run(play()), store


def _house(ledger: Ledger, tmp_path: Path) -> House:
    """As much of a running daemon as these commands ask for."""
    parts: dict[str, Any] = dict.fromkeys(("supervisor", "vault", "reports", "roles", "uploads"))
    return House(data_dir=tmp_path, model="pocket", ledger=ledger, started_at=0.0, **parts)


def _timetable(ledger: Ledger, tmp_path: Path, zone: str | None = None) -> Timetable:
    return Timetable(ledger, tmp_path, DeviceSensors(tmp_path, 1, lambda: None), zone)


def test_plan_is_checked_at_ten_on_working_days_in_the_studios_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_ZONE", "Asia/Shanghai")
    zone = ZoneInfo("Asia/Shanghai")

    async def act(ledger: Ledger) -> list[datetime]:
        timetable = _timetable(ledger, tmp_path)
        timetable.start()
        check, monthly = (timetable._scheduler.get_job(name).trigger for name in ("check-plan", "rehearse"))
        timetable.stop()
        friday = datetime(2026, 11, 20, 10, 0, 1, tzinfo=zone)
        thursday = datetime(2026, 11, 19, 23, 0, tzinfo=zone)
        return [
            check.get_next_fire_time(None, thursday), check.get_next_fire_time(None, friday),
            monthly.get_next_fire_time(None, friday),
        ]  # fmt: skip

    times, store = _scene(tmp_path, act)
    store.close()
    assert times == [
        datetime(2026, 11, 20, 10, tzinfo=zone), datetime(2026, 11, 23, 10, tzinfo=zone),
        datetime(2026, 12, 1, 4, 30, tzinfo=zone),
    ]  # fmt: skip


def test_check_that_no_daemon_made_at_ten_is_made_up_the_same_day(tmp_path: Path) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    monday = datetime(2035, 11, 26, tzinfo=zone)  # the house's first row is of today
    times = {hour: monday.replace(hour=hour).timestamp() for hour in (9, 10, 14)}

    async def act(ledger: Ledger) -> list[bool]:
        missed = [is_missed(CHECK, tmp_path, times[hour], zone) for hour in (9, 10, 14)]
        missed.append(is_missed(CHECK, tmp_path, times[14] + 5 * 86_400, zone))
        for at, actor in ((times[9], SYSTEM), (times[14], ADA), (times[10] + 3, SYSTEM)):
            await ledger.do(_deed(CHECK, at), actor)
            missed.append(is_missed(CHECK, tmp_path, times[14], zone))
        return missed

    missed, store = _scene(tmp_path, act)
    with store:
        entry = store.audit_entry(1)
    assert missed[:4] == [False, True, True, False], "before ten, at ten, after it, and on a Saturday"
    assert missed[4:] == [True, True, False], "neither an earlier one nor a person's is that of ten o'clock"
    assert entry is not None
    began = datetime.fromisoformat(entry["at_utc"])
    noon = timezone(timedelta(hours=12 - began.hour))
    assert not is_missed(CHECK, tmp_path, began.timestamp() + 1, noon), "a house of later that day missed nothing"


def _deed(chore: Chore, at: float) -> Callable[[Turn], Any]:
    """What its doing leaves, at another time than the turn's."""
    return lambda turn: turn.store.record(chore.deed, "x:1", {}, turn.actor, at)


@pytest.mark.parametrize(
    ("chore", "due", "done"),
    [
        (VERIFY, datetime(2035, 11, 24, 3, 30), datetime(2035, 11, 24, 3, 31)),
        (REHEARSE, datetime(2035, 11, 1, 4, 30), datetime(2035, 11, 9, 12, 0)),
    ],
)
def test_work_of_a_night_off_is_made_up(tmp_path: Path, chore: Chore, due: datetime, done: datetime) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    saturday = datetime(2035, 11, 24, 23, 0, tzinfo=zone).timestamp()
    before, at_its_hour, after = (due.replace(tzinfo=zone).timestamp() + shift for shift in (-1, 0, 1))

    async def act(ledger: Ledger) -> list[bool]:
        missed = [is_missed(chore, tmp_path, at, zone) for at in (before, at_its_hour, saturday)]
        await ledger.do(_deed(chore, before), SYSTEM)
        missed += [is_missed(chore, tmp_path, at, zone) for at in (before, after)]
        await ledger.do(_deed(chore, done.replace(tzinfo=zone).timestamp()), SYSTEM)
        return [*missed, is_missed(chore, tmp_path, saturday, zone)]

    missed, store = _scene(tmp_path, act)
    store.close()
    assert missed == [True, True, True, False, True, False], "until it is done; the one before does not count for this one"


def test_daemon_that_comes_too_late_has_the_chores_on_its_timetable_one_after_the_other(tmp_path: Path) -> None:
    class Later(SteadyClock):
        def now(self) -> float:
            return datetime(2035, 11, 26, 14, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()

    async def act(ledger: Ledger) -> list[list[str]]:
        found = []
        for clock in (ledger.clock, Later()):
            ledger.clock = clock
            timetable = _timetable(ledger, tmp_path, "Asia/Shanghai")
            timetable.start()
            late = [job for job in timetable._scheduler.get_jobs() if job.id.endswith("-late")]
            found.append([job.id for job in sorted(late, key=lambda job: job.next_run_time)])
            timetable.stop()
        return found

    found, store = _scene(tmp_path, act)
    store.close()
    assert found == [[], ["check-plan-late", "verify-audit-late", "rehearse-late"]], "a new house missed nothing"


def test_zone_that_does_not_exist_is_refused_with_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_ZONE", "Mars/Phobos")

    async def act(ledger: Ledger) -> None:
        with pytest.raises(SchedulerError, match="GREENROOM_ZONE"):
            _timetable(ledger, tmp_path)

    _scene(tmp_path, act)[1].close()


def test_morning_check_is_kept_with_its_audit_row(tmp_path: Path) -> None:
    async def act(ledger: Ledger) -> None:
        await _timetable(ledger, tmp_path)._check_plan()

    _, store = _scene(tmp_path, act)
    with store:
        check = store.plan_check()
        entry = store.audit_entry(store.last_seq())
    assert check is not None and entry is not None
    assert (check["verdict"], check["exit_code"], check["actor"]) == ("cannot_tell", 12, "system"), "no daemon answers here"
    assert (entry["action"], entry["object"], entry["outcome"]) == ("plan:checked", f"plan:{check['day']}", "failure")
    assert entry["body"]["number"] == check["id"]
    assert "daemon" in entry["body"]["troubles"]


def test_monthly_rehearsal_is_kept_with_its_audit_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def short(data_dir: Path, *words: str) -> dict[str, Any]:
        return {"kind": "simulated", "day": "peak", "totals": {"jobs": 7, "by": {}}, "classes": {}, "peaks": {}}

    monkeypatch.setattr("scheduler.timetable.run_rehearsal", short)

    async def act(ledger: Ledger) -> None:
        await _timetable(ledger, tmp_path)._rehearse()

    _, store = _scene(tmp_path, act)
    with store:
        (kept,) = store.rehearsals()
        entry = store.audit_entry(store.last_seq())
    assert entry is not None
    assert (kept["kind"], kept["actor"]) == ("simulated", "system")
    assert (entry["action"], entry["body"]["jobs"]) == ("rehearsal:finished", 7)


def test_plan_that_is_filed_is_the_one_that_is_checked(tmp_path: Path) -> None:
    today = datetime.now().astimezone().date().isoformat()

    async def act(ledger: Ledger) -> list[dict[str, Any]]:
        house, text = _house(ledger, tmp_path), PLAN.replace("2026-11-23", today)
        filed = await handle(house, "file_plan", ADA, {"text": text})
        again = await handle(house, "file_plan", ADA, {"text": text.replace("count: 3", "count: 4")})
        return [filed, again, await handle(house, "check_plan", ADA, {})]

    (filed, again, report), store = _scene(tmp_path, act)
    with store:
        actions = [(row["action"], row["actor"]) for row in store.audit(object=f"plan:{today}", limit=9)]
    assert (filed["day"], filed["videos"], again["videos"]) == (today, 3, 4)
    assert (report["plan_sha256"], report["by"]) == (again["plan_sha256"], "user:ada")
    assert [entry["role"] for entry in report["entries"]] == ["teacher"]
    assert actions == [("plan:checked", "user:ada"), ("plan:filed", "user:ada"), ("plan:filed", "user:ada")]


@pytest.mark.parametrize(
    ("command", "args", "code"),
    [
        ("file_plan", {"text": "entries: []"}, "bad_plan"),
        ("file_plan", {"text": PLAN, "kind": "xls"}, "bad_request"),
        ("file_plan", {}, "bad_request"),
        ("file_plan", {"text": PLAN.replace("2026-11-23", "2020-01-01")}, "day_over"),
        ("check_plan", {"text": "entries:\n  - {}"}, "bad_plan"),
        ("keep_rehearsal", {"report": {"kind": "simulated"}}, "bad_report"),
        ("rehearse", {"day": "someday"}, "bad_day"),
    ],
)
def test_wish_about_plans_that_cannot_be_is_refused_and_leaves_nothing(
    command: str, args: dict[str, Any], code: str, tmp_path: Path
) -> None:
    async def act(ledger: Ledger) -> None:
        with pytest.raises(SchedulerError) as caught:
            await handle(_house(ledger, tmp_path), command, ADA, args)
        assert caught.value.code == code

    _, store = _scene(tmp_path, act)
    with store:
        assert (store.filed_plans(), store.plan_checks(), store.rehearsals()) == ([], [], [])
