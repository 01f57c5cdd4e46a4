"""The walk through the fault tree: what weighs more than what, how a ladder is counted, and words for every finding."""

from __future__ import annotations

import ast
import json
import os
import re
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scheduler.diagnosis
from scheduler.assets import Refused
from scheduler.core.quality import QualityPolicy
from scheduler.diagnosis import evidence
from scheduler.diagnosis.evidence import Asset, Evidence
from scheduler.diagnosis.files import asset_findings
from scheduler.diagnosis.finding import REMEDIES, WORDS, Branch, Finding, Verdict, found
from scheduler.diagnosis.inputs import is_blurred_at, portrait_findings, prompt_findings, voice_findings
from scheduler.diagnosis.lowering import asked_findings, changes_of, ladder_findings, lowered_blocks
from scheduler.diagnosis.making import ending_findings, worker_findings
from scheduler.diagnosis.walk import diagnose, likeliest_of, weighed
from scheduler.diagnosis.weights import adapter_findings, model_findings
from scheduler.doctor.subject import Subject
from scheduler.prompts import render
from scheduler.refusal_words import chinese
from scheduler.registry import Role
from tests.unit.dashboard.web_rig import RECIPE
from tests.unit.scheduler.store_rig import role

ROOT = Path(__file__).resolve().parents[3]
SHA = {"portrait": "1" * 64, "voice": "2" * 64}
PORTRAIT: dict[str, Any] = {
    "width": 960, "height": 640, "brightness": 0.5, "contrast": 0.2, "light_difference": 0.1, "sharpness": 0.05,
    "sharp_side": 640, "warnings": [],
}  # fmt: skip
VOICE: dict[str, Any] = {
    "seconds": 3.2, "rate": 16000, "channels": 1, "loudness_db": -12.0, "noise_db": -60.0, "signal_to_noise_db": 48.0,
    "clipped_ratio": 0.0, "warnings": [],
}  # fmt: skip
TEACHER: Role = role(preset="pocket", defaults={"topic": "rain over the sea", "audience": "everyone"})
MODEL: dict[str, Any] = {
    "verdict": "complete", "problems": [], "warnings": [], "files": [], "weights_sha256": "a" * 64, "trained": True,
    "directory": "models/pocket", "is_deep": True, "bytes": 100,
}  # fmt: skip


def case(**changes: Any) -> Evidence:
    """A finished job that is all well."""
    recipe = {
        **RECIPE, "prompt": render(TEACHER, {}, style="engaging").prompt, "context": {}, "style": "engaging", "adapters": [],
        "weights_sha256": "a" * 64, "made_with": {"device": "cpu"},
    }  # fmt: skip
    job = {
        "id": "j1", "state": "SUCCEEDED", "role_version": 1, "width": 192, "height": 128, "total_blocks": 2, "leases": 1,
        "video_path": "jobs/j1/video.mp4", "video_sha256": "b" * 64, "error_code": None, "error_message": None,
        "error_hint": None,
    }  # fmt: skip
    assets = tuple(
        Asset(name=kind, kind=kind, sha256=SHA[kind], health="healthy", verdict=verdict)
        for kind, verdict in (("portrait", PORTRAIT), ("voice", VOICE))
    )
    values: dict[str, Any] = {
        "job": job, "recipe": recipe, "asked": None, "story": (), "block_count": 2, "heals": {}, "role": TEACHER,
        "role_now": TEACHER, "assets": assets, "model": MODEL, "video": "healthy", "scores": None, "policy": QualityPolicy(),
    }  # fmt: skip
    return Evidence(**{**values, **changes})


def with_seen(kind: str, **changes: Any) -> Evidence:
    """The same with another verdict of a file's check."""
    whole = case()
    assets = (replace(one, verdict={**(one.verdict or {}), **changes}) if one.kind == kind else one for one in whole.assets)
    return replace(whole, assets=tuple(assets))


def scores(**changes: float) -> dict[str, Any]:
    """A row of good scores."""
    good = {
        "lip_offset_s": 0.0, "lip_correlation": 0.9, "blurred_ratio": 0.0, "frozen_ratio": 0.0, "longest_freeze_s": 0.0,
        "flicker": 0.0, "identity_drift": 0.0, "loudness_db": -20.0,
    }  # fmt: skip
    return {"state": "measured", "has_portrait": True, **good, **changes}


