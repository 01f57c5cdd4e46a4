"""`compat="reference"`: the published semantics, limits included; the engine proper has none of these limits."""

from __future__ import annotations

import pytest
import torch

from engine.catalog import SHAPES
from engine.errors import SettingsError
from engine.model.config import TransformerConfig
from engine.model.context import layout_of
from engine.model.reference import MAX_SINK_ROWS, ReferenceRun, ReferenceVideo
from engine.model.transformer import Transformer, sink_rows
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill

SMALL = TransformerConfig(
    dim=24, ffn_dim=20, num_heads=1, num_layers=1, audio_dim=8, text_dim=8, text_len=8, audio_inject_layers=(0,)
)


def _run(distance: int = 9, clips: int = 2, *, online_decode: bool) -> ReferenceVideo:
    with empty_weights():
        transformer, vae = Transformer(SMALL), VideoAutoencoder(VaeConfig(dim=2, dim_mult=(1, 1, 2, 2)))
    fill(transformer)
    fill(vae)
    draws = torch.Generator().manual_seed(0)
    image, text = torch.rand(3, 64, 64, generator=draws) * 2 - 1, torch.randn(4, 8, generator=draws)
    features, noise = torch.randn(25, 8, 48, generator=draws), torch.randn(clips, 16, 6, 8, 8, generator=draws)
    run = ReferenceRun(transformer, vae, steps=2, distance=lambda _block, _step: distance)
    with torch.inference_mode():
        return run.video(image, text, features, noise, online_decode=online_decode)


def test_first_clip_of_the_reference_loses_three_frames() -> None:
    video = _run(online_decode=False)
    assert video.frames.shape[1] == 24 - 3 + 24
    assert len(video.sinks) == 1


def test_online_decode_renews_the_sink_before_the_second_clip() -> None:
    offline, online = _run(online_decode=False), _run(online_decode=True)
    assert torch.equal(online.latents[0], offline.latents[0])
    assert not torch.equal(online.latents[1], offline.latents[1])
    assert torch.equal(online.sinks[1][0], online.latents[0][:, :1])


def test_reference_distance_matters_only_once_the_video_comes_near() -> None:
    near, far = _run(4, online_decode=False), _run(30, online_decode=False)
    assert torch.equal(near.latents[0][:, :3], far.latents[0][:, :3])
    assert not torch.equal(near.latents[0][:, 3:], far.latents[0][:, 3:])


def test_sizes_beyond_the_reference_sink_are_refused_there_and_fit_here() -> None:
    assert sink_rows(720 // 16, 1280 // 16) > MAX_SINK_ROWS
    assert layout_of(SHAPES["live-avatar-14b"], 1280, 704, 4).total_bytes > 0
    with empty_weights():
        run = ReferenceRun(Transformer(SMALL), VideoAutoencoder(VaeConfig(dim=2)), 4, distance=lambda *_: 9)
    with pytest.raises(SettingsError, match="2800"):
        run._open_stores(torch.Size((12, 704 // 8, 1280 // 8)))
