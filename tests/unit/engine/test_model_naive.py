"""The engine's network against the naive one, on shapes, aspects and lengths that no golden case has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.model.config import TransformerConfig
from engine.model.parity.network import denoise, key_store
from engine.model.rings import SinkWriter
from engine.model.rope import phases, sink_positions
from engine.model.sampler import schedule
from engine.model.transformer import Transformer, sink_rows
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill
from tests.unit.engine.naive.network import NaiveModel, sigmas

SHAPES = {
    "one_head_no_audio": ({"dim": 24, "heads": 1, "layers": 1, "inject": ()}, (8, 8), {"steps": 2, "slots": 2, "blocks": 3}),
    "wide_picture": ({"dim": 48, "heads": 2, "layers": 2, "inject": (1,)}, (8, 24), {"steps": 3, "slots": 3, "blocks": 5}),
    "tall_picture": ({"dim": 32, "heads": 4, "layers": 3, "inject": (0, 1, 2)}, (24, 8), {"steps": 2, "slots": 4, "blocks": 3}),
    "ring_of_one_block": ({"dim": 40, "heads": 4, "layers": 2, "inject": (0,)}, (8, 8), {"steps": 5, "slots": 1, "blocks": 3}),
    "head_of_128": ({"dim": 256, "heads": 2, "layers": 1, "inject": (0,)}, (8, 8), {"steps": 1, "slots": 2, "blocks": 2}),
    "long_video": ({"dim": 24, "heads": 1, "layers": 2, "inject": (1,)}, (8, 8), {"steps": 2, "slots": 2, "blocks": 13}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_network_equals_the_naive_implementation(name: str) -> None:
    model, (height, width), run = SHAPES[name]
    config = TransformerConfig(
        dim=model["dim"], ffn_dim=40, num_heads=model["heads"], num_layers=model["layers"], audio_dim=12, text_dim=20,
        text_len=11, freq_dim=32, audio_inject_layers=model["inject"],
    )  # fmt: skip
    with empty_weights():
        network = Transformer(config)
    weights = {key: value.double().numpy() for key, value in fill(network).items()}
    naive = NaiveModel(weights, model["heads"], model["layers"], model["inject"], 11, run["slots"])

    draws = torch.Generator().manual_seed(5)
    reference, motion = (
        torch.randn(16, 1, height, width, generator=draws),
        torch.randn(16, 21, height, width, generator=draws),
    )
    rows_of_text = torch.randn(6, 20, generator=draws)
    noise = torch.randn(run["blocks"], 16, 3, height, width, generator=draws)
    speech = torch.randn(run["blocks"], 25, 12, 12, generator=draws)
    rows, columns, distance = height // 2, width // 2, 9

    with torch.inference_mode():
        text, sink = network.encode_text(rows_of_text), key_store(network, sink_rows(rows, columns))
        writer = SinkWriter(sink, phases(sink_positions(0, rows, columns), config.head_dim))
        network.prefill(reference, motion, text, network.modulation(0.0), writer)
        rings = [key_store(network, 3 * rows * columns * run["slots"]) for _ in range(run["steps"])]
        naive_text = naive.text(rows_of_text.double().numpy())
        naive.prefill(reference.double().numpy(), motion.double().numpy(), naive_text)
        assert np.abs(np.stack(naive.sink_k) - sink.k.numpy()).max() < 1e-4
        for block in range(run["blocks"]):
            got, answers = denoise(network, noise[block], speech[block], text, block, rings, sink, distance)
            x, plan = noise[block].double().numpy(), schedule(run["steps"]).sigmas.double().numpy()
            audio = naive.audio(speech[block].double().numpy())
            for step in range(run["steps"]):
                velocity = naive.velocity(x, 1000 * plan[step], step, block, distance, naive_text, audio)
                assert np.abs(velocity - answers[step].numpy()).max() < 2e-4, (block, step)
                x = x + (plan[step + 1] - plan[step]) * velocity
            assert np.abs(x - got.numpy()).max() < 5e-4, block


@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_schedule_equals_its_formula(steps: int) -> None:
    assert np.allclose(schedule(steps).sigmas.numpy(), sigmas(steps), rtol=1e-6)
    assert np.allclose(schedule(steps).timesteps.numpy(), 1000 * np.array(sigmas(steps)[:-1]), rtol=1e-6)
