"""What each blocker of a queued job is, in words: the rule, the other job, the amount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.core.counted import filled
from scheduler.core.sentences import SENTENCES

BLOCKERS: dict[str, dict[str, str]] = {
    "ahead": {"en": "{job} is ahead of it.", "zh": "{job} 排在它前面。"},
    "ahead_more": {"en": "{amount:other job} ahead of it.", "zh": "前面还有另外 {amount} 个。"},
    "slot_busy": {"en": "{job} plays on slot {slot}.", "zh": "槽位 {slot} 正在运行 {job}。"},
    "excluded": {
        "en": "{job} plays on slot {slot}; its role {role} may not play together with this one.",
        "zh": "槽位 {slot} 正在运行 {job}，其角色 {role} 不能与本任务同时运行。",
    },
    "quota_running": {
        "en": "The {kind} {name} has {used:running job} of at most {limit}: {jobs}.",
        "zh": "{kind} {name} 正在运行 {used} 个任务，上限 {limit} 个：{jobs}。",
    },
    "gang": {"en": "It needs {slots:slot} at once; free: {free}.", "zh": "需要同时使用 {slots} 个槽位，现有 {free} 个空闲。"},
    "fair_share": {
        "en": "Counting what its running videos still need, team {team} has had more of its share than others in line: {amount} "
        "points less.",
        "zh": "计入正在运行的视频仍需的用时，团队 {team} 相对应得份额所得多于其他排队团队：少 {amount} 分。",
    },
    "asset_missing": {"en": "The {thing} of role {role} is missing or cut short.", "zh": "角色 {role} 的{thing}缺失或不完整。"},
    "queue_paused": SENTENCES["queue_paused"],
    "slot_drained": SENTENCES["slot_drained"],
    "slot_drained_until": {"en": "Every slot is in maintenance or drained.", "zh": "所有槽位都在维护中或已停止接收新任务。"},
    "no_worker": SENTENCES["no_worker"],
    "paused": {"en": "It is paused by a person.", "zh": "已被人工暂停。"},
    "awaiting_consent": {"en": "It waits for its requester's consent to a lower setting.", "zh": "等待提交者同意较低设置。"},
    "role_unavailable": {"en": "Its role is not available.", "zh": "其角色当前不可用。"},
    "retrying": {"en": "It waits for its next try.", "zh": "等待下一次重试。"},
    "scheduled": {"en": "It is reserved for a later time.", "zh": "已预约稍后的时间。"},
    "awaiting_turn": {"en": "{job}, the part of the session before it, has not ended.", "zh": "会话的前一段 {job} 尚未结束。"},
    "approval": {"en": "Nobody has approved its preview {job} yet.", "zh": "其预览 {job} 尚未获批准。"},
}
_SPELLED = {"kind": "kind_{}", "thing": "file_{}"}  # figures that are words of ours


def words_of(blocker: Mapping[str, Any]) -> dict[str, str]:
    """`{"en", "zh"}` of one entry of `Explanation.data["blockers"]`."""
    code = blocker["rule"]
    if code == "ahead" and not blocker.get("job"):
        code = "ahead_more"
    elif code == "slot_drained" and blocker.get("until") is not None:
        code = "slot_drained_until"
    return {
        language: filled(text, {name: _spoken(name, value, language) for name, value in blocker.items()})
        for language, text in BLOCKERS[code].items()
    }


def _spoken(name: str, value: Any, language: str) -> Any:
    if name in _SPELLED:
        return SENTENCES[_SPELLED[name].format(value)][language]
    if isinstance(value, list):
        return ("、" if language == "zh" else ", ").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else value
