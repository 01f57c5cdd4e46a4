"""What the checks of a day plan say, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.core.counted import filled as fill
from scheduler.plan.house_sentences import HOUSE

Words = dict[str, str]

SENTENCES: dict[str, Words] = {
    # the day
    "day_ok": {"en": "{videos:video} for {day}, {zone}", "zh": "{day}（{zone}）共 {videos} 个视频"},
    "day_over": {
        "en": "the plan is for {day}, which is over; today is {today}",
        "zh": "计划的日期 {day} 已过；今天是 {today}",
    },
    "window_over": {"en": "its window {window} is over; it is {now} now", "zh": "时间窗 {window} 已过；现在是 {now}"},
    "window_begun": {
        "en": "its window {window} has begun; what is left of it counts, from {now} on",
        "zh": "时间窗 {window} 已开始；从 {now} 起计算剩余部分",
    },
    # what is asked for
    "unknown_role": {"en": "there is no role {role}; roles: {known}", "zh": "没有角色 {role}；现有角色：{known}"},
    "role_away": {"en": "the role {role} takes no jobs: {problem}", "zh": "角色 {role} 当前不可用：{problem}"},
    "refused": {"en": "it would be refused: {reason} {hint}", "zh": "提交会被拒绝：{reason} {hint}"},
    "requests_ok": {"en": "every entry can be submitted", "zh": "所有条目都可以提交"},
    # assets, adapters, versions
    "assets_ok": {"en": "portraits and voices of {roles:role} are healthy", "zh": "{roles} 个角色的画像与声音完好"},
    "asset_broken": {"en": "{role}: {broken}", "zh": "{role}：{broken}"},
    "portrait_missing": {"en": "portrait missing", "zh": "肖像缺失"},
    "portrait_damaged": {"en": "portrait damaged", "zh": "肖像损坏"},
    "voice_missing": {"en": "voice missing", "zh": "声音缺失"},
    "voice_damaged": {"en": "voice damaged", "zh": "声音损坏"},
    "health_missing": {"en": "missing", "zh": "缺失"},
    "health_damaged": {"en": "damaged", "zh": "损坏"},
    "adapters_none": {
        "en": "no role of the plan names an adapter: the generic character is used",
        "zh": "计划中的角色没有指定适配器：使用通用人物",
    },
    "adapter_broken": {"en": "{role}: its adapter {adapter} is {health}", "zh": "{role}：适配器 {adapter} {health}"},
    "adapters_ok": {"en": "adapters of {roles:role} are there, whole", "zh": "{roles} 个角色的适配器完好"},
    "role_versions": {"en": "{versions}; model {model} on {device}", "zh": "{versions}；模型 {model}，设备 {device}"},
    # memory and time
    "memory_fits": {
        "en": "the largest video ({size}, {steps:step}): {why}", "zh": "最大的视频（{size}，{steps} 步）：{why}",
    },
    "memory_unknown": {"en": "no device was read, so nobody can tell", "zh": "没有读到设备，无法判断"},
    "context_ok": {
        "en": "the largest context is {need}, a slot takes {have}", "zh": "最大的上下文为 {need}，每个槽位可用 {have}",
    },
    "context_too_large": {
        "en": "{entries}: the context of {need} is larger than a slot takes ({have})",
        "zh": "{entries}：上下文 {need} 超过槽位可用的 {have}",
    },
    "context_lower": {
        "en": "{entries}: the context of {need} is larger than a slot takes ({have}); the quality may be lowered",
        "zh": "{entries}：上下文 {need} 超过槽位可用的 {have}；允许降低质量",
    },
    "pace_learnt": {
        "en": "{size}, {steps:step}: {block_s} s per block, learnt of {count:block}",
        "zh": "{size}，{steps} 步：每块 {block_s} 秒，由 {count} 块实测得出",
    },
    "pace_proportion": {
        "en": "{size}, {steps:step}: {block_s} s per block, in proportion to learnt blocks of other steps",
        "zh": "{size}，{steps} 步：每块 {block_s} 秒，按其他步数的实测值折算",
    },
    "pace_scaled": {
        "en": "{size}, {steps:step}: about {block_s} s per block, scaled by pixels and steps from {other}; never made here",
        "zh": "{size}，{steps} 步：每块约 {block_s} 秒，按像素与步数由 {other} 折算；此处从未制作过",
    },
    "pace_predicted": {
        "en": "{size}, {steps:step}: {block_s} s per block, predicted by the memory planner for {device}",
        "zh": "{size}，{steps} 步：每块 {block_s} 秒，由内存规划器对 {device} 预测",
    },
    "pace_unknown": {
        "en": "{size}, {steps:step}: nobody knows how long a block takes here; make one such video first",
        "zh": "{size}，{steps} 步：此处尚不知道每块耗时；请先制作一个这样的视频",
    },
    "time_ok": {
        "en": "{work} of computing on {slots:slot}; the fullest quarter-hour, {quarter}, at {ratio}",
        "zh": "共需计算 {work}，{slots} 个槽位；最满的一刻钟 {quarter} 占用 {ratio}",
    },
    "time_no_slots": {"en": "no slot takes work", "zh": "没有可用的槽位"},
    "time_all_drained": {
        "en": "every slot is drained; give one back: role_scheduler drain 0 --back",
        "zh": "所有槽位都已停止接收任务；请恢复一个：role_scheduler drain 0 --back",
    },
    "slots_drained_now": {
        "en": "slots drained now: {drained} of {slots}; for {day} they are counted as taking work: give them back until then",
        "zh": "{slots} 个槽位中现有 {drained} 个停止接收任务；{day} 按可用计算：请在此之前恢复",
    },
    "late": {
        "en": "{late} of {count} not finished by {closes}, the last at {finish}",
        "zh": "{count} 个中有 {late} 个在 {closes} 前完不成，最晚 {finish} 完成",
    },
    "never_done": {"en": "{count} of {all} never finish: {reason}", "zh": "{all} 个中有 {count} 个无法完成：{reason}"},
    "tight": {
        "en": "it fits, but in {runs} of {of} simulated days of the usual scatter not",
        "zh": "可以完成，但在 {of} 次含正常波动的模拟中有 {runs} 次超时",
    },
    "degraded": {"en": "it fits at a lower setting: {rung}", "zh": "以较低设置可以完成：{rung}"},
    "entries_ok": {"en": "every video is finished in its window", "zh": "所有视频都能在时间窗内完成"},
    "other_entries_ok": {"en": "every other video is finished in its window", "zh": "其余视频都能在时间窗内完成"},
    # disk
    "disk_ok": {"en": "it needs {need} ({basis}), {have} are free", "zh": "需要 {need}（{basis}），可用 {have}"},
    "disk_basis_learnt": {"en": "learnt of {count:video}", "zh": "由 {count} 个视频得出"},
    "disk_basis_most": {"en": "at most: pictures not compressed at all", "zh": "上限：按完全不压缩计算"},
    "disk_small": {
        "en": "it needs {need} ({basis}), {have} are free above the {floor} that stay free",
        "zh": "需要 {need}（{basis}），除保留的 {floor} 外只剩 {have}",
    },
    "disk_unknown": {
        "en": "no video was made here yet; it is at most {need}, {have} are free: perhaps too little",
        "zh": "此处尚未制作过视频；最多需要 {need}，可用 {have}：可能不足",
    },
    # quotas, relations, service level
    "quotas_ok": {"en": "within the quotas of the policy", "zh": "在策略配额之内"},
    "quota_over": {
        "en": "{who} asks for {asked}, the policy's {field} is {limit}", "zh": "{who} 需要 {asked}，策略 {field} 为 {limit}",
    },
    "quota_left": {
        "en": "{who} asks for {asked}, the policy's {field} is {limit}, of which {used} are used today",
        "zh": "{who} 需要 {asked}，策略 {field} 为 {limit}，今日已用 {used}",
    },
    "relations_ok": {"en": "no roles that exclude each other are wanted at the same time", "zh": "互斥的角色没有重叠的时间窗"},
    "relations_overlap": {
        "en": "{one} and {other} may never play together, and both are wanted at {window}: they take turns",
        "zh": "{one} 与 {other} 不能同时运行，而两者都在 {window} 需要：将轮流进行",
    },
    "sla_ok": {"en": "every role keeps its promise", "zh": "所有角色都满足服务承诺"},
    "sla_none": {"en": "no role of the plan promises anything", "zh": "计划中的角色没有服务承诺"},
    "sla_start": {
        "en": "{role}: the longest wait is {wait}, promised is a start within {limit}",
        "zh": "{role}：最长等待 {wait}，承诺在 {limit} 内开始",
    },
    "sla_finish": {
        "en": "{role}: finished after {factor} times the video's length, promised is {limit} times",
        "zh": "{role}：完成用时为视频时长的 {factor} 倍，承诺 {limit} 倍",
    },
    "sla_unknown": {"en": "without times nobody can tell", "zh": "没有耗时数据，无法判断"},
    "open_unknown": {
        "en": "of the work in the house {jobs:job} of unknown length: not counted",
        "zh": "系统中已有 {jobs} 个任务耗时未知，未计入",
    },
    "no_plan": {"en": "no plan is filed for {day}", "zh": "{day} 没有提交计划"},
    "no_studio": {"en": "{reason}", "zh": "{reason}"},
    # changes that would make it fit
    "extend": {"en": "give it until {until}", "zh": "把截止时间延到 {until}"},
    "move": {"en": "move it to {window}", "zh": "改到 {window}"},
    "shorten": {"en": "shorten it to {length}", "zh": "缩短到 {length}"},
    "lower_preset": {"en": "use the preset {preset}", "zh": "改用预设 {preset}"},
    "fewer": {"en": "ask for {count} instead of {before}", "zh": "数量由 {before} 减为 {count}"},
    "fill": {"en": "say fill: loop, or a length of at most {length}", "zh": "设置 fill: loop，或把时长改为不超过 {length}"},
    "remedy": {"en": "in any case: {what}", "zh": "无论如何都需要：{what}"},
    "no_change": {
        "en": "no single change makes it fit (days played: {days}; tried: {tried})",
        "zh": "没有任何单项修改可行（共模拟 {days} 次；已尝试：{tried}）",
    },
    "cut_short": {
        "en": "the search was cut short (days played: {days}; tried: {tried})",
        "zh": "搜索提前中止（共模拟 {days} 次；已尝试：{tried}）",
    },
    "tried_fill": {"en": "fill: loop", "zh": "fill: loop"},
    "tried_extend": {"en": "later ends up to {most} ({count})", "zh": "更晚的截止时间（{count} 个，最晚 {most}）"},
    "tried_move": {"en": "other windows up to {most} h away ({count})", "zh": "其他时间窗（{count} 个，最远相差 {most}）"},
    "tried_shorten": {"en": "shorter lengths ({count})", "zh": "较短时长（{count} 个）"},
    "tried_lower_preset": {"en": "lower presets ({count})", "zh": "较低预设（{count} 个）"},
    "tried_fewer": {"en": "smaller counts ({count})", "zh": "较少数量（{count} 个）"},
}  # fmt: skip


def sentence(code: str, **words: object) -> Words:
    """The sentence of a code in both languages; a word may itself be one of each (`{"en", "zh"}`)."""
    return filled(SENTENCES.get(code) or HOUSE[code], words)


def filled(texts: Words, words: Mapping[str, object]) -> Words:
    """Both languages of a sentence with these words in it."""
    return {
        language: fill(text, {name: _in(language, word) for name, word in words.items()})
        for language, text in texts.items()
    }


def _in(language: str, word: object) -> object:
    """A word that is spelled in both languages, in this one; others as they are."""
    return word.get(language) if isinstance(word, dict) else word
