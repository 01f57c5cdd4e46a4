"""What a check of the weights finds is told in Chinese, too, with the figures that the engine gives."""

from __future__ import annotations

import ast
import json
import string
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.model.checkpoint.check import check
from engine.model.pocket import write_pocket
from scheduler.doctor.model_files import checked_model
from scheduler.doctor.weight_words import CHINESE, refusal_words, trouble_words

CHECKS = Path(__file__).resolve().parents[4] / "engine" / "model"
READ = ("header", "manifest", "weights", "config", "text", "speech", "adapter_file", "lora")  # what a check reads with
NOT_CHECKED = ("conversion", "companions", "origin", "workplace", "model_files")  # they convert, after a check
OTHERS = {"refused", "no_weights", "check_ended"}  # given where nothing could be checked


def _sources() -> list[Path]:
    return sorted([*CHECKS.glob("checkpoint/*.py"), *(CHECKS / f"{name}.py" for name in READ)])


def _given() -> dict[str, list[set[str] | None]]:
    """Code → the figures of each place that gives it; None where they are handed on."""
    found: dict[str, list[set[str] | None]] = defaultdict(list)
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, words = ast.unparse(node.func).split(".")[-1], {word.arg: word.value for word in node.keywords}
            code = node.args[3] if name in ("problem", "warning") and len(node.args) > 3 else None
            if name == "Difference":
                code, figures = node.args[1], node.args[2]
                assert isinstance(code, ast.Constant) and isinstance(figures, ast.Dict)
                found[str(code.value)].append({str(key.value) for key in figures.keys if isinstance(key, ast.Constant)})
            elif isinstance(code, ast.Constant):
                found[str(code.value)].append(None if None in words else {str(word) for word in words})
            elif isinstance(kind := words.get("problem"), ast.Constant):
                found[str(kind.value)].append(set())
    return found


def test_every_code_of_the_check_has_chinese_words_with_figures_that_it_has() -> None:
    given = _given()
    assert set(given) | OTHERS == set(CHINESE)
    for code, texts in CHINESE.items():
        wanted = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name} - {"what", "remedy"}
        assert all(figures is None or wanted <= figures for figures in given[code]), (code, wanted, given[code])


def test_whatever_is_wrong_with_a_file_has_a_code() -> None:
    """But for what an adapter is fitted to, which no check does."""
    lacking = []
    for path in _sources():
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        raised = [node for node in calls if ast.unparse(node.func) == "WeightsError" and path.stem not in NOT_CHECKED]
        lacking += [ast.unparse(node.args[0]) for node in raised if "problem" not in {word.arg for word in node.keywords}]
    assert len(lacking) == 3 and all("adapter" in what for what in lacking), lacking


def spoil_shape(manifest: Path, part: str) -> None:
    """The network's shape lacks what it needs."""
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), part: {}}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "vae.safetensors 缺失"),
        (lambda file: file.write_bytes(b""), "vae.safetensors 是空文件"),
        (lambda file: file.write_bytes(b"<!DOCTYPE html><html>"), "vae.safetensors 是网页，不是权重"),
        (lambda file: file.write_bytes(file.read_bytes()[:-4]), "vae.safetensors 已损坏：结构不完整或被截断"),
        (lambda file: file.with_name("model.json").write_text("{"), "model.json 内容不可用"),
        (lambda file: file.with_name("model.json").write_text("[]"), "model.json 内容不可用"),
        (lambda file: spoil_shape(file.with_name("model.json"), "shape"), "model.json 配置不可用：没有描述存在的网络"),
        (lambda file: spoil_shape(file.with_name("model.json"), "text"), "model.json 配置不可用：没有描述存在的网络"),
        (lambda file: file.with_name("model.json").write_text('{"random": {}}'), "model.json 要求随机权重，没有可读取的文件"),
        (lambda file: file.with_name("spare.safetensors").write_bytes(b"x"), "spare.safetensors 不在 model.json 中，不会被使用"),
    ],
)
def test_spoilt_file_is_told_in_both_languages(
    spoil: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    write_pocket(tmp_path)
    spoil(tmp_path / "vae.safetensors")
    answer = check(tmp_path).to_json()
    (first, *_) = [*answer["problems"], *answer["warnings"]]
    what, remedy = trouble_words(first)
    assert what["zh"] == told and what["en"].startswith(told.split(" ")[0]) and remedy["zh"] and remedy["en"]


def test_what_only_a_sentence_tells_is_quoted() -> None:
    finding = {"file": "x", "what": "is odd.", "remedy": "Look at it.", "code": "of_another_release", "data": {}}
    assert trouble_words(finding) == (
        {"en": "x is odd", "zh": "x 检查的原话：is odd"}, {"en": "Look at it.", "zh": "Look at it."},
    )  # fmt: skip


def test_place_without_weights_and_a_check_that_died_are_told_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    what, remedy = refusal_words(checked_model(tmp_path))
    assert what == {"en": f"{tmp_path} holds none that are known", "zh": "没有可识别的权重"} and "model.json" in remedy["zh"]
    died = {"verdict": "cannot_tell", "message": "Killed", "code": "check_ended", "data": {"status": -9}}
    assert refusal_words(died)[0] == {"en": "Killed", "zh": "检查进程意外结束（代码 -9）"}
