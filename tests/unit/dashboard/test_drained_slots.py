"""Cards of slots that take no work say why, and until when; by whom only to those who may drain, too."""

from __future__ import annotations

import re

import pytest

from dashboard.formats import window, zone_of
from dashboard.pulse import Beat, Pulse
from scheduler.audit import SYSTEM, Actor
from tests.unit.dashboard.web_rig import Web

NOW, ENDS = 1_795_248_000.0, 1_795_251_600
WORDS = {
    "en": ("drained · by hand", "(by olga)", "for maintenance until {until}", "for a fault: GPU lost"),
    "zh-CN": ("停止接收 · 人工", "（olga）", "维护中，至 {until}", "因故障：显卡丢失"),
}


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize(("group", "may_drain"), [("ops", True), ("user", False)])
def test_card_of_a_drained_slot_says_why_and_until_when(
    house: Web, monkeypatch: pytest.MonkeyPatch, language: str, group: str, may_drain: bool
) -> None:
    with house.store.transaction():
        house.store.record("slot:drained", "slot:0", {"job_id": None}, Actor("user:olga"), NOW)
        house.store.record("slot:drained", "slot:0", {"cause": "thermal", "job_id": None}, SYSTEM, NOW)
    causes = (("person", None), ("maintenance", ENDS + 0.4), ("gpu_lost", None))
    slots = [
        {"slot": number, "state": "ready", "drained": True, "drained_for": [cause], "drained_until": until}
        for number, (cause, until) in enumerate(causes)
    ] + [{"slot": 3, "state": "ready", "drained": False, "drained_for": [], "drained_until": None}]  # fmt: skip
    monkeypatch.setattr(Pulse, "ask", lambda self: Beat(at=1.0, status={"slots": slots}))
    page = house.person("kim", group).get("/dashboard", headers={"Accept-Language": language}).text
    cards = [" ".join(re.sub("<[^>]*>", "", card).split()) for card in re.findall('<p class="slot-name.*?</p>', page, re.S)]
    hand, by, maintenance, fault = WORDS[language]
    until = window([ENDS, ENDS], zone_of(house.house.settings.zone))
    assert cards[0].endswith(f"{hand} {by}" if may_drain else hand)
    assert cards[1].endswith(maintenance.format(until=until)) and cards[2].endswith(fault)
    assert len(cards) == 4 and cards[3].count("·") == 1, "a slot that takes work says nothing of it"
