"""What a diagnosis says of the making: settings, memory, workers, files, weights; and what to do, in English and Chinese."""

from __future__ import annotations

Words = dict[str, str]

WORK_WORDS: dict[str, Words] = {
    "as_asked": {
        "en": "{size}, {steps:step}, as the role's preset {preset} says",
        "zh": "{size}，{steps} 步，与角色预设 {preset} 一致",
    },
    "asked_more": {
        "en": "{size}, {steps:step}: no less than the role's preset {preset} has",
        "zh": "{size}，{steps} 步，不低于角色预设 {preset}",
    },
    "asked_less": {
        "en": "less was asked for than the role's preset {preset} has: {less}",
        "zh": "要求低于角色预设 {preset}：{less}",
    },
    "preset_unknown": {"en": "the role's version {version} is not known", "zh": "角色版本 {version} 未知"},
    "kept": {"en": "made as asked throughout: no fewer steps, no smaller size", "zh": "全程按要求制作：没有减少步数或尺寸"},
    "kept_memory": {
        "en": "memory was short {count:time}, but only what nobody worked with was let go ({rungs}): steps and size stayed",
        "zh": "内存不足 {count} 次，但只释放了闲置内容（{rungs}）：步数与尺寸不变",
    },
    "lowered": {
        "en": "made at less than was asked for: {blocks} of {total:block} ({changes}); why: {causes}",
        "zh": "{total} 块中有 {blocks} 块低于要求（{changes}）；原因：{causes}",
    },
    "undisturbed": {
        "en": "no worker was lost, nothing was tried again (leases: {leases})",
        "zh": "没有丢失工作进程，没有重试（租约：{leases}）",
    },
    "went_on_exactly": {
        "en": "{lost:worker} lost, {retried:new attempt}, {preempted:stop}; each time it went on exactly, with the "
        "frames that it would have had anyway",
        "zh": "丢失工作进程 {lost} 次，重试 {retried} 次，停止 {preempted} 次；每次都精确继续，画面不受影响",
    },
    "rebuilt": {
        "en": "its context was lost and rebuilt {times:time} ({lost:worker} lost, {retried:new attempt}): smooth, but not "
        "the same frames, from block {blocks}",
        "zh": "上下文丢失并重建 {times} 次（丢失工作进程 {lost} 次，重试 {retried} 次）：平滑但画面不同，自第 {blocks} 块起",
    },
    "one_gpu": {
        "en": "one video is made by one worker on one GPU (several for one video are not built), so no link between GPUs can "
        "be at fault",
        "zh": "一个视频由一个工作进程在一块 GPU 上制作（多 GPU 单视频尚未实现），不存在 GPU 间通信问题",
    },
    "blocks_whole": {
        "en": "every block is there ({total}), and the video is the file that was made (sha256 {sha256})",
        "zh": "{total} 块齐全，视频即制作时的文件（sha256 {sha256}）",
    },
    "blocks_missing": {"en": "in the store: {found} of {total:block}", "zh": "存储中只有 {total} 块中的 {found} 块"},
    "video_changed": {
        "en": "the video file is damaged: it no longer has the sha256 {sha256} that it was made with",
        "zh": "视频文件已损坏：不再是制作时的 sha256 {sha256}",
    },
    "video_gone": {"en": "the video file {path} is not there any more", "zh": "视频文件 {path} 已不存在"},
    "no_video": {
        "en": "there is no video: the job is {state}, made: {found} of {total:block}",
        "zh": "没有视频：任务状态 {state}，已完成 {total} 块中的 {found} 块",
    },
    "never_made": {
        "en": "there will be no video: the job is {state}, made: {found} of {total:block}",
        "zh": "不会有视频：任务状态 {state}，已完成 {total} 块中的 {found} 块",
    },
    "failed": {"en": "the job failed: {code}: {message}", "zh": "任务失败：{code}：{message}"},
    "rejected": {"en": "the job was rejected: {code}: {message}", "zh": "任务被拒绝：{code}：{message}"},
    "cancelled": {"en": "the job was cancelled: {code}: {message}", "zh": "任务已取消：{code}：{message}"},
    "weights_whole": {
        "en": "{files:file}, {size}, complete, every byte read{same}", "zh": "{files} 个文件，{size}，完整，逐字节读取{same}",
    },
    "weights_unread": {
        "en": "{files:file}, {size}, complete by sizes and headers; their bytes were not read{same}",
        "zh": "{files} 个文件，{size}，按大小与文件头完整；未逐字节读取{same}",
    },
    "weights_damaged": {"en": "{trouble} ({count} in all)", "zh": "{trouble}（共 {count} 处）"},
    "weights_attention": {"en": "{trouble} ({count} in all)", "zh": "{trouble}（共 {count} 处）"},
    "weights_untold": {"en": "cannot be told: {trouble}", "zh": "无法判断：{trouble}"},
    "weights_random": {
        "en": "these weights were never trained: they show noise, no faces",
        "zh": "这些权重未经训练：只有噪声，没有面孔",
    },
    "weights_other": {
        "en": "the files in {place} are sound, but others than those it was made with: {here} here, {made} in its recipe",
        "zh": "{place} 中的文件完好，但不是制作时所用的：此处 {here}，配方中 {made}",
    },
    "weights_gone": {"en": "no files of the model {model} in {place}", "zh": "{place} 中没有模型 {model} 的文件"},
    "weights_scripted": {
        "en": "made by the scripted engine, which draws test pictures and loads no weights",
        "zh": "由脚本引擎制作，只画测试画面，不加载权重",
    },
    "adapters_none": {"en": "none, as the role says: the generic character", "zh": "无，与角色一致：使用通用人物"},
    "adapter_whole": {
        "en": "rank {rank}, alpha {alpha}, its sha256 is the recipe's {sha256}{base}",
        "zh": "秩 {rank}，alpha {alpha}，sha256 与配方一致 {sha256}{base}",
    },
    "adapter_foreign": {
        "en": "was trained for other weights: {base}, the video was made with {made}",
        "zh": "为其他权重训练：{base}，视频使用的是 {made}",
    },
    "adapters_dropped": {
        "en": "version {version} of the role names {wanted}, but the recipe has {used}: another person is shown",
        "zh": "角色版本 {version} 指定 {wanted}，但配方中为 {used}：显示的是另一个人",
    },
    "adapters_changed": {
        "en": "today the role names {wanted}; this job was made from its version {version}, with {used}",
        "zh": "角色现在指定 {wanted}；此任务按版本 {version} 制作，使用 {used}",
    },
    "video_unread": {"en": "the video file {path} cannot be read", "zh": "视频文件 {path} 无法读取"},
}

