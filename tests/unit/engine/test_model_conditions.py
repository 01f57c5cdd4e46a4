"""Prompt, portrait and voice become conditions that any worker can go on with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from engine.errors import MediaError, SettingsError
from engine.model import speech
from engine.model.block_engine import BlockEngine
from engine.model.conditions import fit_portrait
from engine.model.text import END, ByteTokenizer, clean
from tests.unit.engine.model_rig import HEIGHT, SETTINGS, WIDTH, new_context, pocket_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> BlockEngine:
    return pocket_engine(tmp_path_factory.mktemp("models") / "pocket")


def portrait(rows: int = 100, columns: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def voice(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(int(16_000 * seconds)).astype(np.float32)


def test_conditions_are_plain_tensors_that_survive_a_file(engine: BlockEngine) -> None:
    given = engine.prepare("a calm teacher", portrait(), WIDTH, HEIGHT) | engine.hear(voice(1.0))
    kept = load(save({name: tensor.contiguous() for name, tensor in given.items()}))
    assert set(kept) == {"text", "reference", "motion", "speech"}
    context, _ = new_context(engine)
    engine.begin(context, given, SETTINGS)
    want = engine.make_block(context, given, SETTINGS, 0)
    other, _ = new_context(engine)
    engine.begin(other, kept, SETTINGS)
    assert torch.equal(engine.make_block(other, kept, SETTINGS, 0).latents, want.latents)


def test_incomplete_conditions_are_refused(engine: BlockEngine) -> None:
    given = engine.prepare("a calm teacher", portrait(), WIDTH, HEIGHT)
    context, _ = new_context(engine)
    with pytest.raises(SettingsError, match="speech"):
        engine.begin(context, given, SETTINGS)


def test_another_prompt_gives_other_text_and_the_same_portrait(engine: BlockEngine) -> None:
    one, two = (engine.prepare(prompt, portrait(), WIDTH, HEIGHT) for prompt in ("a calm teacher", "a loud seller"))
    assert not torch.equal(one["text"], two["text"])
    assert torch.equal(one["motion"], two["motion"])


def test_byte_tokenizer_ends_every_text_and_cuts_long_ones() -> None:
    assert ByteTokenizer().ids("ab", 64) == [100, 101, END]
    ids = ByteTokenizer().ids("é" * 100, 64)
    assert (len(ids), ids[-1]) == (64, END)
    assert ByteTokenizer().ids("", 64) == [END]
    assert len(ByteTokenizer(10).ids("é" * 100, 64)) == 10 and len(ByteTokenizer(100).ids("é" * 100, 64)) == 64


def test_a_prompt_leaves_the_pocket_model_the_empty_rows_that_it_learnt_with(engine: BlockEngine) -> None:
    portrait_rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rows = engine.prepare("One person speaks to the camera. " * 20, portrait_rgb, WIDTH, HEIGHT)["text"]
    assert len(rows) == 104 < engine.transformer.config.text_len


def test_prompt_is_cleaned_as_in_training() -> None:
    assert clean("  a\n\tfriendly &amp;lt;b&amp;gt;  voice ") == "a friendly <b> voice"
    assert clean("schÃ¶n") == "schön"


def test_portrait_is_scaled_by_its_shorter_side_and_cut_in_the_middle() -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    image = fit_portrait(wide, 64, 64)
    assert image.shape == (3, 64, 64)
    assert float(image[:, :, 3:-3].min()) == 1.0
    assert (
        float(fit_portrait(np.full((64, 64, 3), 255, np.uint8), 128, 64)[:, :, 0].max()) == -1.0
    )  # not covered: black


@pytest.mark.parametrize(
    "bad", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)]
)
def test_a_picture_that_is_not_rgb_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(MediaError):
        fit_portrait(bad, 64, 64)


@pytest.mark.parametrize(("seconds", "frames"), [(0.48, 12), (1.0, 36), (2.63, 72)])
def test_voice_gives_one_vector_per_video_frame_of_its_blocks(engine: BlockEngine, seconds: float, frames: int) -> None:
    features = engine.hear(voice(seconds))["speech"]
    assert features.shape == (25, engine.shape.audio_dim, frames)
    assert bool(features.isfinite().all())


def test_the_rest_of_a_voices_last_block_is_heard_as_silence(engine: BlockEngine) -> None:
    short = voice(1.0)
    filled = np.concatenate([short, np.full(round(0.44 * 16_000), short.mean(), np.float32)])  # 36 frames
    features, meant = engine.hear(short)["speech"][-1], engine.hear(filled)["speech"][-1]
    assert float((features[:, 25:] - meant[:, 25:]).abs().mean()) < 0.1 * float(meant.abs().mean())
    assert float(features[:, 25:].abs().mean()) > 0.3 * float(features[:, :25].abs().mean())  # not zeros


def test_frames_beyond_the_voice_are_zeros() -> None:
    features = torch.ones(25, 4, 17)
    assert float(speech.block_features(features, 1).sum(dim=(0, 1)).count_nonzero()) == 5
    assert float(speech.block_features(features, 7).abs().sum()) == 0
    grid = torch.ones(25, 30, 4)
    assert speech.pick_frames(grid, 48)[0, 0].tolist() == [1.0] * 25 + [0.0] * 23


def test_trap_6_last_hidden_state_is_taken_after_the_final_norm(engine: BlockEngine) -> None:
    engine.warm_encoders()
    model = engine._speech_encoder
    assert model is not None
    layers: list[torch.Tensor] = []
    hook = model.encoder.layers[-1].register_forward_hook(  # type: ignore[union-attr,index]
        lambda _m, _i, out: layers.append(out if isinstance(out, torch.Tensor) else out[0])
    )
    with torch.inference_mode():
        states = speech.hidden_states(model, speech.normalise(torch.from_numpy(voice(0.5))))
        want = model.encoder.layer_norm(layers[0])  # type: ignore[union-attr,operator]
    hook.remove()
    assert states.shape[0] == 25
    assert torch.equal(states[24], want[0])
    assert not torch.allclose(states[24], layers[0][0])


def test_long_voice_is_heard_in_windows_that_agree_with_one_piece(
    engine: BlockEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.warm_encoders()
    whole = engine.hear(voice(7.0))["speech"]
    monkeypatch.setattr(speech, "WINDOW_S", 3)
    monkeypatch.setattr(speech, "OVERLAP_S", 2)
    windows = engine.hear(voice(7.0))["speech"]
    assert abs(windows.shape[2] - whole.shape[2]) <= 1
    frames = min(windows.shape[2], whole.shape[2])
    # The first layers see a short way only: away from the cuts they agree; the rest stays finite and close in size.
    assert (windows[0, :, :frames] - whole[0, :, :frames]).abs().mean() < 0.05 * whole[0].abs().mean()
    assert 0.5 < float(windows.std() / whole.std()) < 2
