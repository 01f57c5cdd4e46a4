"""What `weights check` says of a file, in both languages. English is the engine's own; Chinese goes by the code of a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Words = dict[str, str]

_AGAIN, _FETCH = "请重新转换或获取该文件。", "请重新获取该文件。"
_OTHER = "该文件与名称不符，或属于其他模型：请重新获取。"
CHINESE: dict[str, tuple[str, str]] = {  # what, remedy
    "refused": ("检查的原话：{what}", "{remedy}"),  # only a sentence tells it
    "missing": ("缺失", _AGAIN),
    "part_missing": ("缺少所需的文件", _FETCH),
    "unfinished_conversion": ("缺失", "请重新转换：被中止的转换只留下隐藏目录，不会是这样。"),
    "bad_manifest": ("内容不可用", "请重新写入模型目录。"),
    "unlisted": ("不在 model.json 中，不会被使用", "不需要时可删除。"),
    "summed_but_gone": ("在校验和列表中，但文件不存在", _FETCH),
    "unfinished": ("下载尚未完成", "请等待下载完成；若所有文件已齐全，可删除。"),
    "no_right": ("没有读取权限", "请授予读取权限。"),
    "unreadable": ("无法读取（{reason}）", "请检查磁盘，再重新获取该文件。"),
    "damaged": ("已损坏：结构不完整或被截断", _FETCH),
    "empty": ("是空文件", _FETCH),
    "pointer": ("是 Git LFS 指针，不是文件本身", "请在该仓库中运行 git lfs pull，或用其下载工具获取。"),
    "web_page": ("是网页，不是权重", "服务器返回了错误页面：请查看后重新获取该文件。"),
    "server_error": ("是服务器的错误信息，不是权重", _FETCH),
    "zeros": ("开头全是零", "预留空间后未完成的下载就是这样：请重新获取该文件。"),
    "unsafe": ("除张量外还有其他内容；没有执行其中任何部分", "不要使用该文件；请获取发布的文件。"),
    "other_sha256": ("已损坏：sha256 为 {found}，应为 {wanted}", _FETCH),
    "bad_checksum": ("已损坏：其中 {member} 的校验和不符", _FETCH),
    "not_finite": (
        "有 {count} 个张量含无效数值（NaN 或无穷），第一个是 {first}", "请重新获取该文件；若仍如此，则是发布者的文件有误。",
    ),
    "only_zeros": ("有 {count} 个张量全为零，第一个是 {first}", "未完成的下载就是这样：请核对 sha256。"),
    "tensors_missing": ("缺少 {all} 个张量中的 {count} 个，第一个是 {first}", _OTHER),
    "tensors_unknown": ("有 {count} 个未知张量，第一个是 {first}", _OTHER),
    "tensors_shaped": ("有 {count} 个张量形状不符，第一个是 {first}：{shapes}", _OTHER),
    "in_two_files": ("含有 {tensor}，而 {other} 中也有", _FETCH),
    "index_differs": ("与分片不符：{tensor}（这样的张量共 {count} 个）", "请从同一处重新获取索引与分片。"),
    "wrong_kind": ("数值类型为 {kind}（{tensor}）；网络只接受 BF16、F16 或 F32", "请使用发布的 bf16 文件。"),
    "other_depth": ("有 {found} 层，应为 {wanted} 层", "请使用发布的语音编码器。"),
    "other_width": ("宽度为 {found}；transformer 需要 {wanted}", _OTHER),
    "no_target": ("有 {count} 个模块不是目标，第一个是 {first}", "适配器只能用于各块与注入层的目标模块。"),
    "bad_config": ("配置不可用：没有描述存在的网络", "请重新获取该文件。"),
    "random_model": ("要求随机权重，没有可读取的文件", "请使用含文件的模型目录；随机权重由 role_scheduler serve 生成。"),
    "bad_sums": ("有一行不是 sha256 与文件名", "请重新获取校验和列表。"),
    "several_files": ("同一部分有多个文件", "请只保留一个。"),
    "other_tensors": ("缺少所需的张量，或其形状不符", _OTHER),
    "unopened": ("无法打开", "请检查该文件与磁盘，再重新获取。"),
    "old_format": ("格式过旧，无法映射", "请用新版 torch.save 重新保存，或获取发布的文件。"),
    "no_tensors": ("内容不是一组张量", _FETCH),
    "bad_tokenizer": ("分词器缺失或无法读取", "请从检查点复制该文件夹。"),
    "bad_scales": ("八位数值与其比例不成对", _FETCH),
    "no_adapter": ("不是可用的适配器文件", "请指定一个 safetensors 文件。"),
    "bad_pairs": ("不是完整的低秩适配器", "请重新获取或训练。"),
    "no_alpha": ("没有写明 alpha", "请在旁边的 adapter_config.json 中写 lora_alpha，或用 --lora-alpha 给出。"),
    "bad_alpha": ("alpha 不是大于 0 的数字", "请填写训练时的 alpha。"),
    "large_rank": ("秩过大", "请提供较小的适配器。"),
    "no_weights": (
        "没有可识别的权重",
        "公开检查点含 config.json 与 diffusion_pytorch_model-*.safetensors，模型目录含 model.json，"
        "适配器是一个 *.safetensors 文件。",
    ),
    "check_ended": ("检查进程意外结束（代码 {status}）", "请重试；若再次发生，请查看内存与日志。"),
    "no_product": ("{module} 的形状 {shapes} 无法相乘", _AGAIN),
}  # fmt: skip


def trouble_words(finding: Mapping[str, Any]) -> tuple[Words, Words]:
    """(what is wrong with which file, what to do) of one finding of the check; a code without Chinese words is quoted."""
    what, remedy = CHINESE.get(finding["code"], CHINESE["refused"])
    figures = {**finding["data"], "what": finding["what"].rstrip("."), "remedy": finding["remedy"]}
    told = {"en": f"{finding['file']} {finding['what']}".strip(" ."), "zh": f"{finding['file']} {what.format(**figures)}".strip()}
    return told, {"en": finding["remedy"], "zh": remedy.format(**figures)}


def refusal_words(answer: Mapping[str, Any]) -> tuple[Words, Words]:
    """The same of an answer that is no list of findings: what was to be checked cannot be, or the check did not end well."""
    said = {"what": answer.get("message", "?"), "remedy": answer.get("hint", "")}
    return trouble_words({"file": "", **said, "code": answer.get("code", "refused"), "data": answer.get("data", {})})