WAYS_UP: dict[str, Words] = {  # by the cause for which a video was lowered; of any other it is memory
    "slot_memory": {
        "en": "As asked it does not fit a slot here: give the slot more memory (docs/memory.md), or ask for a smaller size.",
        "zh": "按原要求放不进此处的槽位：为槽位提供更多内存（docs/memory.md），或选择较小的尺寸。",
    },
    "instead_of_preemption": {
        "en": "Submit it again with --degrade never: it then gives way to a better job and goes on later, with all steps.",
        "zh": "以 --degrade never 重新提交：届时它会为优先的任务让位，之后以全部步数继续。",
    },
    "deadline": {
        "en": "Submit it again with a later deadline, at a quieter hour, or with --degrade never: then it may be late.",
        "zh": "以较晚的期限、在空闲时段或以 --degrade never（可能迟到）重新提交。",
    },
    "stutter": {
        "en": "Submit it again with --degrade never at a quieter hour: its blocks came too slowly.",
        "zh": "在空闲时段以 --degrade never 重新提交：当时出块太慢。",
    },
    "": {
        "en": "Submit it again with --degrade never at a quieter hour, or give the slot more memory (docs/memory.md).",
        "zh": "在空闲时段以 --degrade never 重新提交，或为槽位提供更多内存（docs/memory.md）。",
    },
}