def codes(findings: Any) -> list[str]:
    return [one.code for one in findings]


def test_job_that_is_well_names_nothing() -> None:
    found = diagnose(case(scores=scores()))
    assert (found.verdict, found.likeliest, found.red) == (Verdict.SOUND, None, ())
    assert {one.verdict for one in found.findings} == {Verdict.SOUND}
    assert found.conclusion.startswith("Nothing found that explains it: everything")


def test_video_that_nobody_measured_is_not_called_sound() -> None:
    for row in (None, {"state": "failed", "code": "bad_media", "message": "x"}):
        found = diagnose(case(scores=row))
        assert (found.verdict, found.unseen) == (Verdict.UNKNOWN, ("scores",)) and "评分" in found.conclusion_zh
    found = diagnose(case(scores={**scores(), "lip_offset_s": None}))
    assert (found.verdict, found.to_json()["unseen"]) == (Verdict.UNKNOWN, ["lip_offset_s"])


def test_red_line_that_nothing_explains_is_said_and_not_explained_away() -> None:
    found = diagnose(case(scores=scores(flicker=0.5)))
    assert (found.verdict, found.likeliest, found.red) == (Verdict.UNKNOWN, None, ("flicker",))
    assert "flicker crossed the red line" in found.conclusion and "flicker" in found.conclusion_zh


@pytest.mark.parametrize(
    ("kind", "changes", "code", "alone", "good", "bad"),
    [
        ("voice", {"warnings": ["noisy"]}, "voice_noisy", "suspect", "suspect", "cause"),
        ("voice", {"warnings": ["clipped"], "clipped_ratio": 0.1}, "voice_clipped", "suspect", "suspect", "cause"),
        ("portrait", {"warnings": ["uneven light"]}, "portrait_light", "suspect", "suspect", "cause"),
        ("portrait", {"sharp_side": 64}, "portrait_blurred", "cause", "cause", "cause"),
    ],
)
def test_what_a_score_could_show_is_a_cause_where_it_does(
    kind: str, changes: dict[str, Any], code: str, alone: str, good: str, bad: str
) -> None:
    whole = with_seen(kind, **changes)
    crossed = scores(lip_correlation=0.1, identity_drift=0.5)
    for row, verdict in ((None, alone), (scores(), good), (crossed, bad)):
        found = diagnose(replace(whole, scores=row))
        assert found.likeliest is not None
        assert (found.likeliest.code, found.likeliest.verdict) == (code, verdict)
        assert found.likeliest.remedy and found.likeliest.remedy_zh
        assert bool(found.likeliest.evidence.get("red_lines_crossed")) is (row is crossed and code != "portrait_blurred")


def test_what_the_house_recorded_comes_before_what_may_have_done_it() -> None:
    def one(name: str, verdict: Verdict, **changes: Any) -> Finding:
        return Finding(branch=Branch.INPUT, name=name, name_zh=name, verdict=verdict, code="failed", text="", zh="", **changes)

    suspect, cause = one("a", Verdict.SUSPECT), one("b", Verdict.CAUSE)
    shown, recorded = one("c", Verdict.CAUSE, shows_in=("flicker",)), one("d", Verdict.CAUSE, is_recorded=True)
    ranked = [suspect, cause, shown, recorded]
    for left in (4, 3, 2, 1):
        assert likeliest_of(ranked[:left], ("flicker",)) is ranked[left - 1]
    assert likeliest_of([one("e", Verdict.UNKNOWN), one("f", Verdict.SOUND)], ()) is None
    assert weighed(one("g", Verdict.UNKNOWN, shows_in=("flicker",)), ("flicker",), True).verdict is Verdict.UNKNOWN


