"""The autoencoder against the library's 3-D convolutions, and its streams."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.model import vae_frames
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import Stream
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill


@pytest.fixture(scope="module")
def vae() -> VideoAutoencoder:
    with empty_weights():
        model = VideoAutoencoder(VaeConfig(dim=8, dim_mult=(1, 2, 4, 4)))
    fill(model)
    return model


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def library(vae: VideoAutoencoder) -> torch.nn.Module:
    wan = pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl_wan", reason="diffusers is not installed")
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    model = wan.AutoencoderKLWan(base_dim=8, dim_mult=[1, 2, 4, 4]).eval()
    model.load_state_dict(convert_wan_vae_to_diffusers(dict(vae.state_dict())))
    return model


def test_per_frame_convolutions_equal_the_library(vae: VideoAutoencoder, library: torch.nn.Module) -> None:
    mean, std = (torch.tensor(v).view(16, 1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std))
    video, latents = drawn(3, 13, 32, 48).clamp(-1, 1), drawn(16, 4, 4, 6, seed=1)
    with torch.inference_mode():
        want = (library.encode(video[None]).latent_dist.mode()[0] - mean) / std  # type: ignore[operator]
        assert torch.allclose(vae.encode(video), want, atol=1e-4)
        want = library.decode(latents[None] * std + mean).sample[0]  # type: ignore[operator]
        assert torch.allclose(vae.decode(latents, Stream(before=None))[0], want, atol=1e-4)


@pytest.mark.parametrize("pieces", [[9], [1, 3, 3, 2], [2, 7], [4, 4, 1]], ids=str)
def test_video_decoded_in_pieces_is_the_same_video(vae: VideoAutoencoder, pieces: list[int]) -> None:
    latents = drawn(16, 9, 4, 4)
    with torch.inference_mode():
        whole, _ = vae.decode(latents, Stream(before=None), chunk=1)
        stream, parts = Stream(before=None), []
        for piece in latents.split(pieces, dim=1):
            frames, stream = vae.decode(piece, stream)
            parts.append(frames)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("chunk", [4, 8, 16])
def test_video_encoded_in_pieces_gives_the_same_latents(vae: VideoAutoencoder, chunk: int) -> None:
    video = drawn(3, 17, 16, 32).clamp(-1, 1)
    with torch.inference_mode():
        assert torch.allclose(vae.encode(video, chunk), vae.encode(video), atol=1e-5)


def test_encoder_never_looks_ahead(vae: VideoAutoencoder) -> None:
    video = drawn(3, 13, 16, 16).clamp(-1, 1)
    with torch.inference_mode():
        assert torch.allclose(vae.encode(video[:, :5]), vae.encode(video)[:, :2], atol=1e-5)


def test_decoder_reads_its_memory_and_leaves_it_unchanged(vae: VideoAutoencoder) -> None:
    with torch.inference_mode():
        _, stream = vae.decode(drawn(16, 7, 4, 4), Stream(before=None))
        assert stream.before is not None
        before = [t.clone() for t in stream.before]
        after = [torch.empty_like(t) for t in before]
        first = vae.decode_block(drawn(16, 3, 4, 4, seed=1), stream.before, after)
        assert all(torch.equal(a, b) for a, b in zip(stream.before, before, strict=True))
        again = vae.decode_block(drawn(16, 3, 4, 4, seed=1), before, [torch.empty_like(t) for t in before])
    assert torch.equal(first, again)
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("latents", [1, 3])
@pytest.mark.parametrize("strip_bytes", [1, 3000, vae_frames.STRIP_BYTES])
def test_decoding_frame_by_frame_gives_the_pictures_of_decoding_at_once(
    vae: VideoAutoencoder, latents: int, strip_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.inference_mode():
        _, stream = vae.decode(drawn(16, 3, 4, 6), Stream(before=None))
        assert stream.before is not None
        z = drawn(latents, 4, 6, 16, seed=1)
        at_once, by_frame = (Stream(before=stream.before), Stream(before=[t.clone() for t in stream.before]))
        by_frame.into = by_frame.before  # read and written in one place, as while a decoder warms up
        want = vae.decoder(z, at_once)
        monkeypatch.setattr(vae_frames, "STRIP_BYTES", strip_bytes)
        assert vae_frames.can_decode(z, by_frame)
        layers = [*vae.decoder.middle, *vae.decoder.upsamples]
        found = vae_frames.decode(vae.decoder.conv1, layers, vae.decoder.head, z, by_frame)
    assert torch.allclose(found, want, atol=1e-5)
    assert len(by_frame.after) == len(at_once.after)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(by_frame.after, at_once.after, strict=True))
