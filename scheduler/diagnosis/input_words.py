"""What a diagnosis says of portrait, voice and prompt, and what to do about it, in English and Chinese."""

from __future__ import annotations

Words = dict[str, str]

HEALTH: dict[str, Words] = {
    "missing": {"en": "missing", "zh": "缺失"}, "damaged": {"en": "damaged", "zh": "已损坏"},
    "healthy": {"en": "whole", "zh": "完好"},
}  # fmt: skip
KINDS: dict[str, Words] = {
    "portrait": {"en": "portrait", "zh": "画像"}, "voice": {"en": "voice", "zh": "声音"},
    "adapter": {"en": "adapter", "zh": "适配器"},
}  # fmt: skip
WARNINGS = {
    "uneven light": "光线不均", "dark": "偏暗", "overexposed": "过曝", "little contrast": "对比度低", "blurred": "模糊",
    "sampled below 16 kHz": "采样率低于 16 kHz", "shorter than 1 s": "短于 1 秒",
    "several channels, mixed down": "多声道，已混为单声道",
    "quiet": "音量小",
}  # fmt: skip

INPUT_WORDS: dict[str, Words] = {
    "portrait_sound": {
        "en": "{width}x{height} pixels, sharp up to a shorter side of {sharp_side} (the video has {side}), light and "
        "contrast well",
        "zh": "{width}x{height} 像素，短边 {sharp_side} 以内清晰（视频为 {side}），光线与对比度良好",
    },
    "portrait_blurred": {
        "en": "blurred: sharp only up to a shorter side of {sharp_side} pixels, the video has {side}; the score for blur is "
        "taken against the portrait, so it cannot see this",
        "zh": "模糊：短边 {sharp_side} 像素以内才清晰，而视频为 {side}；模糊评分以画像为基准，因此看不出来",
    },
    "portrait_small": {
        "en": "{width}x{height} pixels: smaller than {asked}, so the video has only {found}",
        "zh": "{width}x{height} 像素：小于 {asked}，因此视频只有 {found}",
    },
    "portrait_light": {
        "en": "{warnings} (brightness {brightness}, contrast {contrast}, light difference {light_difference})",
        "zh": "{warnings}（亮度 {brightness}，对比度 {contrast}，光线差 {light_difference}）",
    },
    "portrait_unmeasured": {
        "en": "the file is {health}, and the check of its arrival did not measure where it stops being sharp",
        "zh": "文件{health}，且入库检查没有测量其清晰范围",
    },
    "asset_spoilt": {
        "en": "the {thing} is {health}: its content is to have the sha256 {sha256}",
        "zh": "{thing} {health}：其内容的 sha256 应为 {sha256}",
    },
    "asset_gone": {
        "en": "the {thing} is {health} now; the job ended before, and a worker compares its hash before use; what the check "
        "measured on arrival was used here",
        "zh": "{thing} 现在{health}；任务在此之前已结束，使用前会比对哈希；此处使用入库时的测量结果",
    },
    "asset_forgotten": {
        "en": "the {thing} is {health} now, and what the check measured on arrival is not kept any more",
        "zh": "{thing} 现在{health}，入库时的测量结果也已不再保存",
    },
    "asset_refused": {"en": "the {thing} cannot be used: {problem}", "zh": "{thing} 无法使用：{problem}"},
    "voice_sound": {
        "en": "{seconds} s at {loudness} dB, {ratio} dB above its noise, {clipped} % clipped",
        "zh": "{seconds} 秒，{loudness} dB，高出噪声 {ratio} dB，削波 {clipped} %",
    },
    "voice_silent": {
        "en": "silent: {loudness} dB of full scale, so there is nothing for the lips to follow",
        "zh": "无声：满刻度 {loudness} dB，口型无从跟随",
    },
    "voice_noisy": {
        "en": "noisy: only {ratio} dB above its noise ({loudness} over {noise} dB), which moves the lips, too",
        "zh": "嘈杂：仅高出噪声 {ratio} dB（{loudness} 对 {noise} dB），噪声也会带动口型",
    },
    "voice_clipped": {"en": "clipped: {clipped} % of it at full scale", "zh": "削波：{clipped} % 达到满刻度"},
    "voice_otherwise": {
        "en": "{warnings} ({seconds} s, {rate} Hz, {loudness} dB)",
        "zh": "{warnings}（{seconds} 秒，{rate} Hz，{loudness} dB）",
    },
    "prompt_sound": {
        "en": "{characters} characters; no slot is empty, nothing contradicts itself, all of the role's text is read",
        "zh": "{characters} 个字符；没有空缺，没有矛盾，角色文字全部读取",
    },
    "prompt_remark": {"en": "{remark}", "zh": "{remark}"},
    "prompt_unknown": {
        "en": "the role's version {version} cannot make it again: {why}",
        "zh": "角色版本 {version} 无法重新生成：{why}",
    },
}

INPUT_REMEDIES: dict[str, Words] = {
    "portrait_blurred": {
        "en": "Bring a portrait that is sharp at {side} pixels, and submit the video anew.",
        "zh": "换一张在 {side} 像素时仍清晰的画像，然后重新提交。",
    },
    "portrait_small": {"en": "Bring a larger portrait.", "zh": "换一张更大的画像。"},
    "portrait_light": {
        "en": "Bring a portrait with an evenly lit face on a background that differs from it.",
        "zh": "换一张面部光线均匀、与背景有区别的画像。",
    },
    "portrait_unmeasured": {
        "en": "Bring the same file again (role_scheduler roles load), then ask again.",
        "zh": "重新提交同一文件（role_scheduler roles load），再诊断一次。",
    },
    "asset_spoilt": {
        "en": "Bring the whole file again: a role's with role_scheduler roles load, one's own with a new submission.",
        "zh": "重新提交完整文件：角色的用 role_scheduler roles load，个人的重新提交。",
    },
    "asset_gone": {"en": "Bring the file again before the video is made again.", "zh": "再次制作前请重新提交该文件。"},
    "asset_forgotten": {"en": "Bring the file again, then ask again.", "zh": "请重新提交该文件，然后再诊断。"},
    "asset_refused": {"en": "{remedy}", "zh": "{remedy}"},
    "voice_silent": {"en": "Bring the recording itself; this file holds none.", "zh": "请提交真正的录音；此文件没有声音。"},
    "voice_noisy": {
        "en": "Record it again in a quiet room, or take the noise out, and submit the video anew.",
        "zh": "在安静的房间重新录制或降噪，然后重新提交。",
    },
    "voice_clipped": {"en": "Record it again at a lower level.", "zh": "降低电平重新录制。"},
    "voice_otherwise": {
        "en": "Record at 16 kHz or more, one channel, some -20 dB, longer than a second.",
        "zh": "以 16 kHz 以上、单声道、约 -20 dB、一秒以上录制。",
    },
    "prompt_remark": {
        "en": "Change it in the role's template or the job's context, and look with role_scheduler prompt preview.",
        "zh": "修改角色模板或任务变量，并用 role_scheduler prompt preview 查看。",
    },
    "prompt_unknown": {"en": "Read the prompt with role_scheduler jobs JOB.", "zh": "用 role_scheduler jobs JOB 查看提示词。"},
}