def test_blocks_below_what_was_asked_for_are_counted_from_the_recipe() -> None:
    changes = changes_of(["from block 6: steps=3", "from block 10: as asked", "from block 12: steps=3 size=384*256"])
    assert changes == [(6, "steps=3"), (10, "as asked"), (12, "steps=3 size=384*256")]
    assert lowered_blocks(changes, 15) == 4 + 3
    assert lowered_blocks(changes, 8) == 2 and lowered_blocks(changes, 5) == 0 and lowered_blocks([], 5) == 0
    low = {**case().recipe, "degradations": ["from block 1: steps=3"]}
    lowered = replace(case(), recipe=low, asked={"size": "192*128", "steps": 4})
    (found,) = ladder_findings(lowered)
    assert (found.code, found.evidence["lowered_blocks"]) == ("lowered", 1) and "consent" not in found.text
    agreed: Any = ({"seq": 3, "at_utc": "", "action": "job:consented", "body": {}},)
    assert "consent" in next(ladder_findings(replace(lowered, story=agreed))).text
    from_the_first = {**low, "degradations": ["from block 0: steps=3 size=384*256"]}
    found = next(ladder_findings(replace(lowered, recipe=from_the_first)))
    assert "why: slot_memory" in found.text and "never" not in found.remedy, "with that it would be rejected"
    for cause, word in (("instead_of_preemption", "gives way"), ("deadline", "deadline"), ("stutter", "quieter")):
        eased: Any = ({"seq": 4, "at_utc": "", "action": "job:degraded", "body": {"rung": "steps=3", "cause": cause}},)
        found = next(ladder_findings(replace(lowered, story=eased)))
        assert word in found.remedy and "memory" not in found.remedy and "内存" not in found.remedy_zh, "memory was no cause"
    assert codes(ladder_findings(replace(case(), block_count=0))) == [], "of no block nobody can say how it was made"


def test_less_that_was_asked_for_is_told_from_less_that_was_given() -> None:
    settings = {**RECIPE["settings"], "steps": 3}
    assert codes(asked_findings(replace(case(), recipe={**case().recipe, "settings": settings}))) == ["asked_less"]
    taken = replace(case(), recipe={**case().recipe, "settings": settings}, asked={"size": "192*128", "steps": 4})
    assert codes(asked_findings(taken)) == ["as_asked"], "the ladder's doing is the ladder's finding"
    assert codes(asked_findings(replace(taken, asked={"size": "384*256", "steps": 4}))) == ["asked_more"]
    assert codes(asked_findings(replace(case(), role=None))) == ["preset_unknown"]


@pytest.mark.parametrize(
    ("seen", "side", "is_blurred"),
    [
        ({"width": 960, "height": 640, "sharp_side": 640}, 704, False),
        ({"width": 960, "height": 640, "sharp_side": 128}, 128, False),
        ({"width": 960, "height": 640, "sharp_side": 128}, 192, True),
        ({"width": 120, "height": 80, "sharp_side": 80}, 128, False),
        ({"width": 64, "height": 64, "sharp_side": 0}, 64, True),
    ],
)
def test_portrait_is_blurred_at_the_size_of_its_video_or_not(seen: dict[str, Any], side: int, is_blurred: bool) -> None:
    assert is_blurred_at(seen, side) is is_blurred


def test_portrait_that_limits_the_size_is_told_by_its_pixels() -> None:
    assert "portrait_small" in codes(portrait_findings(with_seen("portrait", width=120, height=80, sharp_side=80)))
    assert "portrait_small" not in codes(portrait_findings(with_seen("portrait", width=512, height=512, sharp_side=512)))


def test_file_that_is_gone_ends_a_waiting_job_and_only_hides_what_a_finished_one_was_made_of() -> None:
    whole = case()
    gone = tuple(replace(one, health="missing") for one in whole.assets)
    done = diagnose(replace(whole, assets=gone))
    assert {one.verdict for one in done.findings if one.name.endswith(" file")} == {Verdict.UNKNOWN}
    waiting = {**whole.job, "state": "QUEUED", "video_path": None, "width": None, "height": None}
    to_come = diagnose(replace(whole, assets=gone, job=waiting, video=None, block_count=0))
    assert to_come.likeliest is not None and to_come.likeliest.code == "asset_spoilt"
    unknown = tuple(replace(one, health="missing", verdict=None) for one in whole.assets)
    assert diagnose(replace(whole, assets=unknown)).verdict is Verdict.UNKNOWN
    assert codes(portrait_findings(replace(whole, assets=unknown))) == ["asset_forgotten"]
    over = replace(whole, assets=gone, job={**waiting, "state": "CANCELLED"}, video=None, block_count=0)
    assert diagnose(over).likeliest is None, "cancelled before: nothing would have used it"
    old = {name: value for name, value in PORTRAIT.items() if name != "sharp_side"}
    before = tuple(replace(one, health="missing", verdict=old) if one.kind == "portrait" else one for one in whole.assets)
    assert "portrait_unmeasured" in codes(portrait_findings(replace(whole, assets=before)))


