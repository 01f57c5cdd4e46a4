"""Prompt + portrait + voice -> blocks of video: the engine as a worker uses it.

All state of a job is in its `Context`; the engine itself holds weights and caches of constants only. So any process
with the same weights can make the next block, and a block made twice has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from engine.adapters import Adapter, Fitted, detach, fit
from engine.catalog import BLOCK_FRAMES, CLIP_FRAMES, ModelShape
from engine.config import Settings
from engine.errors import ContextLost, SettingsError
from engine.model import conditions as roles
from engine.model import ready, speech, text
from engine.model.attention import KeysValues
from engine.model.context import SINK_HALF, Context, ContextLayout, layout_of
from engine.model.denoise import Denoiser
from engine.model.drawing import block_noise
from engine.model.injector import AudioKeys
from engine.model.rings import KeyStore
from engine.model.transformer import Transformer
from engine.model.vae import VideoAutoencoder
from engine.stopwatch import Stopwatch

# Of a lost context. `python -m benchmarks.replay`, pocket model: the next block's latents are 3.4 % off the lost ones in the
# median, 6.7 % at worst (0.9 grey levels), with four blocks 1.0 and 1.5 %; both die away within five (docs/healing.md).
REPLAYED_BLOCKS = 1
OnStep = Callable[[str, int], None]  # (phase "step", "decode" or "sink", number of the step), before it begins
Conditions = dict[str, Tensor]


@dataclass(frozen=True)
class MadeBlock:
    """`latents` [16, 3, h, w], `frames` uint8 [12, H, W, 3] RGB, milliseconds per stage."""

    latents: Tensor
    frames: np.ndarray
    stage_ms: dict[str, float] = field(default_factory=dict)


class BlockEngine:
    """Weights in, blocks out. Encoders for text and voice are built when they are first needed."""

    def __init__(
        self, shape: ModelShape, transformer: Transformer, vae: VideoAutoencoder, *, tokenizer: text.Tokenizer,
        text_encoder: Callable[[], nn.Module], speech_encoder: Callable[[], nn.Module], weights_sha256: str,
        is_trained: bool,
    ) -> None:  # fmt: skip
        self.shape, self.transformer, self.vae = shape, transformer, vae
        self.weights_sha256, self.is_trained = weights_sha256, is_trained
        self.denoiser = Denoiser(transformer)
        self._tokenizer, self._build_text, self._build_speech = tokenizer, text_encoder, speech_encoder
        self._text_encoder: nn.Module | None = None
        self._speech_encoder: nn.Module | None = None

    # ---- conditions -------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def prepare(self, prompt: str, portrait_rgb: np.ndarray, width: int, height: int) -> Conditions:
        """`text`, `reference`, `motion` for a prompt and a portrait uint8 [H0, W0, 3]. Raises MediaError."""
        if self._text_encoder is None:
            self._text_encoder = self._build_text()
        ids = self._tokenizer.ids(text.clean(prompt), self.transformer.config.text_len)
        image = roles.fit_portrait(portrait_rgb, width, height).to(self._like())
        reference, motion = roles.portrait_latents(self.vae, image)
        words = text.encode_ids(self._text_encoder, ids, self._like().device).to(self._like().device)
        return {"text": words, "reference": reference, "motion": motion}

    @torch.inference_mode()
    def hear(self, waveform: np.ndarray) -> Conditions:
        """`speech` for a voice, float32 [N] at 16 kHz: one vector per layer and video frame."""
        if self._speech_encoder is None:
            self._speech_encoder = self._build_speech()
        samples = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32)).to(self._like().device)
        return {"speech": speech.hear(self._speech_encoder, samples).to(self._like().dtype)}

    @torch.inference_mode()
    def make_ready(self, conditions: Conditions, width: int, height: int) -> Conditions:
        """The conditions with all that `begin` would compute from them, for the adapter that is attached now: a switch to
        them copies. They take gigabytes at the 14B shape (`engine.memory`), as many as half a context without rings."""
        roles.check(conditions, width, height, roles.ROLE_NAMES)
        return ready.make_ready(self.denoiser, self.vae, self.layout(width, height, 1), conditions)

    def warm_encoders(self) -> None:
        """Build the text and speech encoders now. Raises WeightsError when their files do not fit."""
        self._text_encoder = self._text_encoder or self._build_text()
        self._speech_encoder = self._speech_encoder or self._build_speech()

    # ---- adapters ---------------------------------------------------------------------------------------------------

    def fit(self, adapters: Sequence[Adapter]) -> Fitted:
        """Make adapters ready for `attach`. Raises WeightsError when they are not for this model."""
        return fit(self.transformer, adapters)

    def attach(self, fitted: Fitted | None) -> None:
        """From the next block, prefill or prompt on, with these adapters; None: the generic character, exactly.

        Sinks and prompts made before keep what they were made with: prepare and begin anew for another character.
        """
        if fitted is None:
            detach(self.transformer)
        else:
            fitted.attach()
        self.denoiser.forget_text()

    # ---- contexts ---------------------------------------------------------------------------------------------------

    def layout(self, width: int, height: int, steps: int, infer_frames: int = CLIP_FRAMES) -> ContextLayout:
        """What a job's context looks like; `infer_frames` up to 48 fit the default."""
        return layout_of(self.shape, width, height, steps, infer_frames, self.transformer.kv)

    @torch.inference_mode()
    def begin(self, context: Context, conditions: Conditions, settings: Settings) -> None:
        """Fill a context for block 0. May be killed at any point: the context counts as begun by the last store."""
        self._check(context, conditions, settings)
        context.forget()
        if ready.is_ready(conditions):
            ready.fill(context, conditions)
        else:
            self.denoiser.prefill(context.sink(0), conditions["reference"], conditions["motion"], self._text(conditions))
            self.vae.warm_up(conditions["motion"][:, : roles.WARM_UP_LATENTS], context.decoder(0))
        context.half(0)["state"].zero_()
        context.half(0)["first_latent"].zero_()
        context.mark_begun(0)

    def make_block(
        self, context: Context, conditions: Conditions, settings: Settings, block: int, on_step: OnStep | None = None
    ) -> MadeBlock:
        """Make the context's next block, number `block`; `context.flip(block + 1)` accepts it."""
        stage_ms = {}
        if context.blocks_denoised <= block:
            stage_ms = self.denoise_block(context, conditions, settings, block, on_step)
        made = self.decode_block(context, conditions, settings, block, on_step)
        return replace(made, stage_ms={**stage_ms, **made.stage_ms})

    @torch.inference_mode()
    def denoise_block(
        self, context: Context, conditions: Conditions, settings: Settings, block: int, on_step: OnStep | None = None
    ) -> dict[str, float]:
        """The first part of a block: its clean latents, kept in the context. Returns milliseconds per stage.

        The block after the one that is not accepted yet may be denoised too: so the device computes while frames are
        encoded and written. Raises ContextLost out of turn.
        """
        self._check(context, conditions, settings)
        if block != context.blocks_denoised or block > context.blocks_done + 1:
            at = f"{context.blocks_denoised} denoised, {context.blocks_done} done"
            raise ContextLost(f"it is at block {at}; {block} cannot be denoised.")
        report, stages = on_step or _ignore, Stopwatch()
        audio = self._audio(conditions, block)
        noise = self._noise(conditions, settings, block)
        sink = context.sink(context.sink_half(block), as_it_arrives=self.transformer.is_fused)
        stages.lap("audio")
        latents = self.denoiser.denoise(
            noise, block, settings, self._rings(context, settings), sink, self._text(conditions), audio, report, context.oldest
        )
        stages.lap("denoise")
        context.latents(block).copy_(latents)
        self._carry_on(context, conditions, settings, block, latents, report)
        self.transformer.settle()
        context.mark_denoised(block + 1)
        stages.lap("sink")
        return stages.laps

    @torch.inference_mode()
    def decode_block(
        self, context: Context, conditions: Conditions, settings: Settings, block: int, on_step: OnStep | None = None
    ) -> MadeBlock:
        """The second part: frames of the latents that the context holds. Raises ContextLost out of turn."""
        self._check(context, conditions, settings)
        if block != context.blocks_done or block >= context.blocks_denoised:
            at = f"{context.blocks_denoised} denoised, {context.blocks_done} done"
            raise ContextLost(f"it is at block {at}; {block} cannot be decoded.")
        stages = Stopwatch()
        (on_step or _ignore)("decode", 0)
        latents = context.latents(block).clone()
        video = self.vae.decode_block(latents, context.decoder(block), context.decoder(block + 1))
        frames = to_rgb(video)
        stages.lap("decode")
        return MadeBlock(latents, frames, stages.laps)

    @torch.inference_mode()
    def rebuild(
        self, context: Context, conditions: Conditions, settings: Settings, latents: Sequence[Tensor],
        replayed: int = REPLAYED_BLOCKS,
    ) -> None:  # fmt: skip
        """Fill a lost context from the clean latents of all finished blocks: the video goes on smoothly, not the same.

        The last `replayed` blocks pass the network again, each with its own noise, so that their keys are in the rings; the
        decoder sees the last clip again, the sink is made anew. The rings know of no block before, as when a video begins.
        """
        self._check(context, conditions, settings)
        done, slots = len(latents), settings.infer_frames // BLOCK_FRAMES
        if done == 0:
            return self.begin(context, conditions, settings)
        context.forget()
        words, motion = self._text(conditions), conditions["motion"]
        is_renewed = settings.online_decode and done >= slots
        self.denoiser.prefill(context.sink(0), conditions["reference"], motion, words)
        if is_renewed:
            self.denoiser.prefill(context.sink(1), latents[0][:, :1], motion, words, is_first=False)
        oldest, rings = max(0, done - replayed), self._rings(context, settings)
        for block in range(oldest, done):
            sink = context.sink(1 if is_renewed and block >= slots else 0)
            noise, audio = self._noise(conditions, settings, block), self._audio(conditions, block)
            self.denoiser.replay(latents[block], noise, block, settings, rings, sink, words, audio, oldest)
        seen = torch.cat(list(latents[max(0, done - slots) :]), dim=1)
        before = motion[:, : roles.WARM_UP_LATENTS]
        self.vae.warm_up(torch.cat([before, seen], dim=1) if done <= slots else seen, context.decoder(done))
        state = context.half(done)
        state["state"].zero_()
        state["state"][SINK_HALF] = int(is_renewed)
        state["first_latent"].copy_(latents[0][:, 0])
        return context.mark_begun(done, oldest)

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _carry_on(
        self, context: Context, conditions: Conditions, settings: Settings, block: int, latents: Tensor, report: OnStep
    ) -> None:
        """Write the small state of the next block. After the first clip, online decode renews the sink: the reference
        becomes the first latent that was generated."""
        now, then = context.half(block), context.half(block + 1)
        then["state"].copy_(now["state"])
        then["first_latent"].copy_(latents[:, 0] if block == 0 else now["first_latent"])
        if settings.online_decode and block + 1 == settings.infer_frames // BLOCK_FRAMES:
            report("sink", 0)
            half = 1 - context.sink_half(block)
            reference = then["first_latent"].unsqueeze(1)
            words = self._text(conditions)
            self.denoiser.prefill(context.sink(half), reference, conditions["motion"], words, is_first=False)
            then["state"][SINK_HALF] = half

    def _audio(self, conditions: Conditions, block: int) -> list[AudioKeys]:
        return self.transformer.encode_audio(speech.block_features(conditions["speech"], block))

    def _text(self, conditions: Conditions) -> list[KeysValues]:
        return ready.ready_text(conditions) if ready.is_ready(conditions) else self.denoiser.text(conditions["text"])

    def _noise(self, conditions: Conditions, settings: Settings, block: int) -> Tensor:
        channels, _, height, width = conditions["reference"].shape
        noise = block_noise(settings, block, (channels, height, width), self._like().dtype)
        return noise.to(self._like().device)

    def _rings(self, context: Context, settings: Settings) -> list[KeyStore]:
        """The rings, cut to one clip of these settings."""
        layout = context.layout
        rows = settings.infer_frames // 4 * (layout.width // 16) * (layout.height // 16)
        return [ring.first(rows) for ring in context.rings()]

    def _check(self, context: Context, conditions: Conditions, settings: Settings) -> None:
        layout = context.layout
        roles.check(conditions, layout.width, layout.height)
        if settings.steps != layout.steps:
            raise SettingsError(f"the context is for {layout.steps} steps, not {settings.steps}.", field="steps")
        if settings.infer_frames > layout.infer_frames:
            held = f"the context holds clips of {layout.infer_frames} frames, not {settings.infer_frames}."
            raise SettingsError(held, field="infer_frames")

    def _like(self) -> Tensor:
        return self.transformer.patch_embedding.weight


def to_rgb(video: Tensor) -> np.ndarray:
    """Frames [3, n, H, W] in [-1, 1] -> uint8 [n, H, W, 3], truncated as the published code does."""
    frames = ((video.permute(1, 2, 3, 0).float() + 1) / 2 * 255).to(torch.uint8)
    if frames.is_cuda:
        host = torch.empty(frames.shape, dtype=torch.uint8, pin_memory=True)
        frames = host.copy_(frames)  # pinned memory takes it several times as fast; waits for the device
    return np.ascontiguousarray(frames.cpu().numpy())


def _ignore(_phase: str, _step: int) -> None:
    """Nobody wants to know."""
