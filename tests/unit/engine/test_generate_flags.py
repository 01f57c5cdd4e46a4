"""The published flags: all parsed, and those of modes that are not built refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.generate import EXIT_REFUSED, EXIT_USAGE, main
from engine.generate_flags import parse_flags, refuse_unbuilt_modes

NEEDED = ["--ckpt_dir", "ckpt", "--image", "boy.jpg", "--audio", "boy.wav", "--prompt", "A boy talks."]


def test_every_published_flag_is_parsed() -> None:
    flags = parse_flags([
        *NEEDED, "--size", "704*384", "--num_clip", "10", "--infer_frames", "48", "--sample_steps", "3",
        "--sample_guide_scale", "0", "--sample_solver", "euler", "--enable_online_decode", "--offload_model", "False",
        "--num_gpus_dit", "1", "--ulysses_size", "1", "--base_seed", "1", "--save_file", "out.mp4",
    ])  # fmt: skip
    assert (flags.size, flags.num_clip, flags.sample_steps, flags.save_file) == ("704*384", 10, 3, Path("out.mp4"))
    refuse_unbuilt_modes(flags)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--num_gpus_dit", "4"], "4: 3 + VAE or 4 without"),
        (["--num_gpus_dit", "4", "--ulysses_size", "2"], "is not --num_gpus_dit"),
        (["--enable_vae_parallel"], "enable_vae_parallel"),
        (["--offload_model", "True"], "offload_model"),
        (["--load_lora"], "without --lora_path_dmd"),
        (["--lora_path_dmd", "somewhere"], "without --load_lora"),
        (["--infer_frames", "0"], "12, 24, 36 or 48"),
        (["--threads", "0"], "at least 1"),
    ],
)
def test_mode_that_is_not_built_is_refused_and_never_ignored(extra: list[str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_unbuilt_modes(parse_flags([*NEEDED, *extra]))
    assert words in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--sample_solver", "unipc"], "Euler steps only"),
        (["--sample_guide_scale", "4.5"], "without guidance"),
        (["--size", "100*100"], "is not offered"),
        (["--sample_steps", "40"], "Use 3, 4 or 5"),
        (["--num_clip", "0"], "num_clip"),
        (["--load_lora"], "merged already"),
    ],
)
def test_impossible_settings_are_wrong_usage_with_the_legal_ones_named(
    extra: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NEEDED, *extra]) == EXIT_USAGE
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], [*NEEDED, "--unknown", "1"], [*NEEDED, "--offload_model", "perhaps"]])
def test_command_line_that_cannot_be_parsed_exits_with_64(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == EXIT_USAGE


def test_voice_that_is_none_is_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(NEEDED) == EXIT_REFUSED
    assert "boy.wav" in capsys.readouterr().err