def test_voice_and_prompt_say_what_their_checks_say() -> None:
    assert codes(voice_findings(with_seen("voice", warnings=["silent", "quiet"]))) == ["voice_silent", "voice_otherwise"]
    long = role(preset="pocket", prompt_template="A very talkative teacher " * 8, style=None, defaults={})
    recipe = {**case().recipe, "prompt": render(long, {}).prompt, "context": {}, "style": None}
    (found,) = prompt_findings(replace(case(), role=long, recipe=recipe))
    assert (found.code, found.evidence["code"]) == ("prompt_remark", "prompt_cut") and "103 bytes" in found.text
    assert found.zh.startswith("模型只读提示词的前 103 字节") and not found.zh.endswith("。")
    assert codes(prompt_findings(replace(case(), recipe={**case().recipe, "prompt": "other"}))) == ["prompt_unknown"]
    assert codes(prompt_findings(replace(case(), role=None))) == ["prompt_unknown"]
    assert codes(prompt_findings(replace(case(), recipe={**case().recipe, "context": {"no": "such"}}))) == ["prompt_unknown"]


def test_weights_are_told_apart_random_other_gone_and_unread() -> None:
    def told(**changes: Any) -> list[str]:
        return codes(model_findings(replace(case(), model={**MODEL, **changes})))

    assert told(is_deep=False) == ["weights_unread"] and diagnose(case(scores=scores())).verdict is Verdict.SOUND
    unread_one = case(scores=scores(), model={**MODEL, "is_deep": False})
    assert diagnose(unread_one).unseen == ("weights",), "a flipped bit in 28 GB shows in no header"
    assert told() == ["weights_whole"] and told(trained=False) == ["weights_whole", "weights_random"]
    assert told(weights_sha256="c" * 64) == ["weights_other"]
    trouble = [{"file": "vae.safetensors", "what": "is missing.", "remedy": "Fetch it.", "code": "missing", "data": {}}]
    assert told(verdict="unusable", problems=trouble) == ["weights_damaged"]
    (damaged,) = model_findings(replace(case(), model={**MODEL, "verdict": "unusable", "problems": trouble}))
    assert (damaged.text, damaged.remedy) == ("vae.safetensors is missing (1 in all)", "Fetch it.")
    assert (damaged.zh, damaged.remedy_zh) == ("vae.safetensors 缺失（共 1 处）", "请重新转换或获取该文件。")
    spoilt = case(model={**MODEL, "verdict": "unusable", "problems": trouble})
    assert diagnose(spoilt).verdict is Verdict.SUSPECT, "they may have been whole when it was made"
    assert diagnose(replace(spoilt, scores=scores(blurred_ratio=0.9))).verdict is Verdict.CAUSE
    assert diagnose(replace(spoilt, job={**spoilt.job, "state": "QUEUED"})).verdict is Verdict.CAUSE
    assert told(verdict="needs_attention", warnings=trouble) == ["weights_attention"]
    unread = {"verdict": "cannot_tell", "message": "x", "is_deep": False, "bytes": 1}
    assert codes(model_findings(replace(case(), model=unread))) == ["weights_untold"]
    assert codes(model_findings(replace(case(), model=None))) == ["weights_gone"]
    died = {**unread, "message": "Killed", "code": "check_ended", "data": {"status": -9}}
    (untold,) = model_findings(replace(case(), model=died))
    assert (untold.text, untold.zh) == ("cannot be told: Killed", "无法判断：检查进程意外结束（代码 -9）")
    scripted = replace(case(), recipe={**case().recipe, "made_with": {"device": "fake"}})
    assert codes(model_findings(scripted)) == ["weights_scripted"]


def test_no_finding_names_a_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "models" / "pocket"
    place.mkdir(parents=True)
    said = {"verdict": "cannot_tell", "message": f"{place}/x cannot be read", "problems": [{"what": f"{place}"}]}
    monkeypatch.setattr(evidence, "checked_model", lambda directory, is_deep: said)
    model = evidence._model(Subject(data_dir=tmp_path), False)
    assert model is not None and str(tmp_path) not in json.dumps(model) and model["message"] == "models/pocket/x cannot be read"
    others = {**MODEL, "weights_sha256": "c" * 64, "directory": str(place)}
    (found,) = model_findings(replace(case(), model=others))
    assert "models/pocket" in found.text and str(tmp_path) not in found.text + found.remedy
    path = tmp_path / "ab"
    refused = Refused(kind="voice", path=path, code="check_timed_out", message=f"{path} took too long to read.", hint="")
    assert evidence._asset("voice", "voice", SHA["voice"], "healthy", refused, None).problem == {
        "en": "voice took too long to read", "zh": "检查用时过长而被停止",
    }  # fmt: skip


