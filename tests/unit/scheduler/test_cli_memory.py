"""`memory plan` as people type it: tables, sentences, exit codes, refusals."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from scheduler.cli import memory
from scheduler.cli.app import app
from scheduler.probe import Reading

GIB = 1 << 30


class NoGpu:
    """A machine without a GPU and with 16 GiB."""

    def read(self) -> list[Reading]:
        """Its one device."""
        return [Reading("cpu", {"name": "CPU", "memory_total_bytes": 16 * GIB})]


class OneGpu(NoGpu):
    """A machine with a card that is known and was measured."""

    def read(self) -> list[Reading]:
        """Its one device."""
        return [Reading("gpu0", {"name": "NVIDIA H200", "memory_total_bytes": 140 * GIB})]


@pytest.fixture(autouse=True)
def _no_gpu_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "Probe", NoGpu)


def plan(*words: str) -> tuple[int, str]:
    """Exit code and what was said."""
    result = CliRunner().invoke(app, ["memory", "plan", *words])
    return result.exit_code, result.output


def plan_json(*words: str) -> dict[str, Any]:
    """The answer as data."""
    answer: dict[str, Any] = json.loads(plan(*words, "--json")[1])
    return answer


def test_published_example_fits_a_24_gib_card_by_streaming() -> None:
    code, said = plan("--size", "688*368", "--gpus", "1", "--memory-gib", "22.15")
    assert code == 10
    assert "688*368 is an area budget: a 1280*720 portrait gives 640x384." in said
    assert "of 22.15 GiB per GPU" in said
    assert "not measured here" in said
    rows = {line.split("  ")[0]: line for line in said.splitlines()}
    assert {"transformer", "rings", "rings on their way", "sink", "decoder memory", "working memory"} <= set(rows)
    assert "host" in rows["rings"] and "host" in rows["text encoder"]


def test_plan_of_a_preset_needs_a_gpu_to_compare_with() -> None:
    code, said = plan("--preset", "standard")
    assert code == 12 and "--memory-gib" in said
    assert plan("--preset", "standard", "--device", "h200")[0] == 0
    assert plan("--preset", "standard", "--device", "h200", "--memory-gib", "3")[0] == 11


def test_measured_card_has_milliseconds_and_a_rate() -> None:
    answer = plan_json("--device", "h200", "--memory-gib", "22.15")
    assert answer["verdict"] == "fits_degraded" and answer["peak_bytes"] <= 22.15 * GIB
    assert answer["frames_per_s"] == pytest.approx(12e3 / answer["ms_per_block"], abs=0.02)
    assert answer["step"]["is_link_hidden"] is True
    assert sum(part["gpu_bytes"] for part in answer["parts"]) == answer["peak_bytes"]
    assert [rung["peak_bytes"] for rung in answer["ladder"]] == sorted(
        (rung["peak_bytes"] for rung in answer["ladder"]), reverse=True
    )


def test_gpu_of_this_machine_is_found_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "Probe", OneGpu)
    answer = plan_json("--preset", "standard")
    assert (answer["device"], answer["verdict"]) == ("NVIDIA H200", "fits")
    assert answer["limit_bytes"] <= 0.95 * 140 * GIB
    assert answer["ms_per_block"] is not None


def test_plan_for_several_gpus_is_that_of_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Reading("gpu1", {"name": "NVIDIA H100 80GB HBM3", "memory_total_bytes": 80 * GIB})
    monkeypatch.setattr(memory, "Probe", lambda: SimpleNamespace(read=lambda: [*OneGpu().read(), small]))
    answer = plan_json("--preset", "standard")
    assert answer["device"].startswith("NVIDIA H100") and answer["limit_bytes"] <= 0.95 * 80 * GIB
    assert any("2 GPUs" in note["en"] for note in answer["notes"])
    assert not any("GPUs run" in note["en"] for note in plan_json("--preset", "standard", "--gpus", "1")["notes"])


def test_pocket_model_is_planned_for_the_machine_itself() -> None:
    answer = plan_json("--model", "pocket")
    assert (answer["verdict"], answer["limit_bytes"]) == ("fits", int(0.95 * 16 * GIB))
    assert (answer["width"], answer["height"], answer["precision"]) == (192, 128, "float32")


def test_portrait_decides_the_real_size() -> None:
    answer = plan_json("--size", "704*384", "--portrait-size", "400*720", "--device", "h200")
    assert (answer["width"], answer["height"]) == (384, 704)


def test_agreed_smaller_picture_is_degraded_and_not_refused() -> None:
    words = ("--size", "1280*720", "--device", "4090", "--steps", "5")
    code, said = plan(*words)
    assert code == 11 and "--consent" in said
    assert plan(*words, "--consent")[0] == 10


def test_card_without_eight_bit_products_is_planned_in_bf16() -> None:
    answer = plan_json("--device", "A100-40GB", "--preset", "preview")
    assert (answer["precision"], answer["kv"], answer["fits"]) == ("bf16", "bf16", True)


def test_own_figures_give_a_card_its_time() -> None:
    figures = ("products_tflops=250", "attention_tflops=150", "decode_ms_per_megapixel=800", "link_gb_per_s=25")
    answer = plan_json("--device", "4090", *(word for figure in figures for word in ("--figure", figure)))
    assert answer["ms_per_block"] is not None


def test_infer_frames_are_rounded_up_and_said_so() -> None:
    assert "infer_frames 32 is not a multiple of 12: 36 is used." in plan("--infer-frames", "32", "--device", "h200")[1]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--size", "1*1"), "384*256"),
        (("--steps", "9"), "3, 4 or 5"),
        (("--model", "giant"), "14b, pocket"),
        (("--device", "abacus"), "NVIDIA H200"),
        (("--portrait-size", "wide"), "1280*720"),
        (("--memory-gib", "0"), "22.15"),
        (("--memory-gib", "nan"), "22.15"),
        (("--gpus", "0"), "at least 1"),
        (("--kv", "fp4"), "bf16, fp8"),
        (("--precision", "int8"), "precision is 'int8'"),
        (("--text-encoder", "moon"), "gpu, host, none"),
        (("--figure", "products_tflops=1"), "--device"),
        (("--figure", "products_tflops=fast", "--device", "4090"), "For example: 300"),
        (("--figure", "products_tflops=1", "--device", "4090"), "link_gb_per_s"),
        (("--preset", "grand"), "standard"),
    ],
)
def test_bad_input_names_the_way_out(words: tuple[str, ...], named: str) -> None:
    code, said = plan(*words)
    assert code == 64 and named in said
