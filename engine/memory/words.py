"""What the planner says, in English and Chinese, by code. Data goes in by name; both languages use the same names."""

from __future__ import annotations

Words = dict[str, str]

PART_WORDS: dict[str, Words] = {
    "transformer": {"en": "transformer", "zh": "Transformer 权重"},
    "layers on their way": {"en": "layers on their way", "zh": "传输中的权重层"},
    "autoencoder": {"en": "autoencoder", "zh": "自编码器"},
    "rings": {"en": "rings", "zh": "环形缓存"},
    "rings on their way": {"en": "rings on their way", "zh": "传输中的环形缓存"},
    "sink": {"en": "sink", "zh": "锚定缓存（sink）"},
    "decoder memory": {"en": "decoder memory", "zh": "解码器状态"},
    "small state": {"en": "small state", "zh": "其他状态"},
    "text keys and values": {"en": "text keys and values", "zh": "文本键值"},
    "role conditions": {"en": "role conditions", "zh": "角色条件"},
    "adapters": {"en": "adapters", "zh": "适配器"},
    "text encoder": {"en": "text encoder", "zh": "文本编码器"},
    "text encoder on its way": {"en": "text encoder on its way", "zh": "传输中的文本编码器"},
    "speech encoder": {"en": "speech encoder", "zh": "语音编码器"},
    "working memory": {"en": "working memory", "zh": "工作内存"},
    "allocator slack": {"en": "allocator slack", "zh": "分配器余量"},
    "recorded steps": {"en": "recorded steps", "zh": "已录制的步骤"},
    "CUDA context": {"en": "CUDA context", "zh": "CUDA 上下文"},
    "vault": {"en": "vault's own", "zh": "保管进程自身"},
    "standbys": {"en": "standbys' own", "zh": "待命进程自身"},
}

RUNG_WORDS: dict[str, Words] = {
    "resident": {"en": "everything resident", "zh": "全部驻留"},
    "parked_contexts": {"en": "waiting contexts in host memory", "zh": "等待中的上下文移到主机内存"},
    "dropped_caches": {"en": "nothing kept on the GPU for later", "zh": "GPU 上不保留备用缓存"},
    "fp8_rings": {"en": "rings in eight bits", "zh": "环形缓存用八位存储"},
    "streamed_rings": {"en": "rings streamed from host memory", "zh": "环形缓存从主机内存流式读取"},
    "cold_weights": {
        "en": "rings streamed, weights used once per block in host memory",
        "zh": "环形缓存流式读取，每块只用一次的权重移到主机内存",
    },
    "streamed_weights": {
        "en": "rings and {layers} of {all} layers streamed from host memory",
        "zh": "环形缓存与 {all} 层中的 {layers} 层权重从主机内存流式读取",
    },
    "fewer_steps": {"en": "{steps} steps", "zh": "{steps} 步去噪"},
    "smaller_size": {"en": "{size} pixels, {steps} steps", "zh": "{size} 像素，{steps} 步"},
}

COSTS: dict[str, Words] = {
    "resident": {
        "en": "none; weights used once per prompt come from host memory",
        "zh": "无；每个提示只用一次的权重从主机内存读取",
    },
    "parked_contexts": {
        "en": "none; a waiting job's context travels back before it goes on",
        "zh": "无；等待中的任务继续前需先把上下文搬回",
    },
    "dropped_caches": {
        "en": "none; a switch of role comes from host memory",
        "zh": "无；切换角色时从主机内存读取",
    },
    "fp8_rings": {
        "en": "earlier blocks are remembered less exactly; other bits than with bf16 rings",
        "zh": "对先前块的记忆精度降低；与 bf16 环形缓存的结果不再逐位相同",
    },
    "streamed_rings": {"en": "none in the picture; slower where the link is", "zh": "画质无损失；链路慢时会变慢"},
    "cold_weights": {"en": "none in the picture; a little time per block", "zh": "画质无损失；每块略慢"},
    "streamed_weights": {"en": "none in the picture; slower where the link is", "zh": "画质无损失；链路慢时会变慢"},
    "fewer_steps": {"en": "less detail; needs consent", "zh": "细节减少；需征得同意"},
    "smaller_size": {
        "en": "smaller picture, scaled up, marked continuous; needs consent",
        "zh": "画面变小后再放大，标记为 continuous；需征得同意",
    },
}

_SENTENCES: dict[str, Words] = {
    "fits": {"en": "It needs {need} GiB of {have} GiB.", "zh": "需要 {need} GiB，可用 {have} GiB。"},
    "too_large": {
        "en": "It needs {need} GiB, {have} GiB are there.",
        "zh": "需要 {need} GiB，只有 {have} GiB。",
    },
    "no_limit": {
        "en": "It needs {need} GiB; no GPU was named or found, so nobody can tell whether that fits. Name one or a cap "
        "(--device, --memory-gib).",
        "zh": "需要 {need} GiB；没有指定 GPU，无法判断是否放得下。请指定设备或上限（--device、--memory-gib）。",
    },
    "degraded": {
        "en": "It fits with {rung}: {need} GiB of {have} GiB. With everything resident it would need {full} GiB.",
        "zh": "采用“{rung}”可以放下：需要 {need} GiB，可用 {have} GiB。全部驻留需要 {full} GiB。",
    },
    "needs_consent": {
        "en": "It does not fit as asked: streaming all it can, it needs {least} GiB, {have} GiB are there. It would fit with "
              "{rung}, {need} GiB, if that is agreed to (--consent).",
        "zh": "按原要求放不下：尽量流式后仍需 {least} GiB，只有 {have} GiB。若同意（--consent），采用“{rung}”"
              "可以放下，需要 {need} GiB。",
    },
    "never_fits": {
        "en": "It does not fit: the least is {least} GiB with {rung}, {have} GiB are there. Give it {least} GiB or more.",
        "zh": "放不下：最少也需要 {least} GiB（{rung}），只有 {have} GiB。请提供至少 {least} GiB。",
    },
    "no_fp8": {
        "en": "{device} does not compute in eight bits. Use bf16 for weights and rings (--precision bf16).",
        "zh": "{device} 不支持八位计算。权重与环形缓存请使用 bf16（--precision bf16）。",
    },
    "host_full": {
        "en": "It needs {need} GiB of host memory, {have} GiB are there.",
        "zh": "需要 {need} GiB 主机内存，只有 {have} GiB。",
    },
    "not_measured": {
        "en": "Speed is not measured for this model and device.",
        "zh": "该模型在该设备上的速度尚未测量。",
    },
    "estimated": {
        "en": "Working memory follows the GPU's code; this model runs on a CPU, so that part is an estimate.",
        "zh": "工作内存按 GPU 代码计算；该模型在 CPU 上运行，此项为估计值。",
    },
    "kv_not_measured": {
        "en": "Speed over rings in eight bits is not measured: that over bf16 rings is shown.",
        "zh": "八位环形缓存的速度尚未测量：所示为 bf16 环形缓存的速度。",
    },
    "replicas": {
        "en": "{gpus} GPUs run {gpus} independent copies of this plan, a video each. One video on several GPUs (a pipeline "
              "over steps, sequence parallel) is not built.",
        "zh": "{gpus} 块 GPU 各自独立运行同一方案，各出一个视频。多 GPU 合出一个视频（步骤流水线、序列并行）尚未实现。",
    },
}  # fmt: skip


def sentence(code: str, **data: object) -> Words:
    """The sentence of a code in both languages."""
    return {language: text.format(**data) for language, text in _SENTENCES[code].items()}