def test_refused_file_and_prompt_are_told_in_chinese_with_the_way_out() -> None:
    data = {"problem": "too_small", "width": 8, "height": 6}
    small = Refused(
        kind="portrait", path=Path("/in"), code="bad_media", message="/in has 8x6 pixels.", hint="Bring more.", data=data
    )
    asset = evidence._asset("portrait", "portrait", SHA["portrait"], "healthy", small, None)
    (found,) = asset_findings(case(), asset)
    assert (found.text, found.remedy) == ("the portrait cannot be used: portrait has 8x6 pixels", "Bring more.")
    assert (found.zh, found.remedy_zh) == ("画像 无法使用：图片只有 8×6 像素", "请提供 512×512 或更大的图片。")
    untold = replace(small, code="of_another_release", data={}, hint="")
    (found,) = asset_findings(case(), evidence._asset("portrait", "portrait", SHA["portrait"], "healthy", untold, None))
    assert (found.remedy, found.remedy_zh) == ("Bring another file.", "换一个文件。")
    (found,) = prompt_findings(replace(case(), recipe={**case().recipe, "context": {"no": "such"}}))
    assert found.text.endswith("no variable 'no'") and found.zh == "角色版本 1 无法重新生成：该角色没有变量“no”"


def test_failure_is_told_in_chinese_with_the_way_out() -> None:
    short = {**case().job, "state": "FAILED", "error_code": "vault_full", "error_message": "3 GiB are missing."}
    (found,) = ending_findings(replace(case(), job=short))
    assert (found.text, found.remedy) == (
        "the job failed: vault_full: 3 GiB are missing.", "See what happened to it: role_scheduler jobs JOB.",
    )  # fmt: skip
    assert (found.zh, found.remedy_zh) == ("任务失败：vault_full：常驻仓没有足够空间", "请稍后再试，或选择更小的尺寸。")
    text = {"en": "The queue is full. Try again later.", "zh": "队列已满。请稍后再试。"}
    rows: Any = ({"seq": 2, "action": "job:rejected", "body": {"decision": {"text": text}}},)
    rejected = {**short, "state": "REJECTED", "error_code": "queue_full", "error_message": text["en"]}
    (found,) = ending_findings(replace(case(), job=rejected, story=rows))
    assert found.text == "the job was rejected: queue_full: The queue is full. Try again later"
    assert found.zh == "任务被拒绝：queue_full：队列已满。请稍后再试"
    assert found.remedy_zh == "用 role_scheduler jobs JOB 查看经过。"


def test_every_way_in_which_a_begun_job_can_end_badly_is_told_in_chinese() -> None:
    """Codes of the engine and of the core, as they stand in the code; of admission's the log has the sentence itself."""
    codes_of: set[str] = {"bad_artifact", "no_folder", "preview_rejected"}
    for path in (ROOT / "scheduler" / "core").glob("*.py"):
        codes_of |= set(re.findall(r'"error_code": "(\w+)"', path.read_text(encoding="utf-8")))
    for path in (ROOT / "engine" / "errors.py", ROOT / "engine" / "fake.py", *(ROOT / "engine" / "vault").glob("*.py")):
        codes_of |= set(re.findall(r'^    code = "(\w+)"', path.read_text(encoding="utf-8"), re.M))
    assert {"poison_job", "session_broken", "vault_full"} <= codes_of and not codes_of - set(chinese())


