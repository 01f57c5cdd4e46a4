"""Reads `plan.yaml` or a CSV of the same fields: every complaint with its line, all of them at once."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.catalog import PRESETS
from scheduler.errors import SchedulerError
from scheduler.plan.csv_file import csv_entries
from scheduler.plan.entry import DAY_MINUTES, QUALITIES, DayPlan, Entry
from scheduler.plan.figures import half_width
from scheduler.yaml_files import Fields, Node, Problem, YamlError, read_yaml

KNOWN_KEYS = (
    "role", "user", "window", "length", "preset", "priority", "quality", "count", "fill", "context",
)  # fmt: skip
MAX_ENTRIES = 500
MAX_VIDEOS = 2000
MAX_LENGTH_S = 36_000
MAX_SHOWN = 50
EXAMPLE = 'Write entries: and below it - {role: teacher, user: education, window: "10:00-11:00", length: 12}.'
_CLOCK = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_WINDOW = re.compile(rf"\s*{_CLOCK}\s*[-–—]\s*{_CLOCK}\s*")
_DAY_OF_A_SPREADSHEET = re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})")
_MINUTES = re.compile(r"([0-9]{1,3}):([0-5][0-9])")


class PlanError(SchedulerError, ValueError):
    """The plan is refused: nothing of it is used. `problems`: every one found, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        first, count = self.problems[0], len(self.problems)
        message = str(first) if count == 1 else f"{count} problems; the first: {first}"
        shown = [dataclasses.asdict(problem) for problem in self.problems[:MAX_SHOWN]]
        super().__init__(422, "bad_plan", message, field=first.path or None, hint=first.hint, problems=shown)


def load_plan(text: str, kind: str = "yaml") -> DayPlan:
    """The plan in a file's text; `kind`: "yaml" or "csv". Raises PlanError with every problem found."""
    sha256 = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    problems: list[Problem] = []
    if kind == "csv":
        nodes, day_node = csv_entries(text, KNOWN_KEYS, problems)
        day, zone = _day(day_node, problems), ""
    else:
        try:
            root = read_yaml(text)
        except YamlError as error:
            raise PlanError([error.problem]) from error
        nodes, day, zone = _top(root, problems)
    entries = [_entry(number, node, problems) for number, node in enumerate(nodes, start=1)]
    if not entries and not problems:
        problems.append(Problem(1, 1, "", "the plan asks for nothing.", EXAMPLE, "no_entries"))
    if len(entries) > MAX_ENTRIES:
        said, hint = f"the plan has {len(entries)} entries.", f"Use at most {MAX_ENTRIES}."
        problems.append(Problem(1, 1, "", said, hint, "many_entries", {"most": MAX_ENTRIES}))
    if sum(entry.count for entry in entries) > MAX_VIDEOS:
        said = f"the plan asks for more than {MAX_VIDEOS} videos."
        problems.append(Problem(1, 1, "", said, "Split it.", "many_videos", {"most": MAX_VIDEOS}))
    if problems:
        raise PlanError(problems)
    return DayPlan(entries=tuple(entries), day=day, zone=zone, sha256=sha256)


def kind_of(name: str) -> str:
    """The form that a file's name announces: "csv" for .csv and .tsv, else "yaml"."""
    return "csv" if name.lower().endswith((".csv", ".tsv")) else "yaml"


def _top(root: Node, problems: list[Problem]) -> tuple[list[Node], date | None, str]:
    if root.value is None:
        problems.append(Problem(1, 1, "", "the file is empty.", EXAMPLE, "empty_file"))
        return [], None, ""
    if isinstance(root.value, list):
        hint = "Put entries: above the list."
        problems.append(Problem(root.line, root.column, "", "the entries stand alone.", hint, "entries_alone"))
        return [], None, ""
    top = Fields(root, "", ("date", "zone", "entries"), problems)
    nodes = top.get("entries")
    if nodes is not None and not isinstance(nodes.value, list):
        top.complain(nodes, "entries must be a list.", EXAMPLE, "entries", code="entries_no_list")
        nodes = None
    elif nodes is None and not problems:
        top.complain(root, "there are no entries.", EXAMPLE, "entries", code="no_entries")
    return [] if nodes is None else nodes.value, _day(top.get("date"), problems), _zone(top)


