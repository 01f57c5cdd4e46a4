"""Profiles of a batch: the forms that a file may have, and that one bad line spoils no other."""

from __future__ import annotations

import json

import pytest

from scheduler.batch_file import is_name, read_profiles
from scheduler.commands.batch import item_keys


def test_list_object_and_lines_are_read_and_named_after_their_file() -> None:
    listed = read_profiles('[{"role": "teacher", "name": "rain"}, {"role": "student"}]', "lessons.json")
    assert [(one.number, one.name) for one in listed] == [(1, "rain"), (2, "lessons-2")]
    assert [one.request for one in listed] == [{"role": "teacher"}, {"role": "student"}]
    (alone,) = read_profiles('{"role": "teacher", "image": "face.png", "audio": "face.wav"}', "face.json")
    assert (alone.name, alone.request) == ("face", {"role": "teacher"})
    assert alone.files == {"portrait": "face.png", "voice": "face.wav"}
    lines = read_profiles('\ufeff{"role": "teacher"}\n\n{"role": "student"}\n', "two.jsonl")
    assert [(one.number, one.name) for one in lines] == [(1, "two-1"), (3, "two-3")]


def test_one_bad_line_is_named_and_spoils_no_other() -> None:
    good, bad, last = read_profiles('{"role": "teacher"}\n{"role": "teacher",}\n{"role": "a", "role": "b"}', "three.jsonl")
    assert good.error is None and bad.number == 2
    assert bad.error is not None and bad.error["message"] is not None and "no JSON" in bad.error["message"]
    assert last.error is not None and last.error["message"] is not None and "twice" in last.error["message"]


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("", None, "empty"), ("[]", None, "empty"), ("{", None, "no JSON"), ("[3]", None, "an object"),
        ("[" * 9999, None, "no JSON"),
        ('{"role": "a", "name": "../../x"}', "name", "name"), ('{"role": "a", "prompt": "Hello"}', "prompt", "from its role"),
        ('{"role": "a", "image": 3}', "image", "one file"), ('{"image": "a.png", "portrait": "b"}', "image", "one file"),
    ],
)  # fmt: skip
def test_mistake_in_a_profile_says_what_and_where(text: str, field: str | None, said: str) -> None:
    (one,) = read_profiles(text, "x.json")
    assert one.error is not None and one.error["field"] == field
    assert said in str(one.error["message"])


def test_name_of_an_output_is_never_a_path() -> None:
    assert [is_name(name) for name in ("rain 2.a", "雨", ".hidden", "a/b", "..", "", "x" * 61)] == [True, True, *[False] * 5]


def test_key_of_an_item_follows_what_it_says_and_how_often() -> None:
    one, other = ("rain", {"role": "teacher"}), ("rain", {"role": "teacher", "priority": 3})
    keys = item_keys("k", [one, other, one])
    assert len(set(keys)) == 3 and all(len(key) <= 200 for key in item_keys("k" * 80, [("n" * 60, {"role": "a"})]))
    assert item_keys("k", [other, one, one]) == [keys[1], keys[0], keys[2]], "moving a line changes no key"
    assert set(item_keys("l", json.loads(json.dumps([one])))) & set(keys) == set()


def test_line_that_is_no_object_spoils_no_other() -> None:
    good, bad, other = read_profiles('{"role": "teacher"}\nnonsense\n{"role": "student"}', "three.jsonl")
    assert (good.error, other.error) == (None, None)
    assert bad.error is not None and bad.error["data"] == {"problem": "no_json", "line": 2}
