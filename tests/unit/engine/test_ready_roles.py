"""A role made ready: the same video, without computing its beginning again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import SettingsError
from engine.model.block_engine import BlockEngine
from tests.unit.engine.model_rig import HEIGHT, SETTINGS, WIDTH, conditions, make_blocks, new_context, pocket_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> BlockEngine:
    return pocket_engine(Path(tmp_path_factory.mktemp("model")) / "pocket")


def test_a_ready_role_makes_the_same_blocks_bit_for_bit(engine: BlockEngine) -> None:
    given = conditions()
    videos = []
    for chosen in (given, engine.make_ready(given, WIDTH, HEIGHT)):
        context, _ = new_context(engine)
        engine.begin(context, chosen, SETTINGS)
        videos.append(torch.cat(make_blocks(engine, context, chosen, 5)[0], dim=1))
    assert torch.equal(*videos)


def test_a_ready_role_begins_without_asking_the_network(engine: BlockEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = engine.make_ready(conditions(), WIDTH, HEIGHT)
    monkeypatch.setattr(engine.transformer, "prefill", None)
    monkeypatch.setattr(engine.vae, "warm_up", None)
    context, _ = new_context(engine)
    engine.begin(context, chosen, SETTINGS)
    assert context.blocks_done == 0


def test_a_role_of_another_size_is_refused(engine: BlockEngine) -> None:
    with pytest.raises(SettingsError, match="128x64"):
        engine.make_ready(conditions(), 128, 64)
