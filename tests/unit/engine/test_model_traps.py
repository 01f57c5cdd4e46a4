"""The traps that silently break agreement with the published model, one test each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import fit_size
from engine.model.attention import attention
from engine.model.audio import PUBLISHED_COPIES, AudioProjector
from engine.model.conditions import portrait_latents
from engine.model.config import TransformerConfig
from engine.model.drawing import block_noise, reference_distance
from engine.model.injector import AudioInjector
from engine.model.parity.network import denoise, key_store
from engine.model.rings import KeyStore, RingReader, SinkWriter
from engine.model.rope import block_positions, phases, rotate, sink_positions, sink_shift
from engine.model.sampler import euler_step, schedule
from engine.model.transformer import Transformer, sink_rows
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import Stream
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill, with_settings

CONFIG = TransformerConfig(
    dim=48, ffn_dim=40, num_heads=2, num_layers=2, audio_dim=12, text_dim=20, text_len=11, audio_inject_layers=(0,)
)


@pytest.fixture(scope="module")
def network() -> Transformer:
    with empty_weights():
        model = Transformer(CONFIG)
    fill(model)
    return model


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_trap_1_rope_phases_are_rounded_to_half_precision() -> None:
    at = phases(block_positions(2997, 4, 8), 128)
    assert torch.equal(at.cos, at.cos.half().double())
    frame, first = 2997 + np.arange(3).repeat(32), at.cos[:, 0].numpy()
    assert np.array_equal(first, np.cos(frame.astype(float)).astype(np.float16).astype(float))
    assert not np.array_equal(first, np.cos(frame.astype(float)))


def test_trap_1_rotation_runs_in_double_precision() -> None:
    at = phases(block_positions(3, 2, 2), 24)
    q = drawn(12, 2, 24)
    assert torch.equal(rotate(q, at), rotate(q.double(), at).float())


def test_trap_2_sigmas_are_shifted_twice() -> None:
    assert [round(s, 8) for s in schedule(4).sigmas.tolist()] == [1.0, 0.8576923, 0.60215056, 0.00892857, 0.0]
    assert [round(t, 6) for t in schedule(3).timesteps.tolist()] == [1000.0, 751.121094, 8.928572]


def test_trap_3_reference_distance_comes_from_the_seed_alone() -> None:
    torch.manual_seed(0)
    draws = [reference_distance(420, block, step) for block in range(60) for step in range(4)]
    torch.manual_seed(1)
    assert draws == [reference_distance(420, block, step) for block in range(60) for step in range(4)]
    assert set(draws) == set(range(4, 31))
    assert draws != [reference_distance(421, block, step) for block in range(60) for step in range(4)]


def test_trap_3_noise_of_a_block_needs_no_generator_state() -> None:
    settings = with_settings(seed=420)
    clip = torch.randn((16, 12, 4, 8), generator=torch.Generator().manual_seed(421))
    torch.manual_seed(3)
    for block in (6, 4, 7, 5):  # in any order
        got = block_noise(settings, block, (16, 4, 8), torch.float32)
        assert torch.equal(got, clip[:, 3 * (block - 4) : 3 * (block - 3)])


def test_trap_4_every_denoise_step_has_its_own_ring_of_noisy_keys(network: Transformer) -> None:
    sink, rings = key_store(network, sink_rows(4, 4)), [key_store(network, 96) for _ in range(3)]
    text = network.encode_text(drawn(5, 20))
    noise, speech = drawn(16, 3, 8, 8, seed=1), drawn(25, 12, 12, seed=2)
    denoise(network, noise, speech, text, 0, rings, sink, 9)
    assert not torch.allclose(rings[0].k[0, :48], rings[1].k[0, :48], atol=1e-2)
    # the first step's keys are those of pure noise, not of what it became
    again = [key_store(network, 96)]
    denoise(network, noise, speech, text, 0, again, sink, 9)
    assert torch.equal(again[0].k, rings[0].k)


def test_trap_5_sink_keys_are_stored_unrotated_and_block_keys_rotated() -> None:
    sink, ring = (KeyStore(torch.zeros(1, n, 2, 24), torch.zeros(1, n, 2, 24)) for n in (sink_rows(4, 4), 48))
    k = drawn(sink.rows, 2, 24, seed=1)
    SinkWriter(sink, phases(sink_positions(0, 4, 4), 24)).attend(0, k, k, k)
    assert torch.equal(sink.k[0], k)
    at = phases(block_positions(30, 4, 4), 24)
    behind = phases(sink_positions(sink_shift(30, 9), 4, 4), 24)
    q = drawn(48, 2, 24, seed=2)
    out = RingReader(ring, sink, 10, at, behind, oldest=10).attend(0, q, q, q)
    assert torch.equal(ring.k[0], rotate(q, at))
    keys = torch.cat([rotate(q, at), rotate(k, behind)])
    assert torch.equal(out, attention(rotate(q, at), keys, torch.cat([q, k])))


def test_trap_5_only_the_reference_frame_moves_with_the_video() -> None:
    still, moved = sink_positions(0, 4, 8), sink_positions(17, 4, 8)
    assert torch.equal(moved[32:], still[32:])
    assert set(moved[:32, 0].tolist()) == {47}
    assert sink_shift(0, 30) == 0
    assert sink_shift(29, 4) == 3


def test_trap_7_text_padding_is_attended(network: Transformer) -> None:
    rows = drawn(5, 20)
    (k, _), *_ = network.encode_text(rows)
    assert k.shape[0] == CONFIG.text_len
    padded = torch.cat([rows, torch.zeros(6, 20)])
    assert all(
        torch.equal(a, b) for a, b in zip(network.encode_text(padded)[1], network.encode_text(rows)[1], strict=True)
    )


def test_trap_8_size_is_an_area_budget() -> None:
    assert fit_size("688*368", 1280, 720) == (640, 384)
    assert fit_size("704*384", 720, 400) == (704, 384)


def test_trap_9_reference_is_the_latent_of_one_frame_and_motion_is_73_still_frames() -> None:
    with empty_weights():
        vae = VideoAutoencoder(VaeConfig(dim=4))
    fill(vae)
    image = drawn(3, 64, 64).clamp(-1, 1)
    reference, motion = portrait_latents(vae, image)
    assert motion.shape == (16, 19, 8, 8)
    assert torch.allclose(reference, vae.encode(image[:, None]), atol=1e-5)


def test_trap_10_warm_decoder_gives_twelve_frames_for_the_first_block() -> None:
    with empty_weights():
        vae = VideoAutoencoder(VaeConfig(dim=4))
    fill(vae)
    latents = drawn(16, 10, 4, 6)
    whole, _ = vae.decode(latents, Stream(before=None))
    assert whole.shape[1] == 1 + 4 * 9
    _, stream = vae.decode(latents[:, :7], Stream(before=None))
    assert stream.before is not None
    after = [torch.full_like(t, 9.0) for t in stream.before]
    block = vae.decode_block(latents[:, 7:], stream.before, after)
    assert block.shape[1] == 12
    assert torch.allclose(block, whole[:, -12:], atol=1e-5)


def test_trap_12_one_copy_of_the_first_audio_frame_equals_73() -> None:
    with empty_weights():
        projector = AudioProjector(12, 48, 4)
    fill(projector)
    speech = drawn(25, 12, 12)
    for got, want in zip(projector(speech), projector(speech, PUBLISHED_COPIES), strict=True):
        assert got.shape[0] == 3
        assert torch.allclose(got, want, atol=1e-5)


def test_trap_12_audio_projector_computes_in_float32_on_bfloat16_weights() -> None:
    with empty_weights():
        projector = AudioProjector(12, 48, 4)
    fill(projector)
    speech = drawn(25, 12, 12).bfloat16()
    rounded = {name: value.bfloat16() for name, value in projector.state_dict().items()}
    projector.load_state_dict({name: value.float() for name, value in rounded.items()}, assign=True)
    want = projector(speech.float())
    projector.load_state_dict(rounded, assign=True)
    for got, exact in zip(projector(speech), want, strict=True):
        assert got.dtype == torch.bfloat16
        assert torch.equal(got, exact.bfloat16())


def test_trap_13_audio_norm_has_its_own_epsilon_and_shift_before_scale() -> None:
    with empty_weights():
        injector = AudioInjector(48, 2, 1, 1e-6)
    fill(injector)
    seen: list[Tensor] = []
    injector.injector[0].q.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))  # type: ignore[union-attr]
    tokens, overall, local = 0.003 * drawn(12, 48), drawn(3, 1, 48, seed=1), drawn(3, 5, 48, seed=2)
    audio = injector.keys(overall, local)[0]
    injector(tokens, 0, audio)
    x = tokens.view(3, 4, 48).double()
    variance = x.var(-1, correction=0, keepdim=True)
    condition = injector.injector_adain_layers[0].linear(torch.nn.functional.silu(overall)).double()  # type: ignore[union-attr,operator]
    shift, scale = condition[..., :48], condition[..., 48:]
    want = (x - x.mean(-1, keepdim=True)) / (variance + 1e-5).sqrt() * (1 + scale) + shift
    assert torch.allclose(seen[0].double(), want, atol=1e-5)


def test_trap_14_without_a_pose_that_branch_adds_only_its_bias(network: Transformer) -> None:
    zeros = torch.zeros(16, 3, 8, 8)
    want = network.patch_embedding.bias + network.cond_encoder(zeros[None])[0, :, 0, 0, 0]
    assert torch.allclose(network.block_tokens(zeros)[0], want + network.trainable_cond_mask.weight[0], atol=1e-6)


def test_trap_15_euler_step_rounds_step_and_product_to_bfloat16() -> None:
    x, velocity, plan = drawn(4, 64).bfloat16(), drawn(4, 64, seed=1).bfloat16(), schedule(4)
    got = euler_step(x, velocity, plan.sigmas[1], plan.sigmas[2])
    step = (plan.sigmas[2] - plan.sigmas[1]).bfloat16().float()
    product = (step * velocity.float()).bfloat16().float()
    assert torch.equal(got, (x.float() + product).bfloat16())
    assert not torch.equal(got, (x.float() + (plan.sigmas[2] - plan.sigmas[1]) * velocity.float()).bfloat16())


def test_positions_have_no_table_that_ends() -> None:
    at = phases(block_positions(62_000, 4, 4), 128)
    assert bool(at.cos.isfinite().all())
    assert not torch.equal(at.cos, phases(block_positions(61_997, 4, 4), 128).cos)