def test_adapter_that_was_dropped_changed_or_made_for_other_weights_is_named() -> None:
    use = {"name": "captain", "sha256": "d" * 64, "alpha": 6.0, "weight": 1.0}
    named = Role.from_json({**TEACHER.to_json(), "adapters": [use]})
    assert codes(adapter_findings(replace(case(), role=named))) == ["adapters_dropped"]
    assert codes(adapter_findings(replace(case(), role_now=named))) == ["adapters_changed"]
    asset = Asset(
        name="captain", kind="adapter", sha256="d" * 64, health="healthy", verdict={"rank": 4, "base_sha256": "a" * 64}
    )
    worn = replace(
        case(), role=named, role_now=named, recipe={**case().recipe, "adapters": [use]}, assets=(*case().assets, asset)
    )
    assert codes(adapter_findings(worn)) == ["adapter_whole"]
    foreign = replace(asset, verdict={"rank": 4, "base_sha256": "e" * 64})
    assert codes(adapter_findings(replace(worn, assets=(*case().assets, foreign)))) == ["adapter_foreign"]


def test_ending_and_workers_are_read_from_the_row_and_the_story() -> None:
    failed = {**case().job, "state": "FAILED", "error_code": "bad_weights", "error_message": "gone", "error_hint": "Fetch it."}
    (found,) = ending_findings(replace(case(), job=failed))
    assert (found.branch, found.is_recorded, found.remedy) == (Branch.WEIGHTS, True, "Fetch it.")
    (found,) = ending_findings(replace(case(), job={**failed, "error_code": "poison_job"}))
    assert found.branch is Branch.COMMUNICATION
    row: Any = ({"seq": 2, "action": "job:rejected", "body": {}},)
    (found,) = ending_findings(replace(case(), story=row, job={**failed, "state": "REJECTED"}))
    assert (found.is_recorded, found.remedy, found.audit) == (True, "Fetch it.", (2,))
    (found,) = ending_findings(replace(case(), job={**case().job, "state": "CANCELLED"}))
    assert found.code == "never_made" and "watch" not in found.remedy
    late = {**failed, "state": "CANCELLED", "error_code": "consent_timed_out", "error_message": "Nobody agreed."}
    (found,) = ending_findings(replace(case(), job=late))
    assert (found.code, found.verdict, found.remedy) == ("cancelled", Verdict.CAUSE, "Fetch it.") and "同意" in found.zh
    rows: Any = (
        {"seq": 7, "action": "job:recovered", "body": {"cause": "exited"}},
        {"seq": 9, "action": "job:started", "body": {"resume": "continuous", "from_block": 4}},
    )
    (found,) = worker_findings(replace(case(), story=rows))
    assert (found.code, found.audit, found.evidence["rebuilt"]) == ("rebuilt", (7, 9), 1)
    (found,) = worker_findings(replace(case(), story=rows[:1]))
    assert (found.code, found.verdict) == ("went_on_exactly", Verdict.SOUND)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"video": "missing"}, Verdict.UNKNOWN), ({"video": "unread"}, Verdict.UNKNOWN), ({"video": "damaged"}, Verdict.CAUSE),
        ({"block_count": 1}, Verdict.CAUSE), ({"scores": scores()}, Verdict.SOUND),
    ],
)  # fmt: skip
def test_video_file_is_the_one_that_was_made_or_not(changes: dict[str, Any], verdict: Verdict) -> None:
    assert diagnose(case(**changes)).verdict is verdict


def test_video_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "video.mp4")
    assert evidence._video(tmp_path, {"video_path": "video.mp4", "video_sha256": "0" * 64}) == "unread"


def test_every_name_is_told_in_chinese_too() -> None:
    folder = Path(scheduler.diagnosis.__file__).parent
    calls = (
        node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "found"
    )  # fmt: skip
    names = [call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant)]
    assert len(names) > 30
    told = {name: found(Branch.INPUT, str(name), Verdict.SOUND, "adapters_none").name_zh for name in names}
    assert all(chinese and chinese != name for name, chinese in told.items()), told
    files = {name: found(Branch.INPUT, name, Verdict.SOUND, "adapters_none").name_zh for name in ("voice file", "captain file")}
    assert files == {"voice file": "声音文件", "captain file": "captain文件"}


def test_every_code_has_words_in_both_languages_that_want_the_same_figures() -> None:
    for code, texts in {**WORDS, **{f"{code} remedy": texts for code, texts in REMEDIES.items()}}.items():
        assert texts.keys() == {"en", "zh"} and all(texts.values()), code
        wanted = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert wanted[0] == wanted[1], code
    folder = Path(scheduler.diagnosis.__file__).parent
    used = {
        node.value for path in folder.glob("*.py") if "words" not in path.name for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    assert not WORDS.keys() - used, "words that no check says"
    assert not REMEDIES.keys() - WORDS.keys()
