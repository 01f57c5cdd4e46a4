"""What people read, in English and Chinese, by code. Data goes in by name; both languages use the same names."""

from __future__ import annotations

from typing import Any

from scheduler.core.counted import filled

GIB = 1 << 30

SENTENCES: dict[str, dict[str, str]] = {
    # verdicts of admission
    "admitted": {
        "en": "Accepted; {ahead:job} in line before it.",
        "zh": "已接受；前面还有 {ahead} 个任务。",
    },
    "admitted_paused": {
        "en": "Accepted; the queue is paused, so it waits. {ahead:job} in line before it.",
        "zh": "已接受；队列已暂停，需等待恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_drained": {
        "en": "Accepted; every slot is drained, so it waits. {ahead:job} in line before it.",
        "zh": "已接受；所有槽位都已停止接收新任务，需等待恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_maintenance": {
        "en": "Accepted; every slot is in maintenance or drained, the first takes work again in {wait_s} s. "
        "{ahead:job} in line before it.",
        "zh": "已接受；所有槽位都在维护中或已停止接收新任务，{wait_s} 秒后第一个恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_would": {
        "en": "It would be accepted; {ahead:job} in line before it.",
        "zh": "提交后将被接受；前面还有 {ahead} 个任务。",
    },
    "admitted_paused_would": {
        "en": "It would be accepted; the queue is paused, so it would wait. {ahead:job} in line before it.",
        "zh": "提交后将被接受；队列已暂停，需等待恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_drained_would": {
        "en": "It would be accepted; every slot is drained, so it would wait. {ahead:job} in line before it.",
        "zh": "提交后将被接受；所有槽位都已停止接收新任务，需等待恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_maintenance_would": {
        "en": "It would be accepted; every slot is in maintenance or drained, the first takes work again in {wait_s} s. "
        "{ahead:job} in line before it.",
        "zh": "提交后将被接受；所有槽位都在维护中或已停止接收新任务，{wait_s} 秒后第一个恢复。前面还有 {ahead} 个任务。",
    },
    "admitted_degraded_would": {
        "en": "It would be accepted at {rung} ({cost}): as asked it needs {need} per slot, there are {have}.",
        "zh": "提交后将降级接受（{rung}：{cost}）：按原要求每个槽位需要 {need}，实际只有 {have}。",
    },
    "admitted_degraded": {
        "en": "Accepted at {rung} ({cost}): as asked it needs {need} per slot, there are {have}.",
        "zh": "已降级接受（{rung}：{cost}）：按原要求每个槽位需要 {need}，实际只有 {have}。",
    },
    "context_too_large": {
        "en": "This video needs {need} on its slot, there are {have}; {fits}.",
        "zh": "该视频在槽位上需要 {need}，实际只有 {have}；{fits}。",
    },
    "too_large_at_lowest": {"en": "{rung}, the lowest setting, does not fit either", "zh": "最低的设置 {rung} 也放不下"},
    "too_large_without_lower": {"en": "there is no lower setting", "zh": "没有更低的设置"},
    "memory_more": {
        "en": "Such jobs took {percent} % more memory than predicted here ({jobs} measured).",
        "zh": "此处同类任务的显存占用比预测多 {percent} %（已测 {jobs} 个）。",
    },
    "memory_less": {
        "en": "Such jobs took {percent} % less memory than predicted here ({jobs} measured).",
        "zh": "此处同类任务的显存占用比预测少 {percent} %（已测 {jobs} 个）。",
    },
    "memory_more_alike": {
        "en": "The jobs most like it took {percent} % more memory than predicted here ({jobs} measured).",
        "zh": "此处最相近的任务的显存占用比预测多 {percent} %（已测 {jobs} 个）。",
    },
    "memory_less_alike": {
        "en": "The jobs most like it took {percent} % less memory than predicted here ({jobs} measured).",
        "zh": "此处最相近的任务的显存占用比预测少 {percent} %（已测 {jobs} 个）。",
    },
    "queue_full_user": {
        "en": "{user} has {queued:queued job}; at most {limit} may wait. Try again when one of them has started.",
        "zh": "{user} 已有 {queued} 个排队任务，上限为 {limit}。请等其中一个开始后再提交。",
    },
    "queue_full": {
        "en": "The queue holds {queued:job}; at most {limit} are allowed. Try again later.",
        "zh": "队列中已有 {queued} 个任务，上限为 {limit}。请稍后再试。",
    },
    "queue_full_of": {
        "en": "The {kind} {name} has {queued:queued job}; at most {limit} may wait. Try again when one of them has started.",
        "zh": "{kind} {name} 已有 {queued} 个排队任务，上限为 {limit}。请等其中一个开始后再提交。",
    },
    "day_spent": {
        "en": "The {kind} {name} has {used} of {limit} GPU seconds of today in use; this video needs {needed}. "
        "What would fit: {fitting_s:g} s of video ({fitting:block}). The next day of quotas begins at {resets} UTC.",
        "zh": "{kind} {name} 今天的 {limit} GPU 秒已占用 {used}；该视频需要 {needed} 秒。"
        "可容纳：{fitting_s:g} 秒视频（{fitting} 块）。"
        "下一个配额日从 {resets} UTC 开始。",
    },
    "day_all_spent": {
        "en": "The {kind} {name} has {used} of {limit} GPU seconds of today in use; this video needs {needed}. "
        "What would fit: nothing today, not even one block. The next day of quotas begins at {resets} UTC.",
        "zh": "{kind} {name} 今天的 {limit} GPU 秒已占用 {used}；该视频需要 {needed} 秒。"
        "今天连一块视频也放不下。下一个配额日从 {resets} UTC 开始。",
    },
    "too_many_slots": {
        "en": "This video asks for {needed:slot} at once; the house has {slots}. What would fit: {most}.",
        "zh": "该视频需要同时使用 {needed} 个槽位，共有 {slots} 个。可用：{most} 个。",
    },
    "one_slot_per_job": {
        "en": "This video asks for {needed:slot} at once; here a video is made on one slot. What would fit: 1.",
        "zh": "该视频需要同时使用 {needed} 个槽位；这里每个视频只用一个槽位。可用：1 个。",
    },
    "too_many_together": {
        "en": "This video asks for {needed:slot} at once; at most {most} can make one video together. What would fit: {most}.",
        "zh": "该视频需要同时使用 {needed} 个槽位；一个视频最多可用 {most} 个。可用：{most} 个。",
    },
    "gang_in_session": {
        "en": "A part of a session is made on one slot; this one asks for {needed}. What would fit: 1, "
        "or to submit it apart from the session.",
        "zh": "会话的每一段只用一个槽位；该段需要 {needed} 个。可用：1 个，或不放入会话单独提交。",
    },
    "reserved_too_late": {
        "en": "A time can be reserved from {notice_s} s ahead. What would fit: in {fits_in_s} s or later.",
        "zh": "预约需提前至少 {notice_s} 秒。可选：{fits_in_s} 秒后或更晚。",
    },
    "reservation_taken": {
        "en": "Every slot is reserved then ({slots} in all). What would fit: in {fits_in_s} s.",
        "zh": "该时段全部 {slots} 个槽位均已被预约。可选：{fits_in_s} 秒后。",
    },
    "reserved_in_maintenance": {
        "en": "Maintenance leaves too few slots then. What would fit: in {fits_in_s} s.",
        "zh": "该时段因维护而槽位不足。可选：{fits_in_s} 秒后。",
    },
    # what a lower setting costs in quality
    "cost_steps": {"en": "{value:denoising step}, coarser detail", "zh": "{value} 步去噪，细节较粗"},
    "cost_size": {"en": "pictures of {value}, fewer pixels", "zh": "画面 {value}，像素较少"},
    "cost_other": {"en": "no change of the pictures", "zh": "画面不变"},
    # whose quota
    "kind_user": {"en": "user", "zh": "用户"},
    "kind_team": {"en": "team", "zh": "团队"},
    "kind_role": {"en": "role", "zh": "角色"},
    # reasons of a queued job
    "next_in_line": {
        "en": "First in line; it starts when a slot becomes free.",
        "zh": "排在第一位；有空闲槽位即可开始。",
    },
    "waiting_for_slot": {
        "en": "Number {place} of {total} in line; the next one is {first_ahead}.",
        "zh": "排在第 {place} 位（共 {total} 个）；下一个是 {first_ahead}。",
    },
    "no_worker": {
        "en": "No worker is ready; one is starting or its slot rests after failures.",
        "zh": "当前没有就绪的工作进程；正在启动，或其槽位因故障暂停使用。",
    },
    "preempted": {
        "en": "It gave up its slot and goes on from block {blocks_done}; number {place} of {total} in line.",
        "zh": "已让出槽位，将从第 {blocks_done} 块继续；排在第 {place} 位（共 {total} 个）。",
    },
    "recovering": {
        "en": "Its worker was lost; it goes on from block {blocks_done}; number {place} of {total} in line.",
        "zh": "其工作进程已丢失，将从第 {blocks_done} 块继续；排在第 {place} 位（共 {total} 个）。",
    },
    "paused": {
        "en": "Paused by a person; it goes on from block {blocks_done} when it is resumed.",
        "zh": "已被人工暂停；恢复后从第 {blocks_done} 块继续。",
    },
    "awaiting_consent": {
        "en": "It fits at a lower setting only ({rung}: {cost}); it waits for the requester's consent.",
        "zh": "只能以较低设置（{rung}：{cost}）运行；等待提交者同意。",
    },
    "role_unavailable": {
        "en": "Role {role} is not available; it waits until the role is back.",
        "zh": "角色 {role} 当前不可用；等待其恢复。",
    },
    "asset_missing": {
        "en": "Role {role} lacks a file: its {thing} is gone or cut short. It waits until the file is whole again.",
        "zh": "角色 {role} 缺少文件：{thing}丢失或不完整。等待文件恢复。",
    },
    "file_portrait": {"en": "portrait", "zh": "人像"},
    "file_voice": {"en": "voice", "zh": "语音"},
    "file_adapter": {"en": "adapter", "zh": "适配器"},
    "queue_paused": {
        "en": "The queue is paused by a person; nothing new starts.",
        "zh": "队列已被人工暂停，不会开始新的任务。",
    },
    "slot_drained": {
        "en": "Every slot is drained; none takes new work.",
        "zh": "所有槽位都已停止接收新任务。",
    },
    "maintenance": {
        "en": "Every slot is in maintenance; the first takes work again in {wait_s} s.",
        "zh": "所有槽位都在维护中；{wait_s} 秒后第一个恢复接收任务。",
    },
    "maintenance_or_drained": {
        "en": "Every slot is drained or in maintenance; the first takes work again in {wait_s} s.",
        "zh": "所有槽位都已停止接收新任务或在维护中；{wait_s} 秒后第一个恢复接收任务。",
    },
    "excluded": {
        "en": "Role {role} may not play together with {other_role}; it waits for {other_job} on slot {slot}.",
        "zh": "角色 {role} 不能与 {other_role} 同时运行；等待槽位 {slot} 上的 {other_job}。",
    },
    "scheduled": {
        "en": "It is reserved for a time of day; it starts in {wait_s} s.",
        "zh": "已预约时段；{wait_s} 秒后开始。",
    },
    "awaiting_turn": {
        "en": "It is the next part of a session; it begins when {follows} has ended.",
        "zh": "它是会话的下一段；{follows} 结束后开始。",
    },
    "approval": {
        "en": "Its preview {preview} is being made; it starts when somebody has approved that one.",
        "zh": "其预览 {preview} 正在制作；获批准后才开始。",
    },
    "approval_ready": {
        "en": "Its preview {preview} is ready; it waits for somebody to approve or reject it.",
        "zh": "其预览 {preview} 已完成；等待有人批准或拒绝。",
    },
    "approval_failed": {
        "en": "Its preview {preview} failed. Make the preview again, approve this job to make it without one, or cancel it.",
        "zh": "其预览 {preview} 失败。可重新制作预览，批准本任务以跳过预览直接制作，或取消本任务。",
    },
    "approval_cancelled": {
        "en": "Its preview {preview} was cancelled. Make the preview again, approve this job to go on without one, or cancel it.",
        "zh": "其预览 {preview} 已被取消。可重新制作预览，批准本任务以跳过预览直接制作，或取消本任务。",
    },
    "approval_would": {  # of a video that nobody has submitted yet
        "en": "A preview would be made first; this video starts when somebody has approved it.",
        "zh": "会先制作预览；预览获批准后才开始制作该视频。",
    },
    "unknown_predecessor": {
        "en": "{follows} is no open job, so nothing can follow it. What would fit: a job that waits or runs.",
        "zh": "{follows} 不是未完成的任务，无法接续。可用：排队或运行中的任务。",
    },
    "predecessor_over": {
        "en": "{follows} {how} already, so there is no turn to wait for. What would fit: to submit it by itself.",
        "zh": "{follows} {how}，无需等待接续。可用：单独提交。",
    },
    "ended_succeeded": {"en": "has succeeded", "zh": "已成功完成"},
    "ended_failed": {"en": "has failed", "zh": "已失败"},
    "ended_cancelled": {"en": "was cancelled", "zh": "已取消"},
    "ended_rejected": {"en": "was rejected", "zh": "已被拒绝"},
    "session_roles": {
        "en": "Role {role} may not share a session with {other_role} ({other}). What would fit: to submit it by itself, "
        "or other `relations` in roles.yaml.",
        "zh": "角色 {role} 不能与 {other_role}（{other}）处于同一会话。可用：单独提交，或在 roles.yaml 中修改 `relations`。",
    },
    "turn_taken": {
        "en": "{other} follows {follows} already. What would fit: to follow {last}.",
        "zh": "{other} 已接续 {follows}。可用：接续 {last}。",
    },
    "quota_running": {
        "en": "The {kind} {name} has {used:running job}; at most {limit} may run at once. It waits until one of them ends.",
        "zh": "{kind} {name} 正在运行 {used} 个任务，上限为 {limit}。等待其中一个结束。",
    },
    "retrying": {
        "en": "A failure that another try can help; the next try is in {wait_s} s, from block {blocks_done}.",
        "zh": "发生可重试的故障；{wait_s} 秒后从第 {blocks_done} 块重试。",
    },
}


def sentence(code: str, **data: Any) -> dict[str, str]:
    """The sentence of a code in both languages: `{"en": …, "zh": …}`."""
    return {language: filled(text, data) for language, text in SENTENCES[code].items()}


def sentence_of(code: str, whose: Any, **data: Any) -> dict[str, str]:
    """A sentence about somebody's quota (`whose` has kind and name); the kind is spelled in each language."""
    kinds = SENTENCES[f"kind_{whose.kind}"]
    return {
        language: filled(text, {"kind": kinds[language], "name": whose.name, **data})
        for language, text in SENTENCES[code].items()
    }


def sentence_of_file(code: str, thing: str, **data: Any) -> dict[str, str]:
    """A sentence about a role's file ("portrait", "voice", "adapter"), spelled in each language."""
    names = SENTENCES[f"file_{thing}"]
    return {language: filled(text, {"thing": names[language], **data}) for language, text in SENTENCES[code].items()}


def sentence_at(code: str, rung: str, **data: Any) -> dict[str, str]:
    """A sentence about a lower setting ("steps=3 size=384*256"): what it costs in quality is spelled in each language."""
    cost = cost_of(rung)
    return {language: filled(text, {"rung": rung, "cost": cost[language], **data}) for language, text in SENTENCES[code].items()}


def cost_of(rung: str) -> dict[str, str]:
    """What is seen of a setting, in both languages."""
    parts = [word.partition("=") for word in rung.split()]
    costs = [
        sentence(f"cost_{name}", value=int(value) if value.isdigit() else value)
        for name, _, value in parts if f"cost_{name}" in SENTENCES
    ]  # fmt: skip
    costs = costs or [SENTENCES["cost_other"]]
    return {language: joint.join(cost[language] for cost in costs) for language, joint in (("en", ", "), ("zh", "，"))}


def memory_text(count: int) -> str:
    """Bytes as GiB with two digits, below one GiB as MiB: `1.50 GiB`, `99.9 MiB`."""
    return f"{count / GIB:.2f} GiB" if count >= GIB else f"{count / (1 << 20):.1f} MiB"


def clock_text(at: float) -> str:
    """A moment's time of day in UTC: "00:00"."""
    minutes = int(at % 86_400) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