def _day(node: Node | None, problems: list[Problem]) -> date | None:
    if node is None:
        return None
    try:
        text = half_width(str(node.value))
        if slashed := _DAY_OF_A_SPREADSHEET.fullmatch(text):
            return date(*(int(part) for part in slashed.groups()))
        return date.fromisoformat(text)
    except ValueError:
        hint = "Write year-month-day, for example 2026-11-23; without it the plan is for today."
        found = str(node.value)[:40]
        problems.append(Problem(node.line, node.column, "date", f"{found!r} is no day.", hint, "no_day", {"found": found}))
        return None


def _zone(top: Fields) -> str:
    name = top.text("zone")
    try:
        if name:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        node = top.get("zone") or top.node
        hint = "Use a name such as Asia/Shanghai."
        top.complain(node, f"the zone {name[:40]!r} is unknown.", hint, "zone", code="no_zone", found=name[:40])
        return ""
    return name


def _entry(number: int, node: Node, problems: list[Problem]) -> Entry:
    """One entry. With problems added it is only good for finding more of them."""
    fields = Fields(node, f"entry {number}", KNOWN_KEYS, problems)
    for name, hint in (
        ("role", "Write role: teacher."),
        ("user", "Write user: education, for whom the video is made."),
        ("window", 'Write window: "10:00-11:00", from when it is wanted until when it must be finished.'),
    ):
        if isinstance(node.value, dict):
            fields.need(name, hint)
    opens, closes = _window(fields)
    return Entry(
        number=number, line=node.line, role=fields.text("role", max_length=40), user=_user(fields),
        opens_min=opens, closes_min=closes, length_s=_length(fields),
        preset=_choice(fields, "preset", PRESETS), priority=_priority(fields),
        quality=_choice(fields, "quality", QUALITIES) or "ask", count=fields.whole("count", 1, 1, MAX_VIDEOS),
        fill=_choice(fields, "fill", ("loop", "pad")),
        context={name: value.plain for name, value in fields.entries("context").items()},
    )  # fmt: skip


def _user(fields: Fields) -> str:
    name = fields.text("user", max_length=64)
    if not all(char.isalnum() or char in "._-@" for char in name):
        fields.complain(
            fields.get("user") or fields.node, f"{name[:40]!r} is no user.", "Use letters, digits and . _ - @.", "user",
            code="no_user", found=name[:40],
        )  # fmt: skip
    return name


def _window(fields: Fields) -> tuple[int, int]:
    node = fields.get("window")
    if node is None:
        return 0, DAY_MINUTES
    found = _WINDOW.fullmatch(half_width(str(node.value)))
    if found is None:
        fields.complain(
            node, f"{str(node.value)[:40]!r} is no window.", 'Write from-until of one day: "10:00-11:30".', "window",
            code="no_window", found=str(node.value)[:40],
        )  # fmt: skip
        return 0, DAY_MINUTES
    hours = [int(part) for part in found.groups()]
    opens, closes = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if closes > DAY_MINUTES or opens >= closes:
        fields.complain(
            node, f"the window {node.value} ends before it begins.",
            "A window lies within one day; one over midnight is two entries, in two plans.", "window",
            code="window_ends_early", found=str(node.value)[:40],
        )  # fmt: skip
        return 0, DAY_MINUTES
    return opens, closes


def _length(fields: Fields) -> float | None:
    node = fields.get("length")
    if node is None:
        return None
    seconds = node.value
    if isinstance(seconds, str) and (found := _MINUTES.fullmatch(half_width(seconds).strip())):
        seconds = int(found.group(1)) * 60 + int(found.group(2))
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= MAX_LENGTH_S:
        fields.complain(
            node, f"length is {str(node.value)[:40]!r}.",
            f'Use seconds above 0 and at most {MAX_LENGTH_S}, or "1:30"; without it the voice decides.', "length",
            code="no_length", found=str(node.value)[:40], most=MAX_LENGTH_S,
        )  # fmt: skip
        return None
    return float(seconds)


def _priority(fields: Fields) -> int | None:
    return None if fields.get("priority") is None else fields.whole("priority", 0, 0, 100)


def _choice(fields: Fields, name: str, known: Iterable[str]) -> str | None:
    node = fields.get(name)
    if node is None:
        return None
    if node.value not in tuple(known):
        found, usable = str(node.value)[:40], ", ".join(known)
        fields.complain(
            node, f"{name} {found!r} is unknown.", f"Use {usable}.", name, code="no_choice", named=name, found=found, known=usable
        )
        return None
    return str(node.value)
