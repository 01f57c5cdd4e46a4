"""Training an adapter on footage: windows of clips, flow matching at the noise levels of the schedules, a frozen base."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.model.block_engine import BlockEngine
from engine.model.checkpoint.model_files import ModelFiles
from engine.model.conditions import fit_portrait
from engine.model.loading import load_engine
from engine.model.speech import block_features
from engine.model.transformer import Transformer
from engine.training.adapters import Adapter
from engine.training.frozen import is_mixed_base
from engine.training.network import Given, Places, attend_all, distances, encode_audio, encode_text, prefill, velocity
from engine.training.precision import mixed_precision
from engine.training.recording import Tensors
from engine.training.stage_transformer import CLEAN_SIGMA, CLEAN_WEIGHT, first_blocks, noise_levels, sinks_in_use

if TYPE_CHECKING:  # reading footage needs PyAV, training on what is prepared does not
    from engine.training.footage import Footage

_LEAD_FRAMES = 9  # of the portrait before a clip's frames
_START_SHARE = 0.4  # of windows that are a clip's beginning


@dataclass(frozen=True)
class Prepared:
    """A clip as the transformer sees it, on the device."""

    latents: Tensor  # [16, 3K, h, w]
    speech: Tensor  # [K, 25, A, 12]
    reference: Tensor  # [16, 1, h, w]
    motion: Tensor  # [16, 19, h, w]
    text: Tensor  # [n, text_dim]


@torch.no_grad()
def prepare(
    files: ModelFiles, footage: list[Footage], width: int, height: int, device: str
) -> tuple[list[Prepared], str]:
    """All clips, encoded with the base model's own encoders, which are gone afterwards; and the sha256 of its weights."""
    engine = load_engine(files, device=device, precision="plain", is_encoding=True)
    return [_prepared(engine, clip, width, height) for clip in footage], engine.weights_sha256


def _prepared(engine: BlockEngine, clip: Footage, width: int, height: int) -> Prepared:
    conditions = engine.prepare(clip.prompt, clip.portrait, width, height)
    speech = engine.hear(clip.sound)["speech"]
    like = conditions["reference"]
    still = fit_portrait(clip.portrait, width, height).to(like)
    video = torch.cat([still.unsqueeze(0).expand(_LEAD_FRAMES, -1, -1, -1), clip.frames.to(like)]).transpose(0, 1)
    latents = engine.vae.encode(video)[:, 1 + _LEAD_FRAMES // 4 :]
    blocks = clip.frames.shape[0] // BLOCK_FRAMES
    heard = torch.stack([block_features(speech, block) for block in range(blocks)])
    return Prepared(*(x.clone() for x in (latents, heard, like, conditions["motion"], conditions["text"])))


class LoraStage:
    """Trains an `Adapter`; one window of one clip per step."""

    name = "adapter"
    uses_muon = False  # an adapter's matrices are narrow

    def __init__(
        self, model: Transformer, clips: list[Prepared], *, rank: int, alpha: float, blocks: int, seed: int,
        learning_rate: float, is_recomputed: bool,
    ) -> None:  # fmt: skip
        self.model, self.clips, self.blocks, self.seed = model, clips, blocks, seed
        self.learning_rate, self.is_recomputed = learning_rate, is_recomputed
        self.adapter = Adapter(model, rank, alpha, seed)
        self.device = model.patch_embedding.weight.device
        self.is_mixed = is_mixed_base(model) or self.device.type == "cuda"

    def parameters(self) -> dict[str, nn.Parameter]:
        """The adapter's pairs."""
        return self.adapter.parameters()

    def facts(self) -> dict[str, Any]:
        """Rank and scale."""
        return {"rank": self.adapter.rank, "alpha": self.adapter.alpha}

    def batch(self, number: int) -> tuple[Hashable, Tensors]:
        """One window of one clip. Sink 0 holds the portrait, sink 1 the clip's first latent: a long video has both."""
        rng = np.random.default_rng([self.seed, number])
        clip = self.clips[int(rng.integers(len(self.clips)))]
        blocks = min(self.blocks, clip.latents.shape[1] // BLOCK_LATENTS)
        last = clip.latents.shape[1] // BLOCK_LATENTS - blocks
        first = 0 if rng.random() < _START_SHARE else int(rng.integers(0, last + 1))
        latents = clip.latents[None, :, BLOCK_LATENTS * first : BLOCK_LATENTS * (first + blocks)].float()
        sigma, timestep = noise_levels(rng, 1, self.device)
        is_start = torch.tensor([first == 0]).to(self.device)
        batch = {
            "latents": latents, "sigma": sigma, "timestep": timestep, "text": clip.text[None],
            "noise": torch.randn(latents.shape, device=self.device, generator=_generator(rng, self.device)),
            "reference": clip.reference[None], "renewed": clip.latents[None, :, :1], "motion": clip.motion[None],
            "speech": clip.speech[None, first : first + blocks], "first": first_blocks(rng, is_start),
            "distance": distances(rng, 1, blocks, self.device),
        }  # fmt: skip
        sinks = sinks_in_use(blocks) if first == 0 else [int(rng.random() < 0.7)] * blocks
        return tuple(sinks), batch

    def loss(self, key: Hashable, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Error of the velocity over one window."""
        assert isinstance(key, tuple)
        latents, noise, sigma = batch["latents"], batch["noise"], batch["sigma"]
        noisy = (1 - sigma) * latents + sigma * noise
        with mixed_precision(self.device, is_wanted=self.is_mixed):
            text = encode_text(self.model, batch["text"])
            sinks = [
                prefill(self.model, batch[name], batch["motion"], text, is_recomputed=self.is_recomputed)
                for name in ("reference", "renewed")
            ]
            rows, columns = latents.shape[-2] // 2, latents.shape[-1] // 2
            given = Given(text, encode_audio(self.model, batch["speech"]), sinks, rows, columns)
            places = Places.of(self.model, batch["first"], len(key), rows, columns, batch["distance"])
            attend = attend_all(given, places, list(key))
            answer = velocity(self.model, noisy, batch["timestep"], given, attend, is_recomputed=self.is_recomputed)
        weight = torch.where(sigma < CLEAN_SIGMA, CLEAN_WEIGHT, 1.0).squeeze()
        error = (answer.float() - (noise - latents)).square().mean()
        implied = (noisy - sigma * answer.float() - latents).square().mean()
        return weight * error, {"latent_error": implied}


def _generator(rng: np.random.Generator, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(rng.integers(2**62)))