WORK_REMEDIES: dict[str, Words] = {
    "asked_less": {
        "en": "Submit it again without these settings, or approve the preview.",
        "zh": "去掉这些设置重新提交，或批准预览。",
    },
    "preset_unknown": {"en": "Read its settings with role_scheduler jobs JOB.", "zh": "用 role_scheduler jobs JOB 查看设置。"},
    "lowered": {"en": "{way_out}", "zh": "{way_out}"},
    "rebuilt": {
        "en": "Make it again (role_scheduler again JOB), and look at what the workers died of: worker:lost in "
        "role_scheduler audit tail --object slot:0 (or another slot).",
        "zh": "重新制作（role_scheduler again JOB），并查看工作进程丢失的原因：role_scheduler audit tail --object slot:0"
        "（或其他槽位）中的 worker:lost。",
    },
    "blocks_missing": {
        "en": "Verify the log (role_scheduler audit verify), then make it again.",
        "zh": "校验日志（role_scheduler audit verify），再重新制作。",
    },
    "video_changed": {
        "en": "Make it again (role_scheduler again JOB), and look at the disk: role_scheduler doctor.",
        "zh": "重新制作（role_scheduler again JOB），并检查磁盘：role_scheduler doctor。",
    },
    "video_gone": {
        "en": "Bring the file back, or make it again: role_scheduler again JOB.",
        "zh": "恢复该文件，或重新制作：role_scheduler again JOB。",
    },
    "no_video": {
        "en": "Ask again when it has ended: role_scheduler watch JOB.",
        "zh": "结束后再诊断：role_scheduler watch JOB。",
    },
    "never_made": {"en": "Submit it again if it is wanted.", "zh": "如仍需要，请重新提交。"},
    "failed": {"en": "{hint}", "zh": "{hint}"},
    "cancelled": {"en": "{hint}", "zh": "{hint}"},
    "rejected": {"en": "{hint}", "zh": "{hint}"},
    "weights_damaged": {"en": "{remedy}", "zh": "{remedy}"},
    "weights_attention": {"en": "{remedy}", "zh": "{remedy}"},
    "weights_untold": {
        "en": "Look with role_scheduler weights check, at {place} in the data directory.",
        "zh": "用 role_scheduler weights check 查看数据目录中的 {place}。",
    },
    "weights_unread": {
        "en": "Read every byte, for minutes: role_scheduler diagnose JOB --deep.",
        "zh": "逐字节读取（需数分钟）：role_scheduler diagnose JOB --deep。",
    },
    "weights_random": {
        "en": "Use trained weights: docs/weights.md, or python -m engine.model.pocket DIR for the small model.",
        "zh": "使用训练过的权重：docs/weights.md，小模型用 python -m engine.model.pocket DIR。",
    },
    "weights_other": {"en": "Make it again with the weights that are here: submit it anew.", "zh": "用现有权重重新提交。"},
    "weights_gone": {"en": "Bring the model's files back: docs/weights.md.", "zh": "恢复模型文件：docs/weights.md。"},
    "weights_scripted": {"en": "Serve with the real engine for real videos.", "zh": "使用真实引擎制作真正的视频。"},
    "adapter_foreign": {
        "en": "Use an adapter that was trained for these weights (train_lora), or bring those weights.",
        "zh": "使用为这些权重训练的适配器（train_lora），或换回对应权重。",
    },
    "adapters_dropped": {
        "en": "Submit it again, and say which adapter is missing: the recipe is to name every adapter of the role.",
        "zh": "重新提交：配方应包含角色的所有适配器。",
    },
    "adapters_changed": {"en": "Submit it again if the role of today is meant.", "zh": "若要使用当前角色，请重新提交。"},
    "video_unread": {
        "en": "Look at its rights and at the disk: role_scheduler doctor.",
        "zh": "检查其权限与磁盘：role_scheduler doctor。",
    },
}

NAMES_ZH = {  # what is looked at; files and single adapters have their own names in theirs
    "portrait": "画像", "portrait sharpness": "画像清晰度", "portrait size": "画像尺寸", "portrait light": "画像光线",
    "voice": "声音", "voice noise": "声音噪声", "voice level": "声音电平", "voice recording": "录音",
    "prompt": "提示词", "settings": "设置", "ladder": "降级", "end": "结束", "workers": "工作进程", "GPUs": "GPU",
    "blocks": "视频块", "video": "视频", "weights": "权重", "training": "训练", "adapters": "适配器", "scores": "评分",
}  # fmt: skip

CONCLUSIONS: dict[str, Words] = {
    "cause": {"en": "Most probable cause: {name}: {text}.", "zh": "最可能的原因：{name}：{text}。"},
    "cause_and_more": {
        "en": "Most probable cause: {name}: {text}. Others that may add to it: {others}.",
        "zh": "最可能的原因：{name}：{text}。另有 {others} 项可能有影响。",
    },
    "suspect": {"en": "Nothing is proven; most probable: {name}: {text}.", "zh": "没有确证；最可能：{name}：{text}。"},
    "suspect_and_more": {
        "en": "Nothing is proven; most probable: {name}: {text}. Others that may add to it: {others}.",
        "zh": "没有确证；最可能：{name}：{text}。另有 {others} 项可能有影响。",
    },
    "nothing": {
        "en": "Nothing found that explains it: everything that was looked at is sound.",
        "zh": "没有发现可以解释的问题：检查过的都完好。",
    },
    "untold": {
        "en": "Nothing found that explains it; this could not be looked at: {unseen}.",
        "zh": "没有发现可以解释的问题；以下无法检查：{unseen}。",
    },
    "unexplained": {
        "en": "Nothing found that explains it: {red} crossed the red line, and what was looked at is sound (not looked at: "
        "{unseen}).",
        "zh": "没有发现可以解释的问题：{red} 超过红线，检查过的都完好（未检查：{unseen}）。",
    },
}
