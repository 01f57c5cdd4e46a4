"""How the command line speaks to people, to pipes and to programs."""

from __future__ import annotations

import json

import pytest

from scheduler.cli.output import bytes_text, print_json, print_table, show_error
from scheduler.cli.place import parse_pairs
from scheduler.cli.show import progress_show
from scheduler.cli.submit import show_submitted
from scheduler.errors import SchedulerError


def test_table_without_a_terminal_is_aligned_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("job", "state"), [("j1", "QUEUED"), ("j22", None)])
    assert capsys.readouterr().out == "job  state\nj1   QUEUED\nj22\n"


def test_json_without_a_terminal_is_one_line_and_keeps_all_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"role": "老师"})
    assert capsys.readouterr().out == '{"role": "老师"}\n'


def test_error_for_people_names_the_field_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(SchedulerError(422, "bad", "It is wrong.", field="topic", hint="Mend it."), wants_json=False)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "topic: It is wrong.\nMend it.\n")


def test_pairs_keep_equal_signs_in_values_and_refuse_what_is_no_pair() -> None:
    assert parse_pairs(["formula=a=b", "empty="]) == {"formula": "a=b", "empty": ""}
    with pytest.raises(SchedulerError, match="not key=value"):
        parse_pairs(["topic"])


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "not measured"), (12, "12 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")],
)
def test_bytes_are_written_with_their_unit(count: float | None, text: str) -> None:
    assert bytes_text(count) == text


def test_submission_shows_place_sentence_and_each_remark_once(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {
        "id": "j1", "state": "QUEUED", "place": {"place": 2, "of": 3}, "estimate": None,
        "decision": {"text": {"en": "Accepted; 1 job in line before it."}}, "warnings": ["cut at a pause"],
    }  # fmt: skip
    show_submitted(answer, ("cut at a pause",), as_json=False)
    shown = capsys.readouterr()
    assert shown.out == "j1  QUEUED  place 2 of 3\nAccepted; 1 job in line before it.\n"
    assert shown.err == "cut at a pause\n"


def test_progress_as_json_is_one_object_per_change(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_show(as_json=True) as show:
        for done in (1, 1, 2):
            show.update("j1", "teacher", done, 4, "RUNNING")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["blocks_done"] for line in lines] == [1, 2]
    assert lines[0]["total_blocks"] == 4
