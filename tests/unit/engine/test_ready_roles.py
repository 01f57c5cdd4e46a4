"""A role made ready: the same video, without computing its beginning again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.adapters import Adapter
from engine.errors import SettingsError
from engine.memory import ready_bytes
from engine.model.block_engine import BlockEngine
from engine.model.random_weights import random_adapter
from engine.protocol import PrepareRole, RolePrepared
from engine.worker.adapters import GENERIC, AdapterShelf, Ready
from engine.worker.greenroom import GreenroomMaker
from engine.worker.ready_roles import ReadyRoles
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


def test_ready_roles_give_way_to_newer_ones_and_to_whoever_needs_the_memory(engine: BlockEngine) -> None:
    size = ready_bytes(engine.shape, WIDTH, HEIGHT, None)
    roles, given = ReadyRoles(engine, 2 * size), conditions()
    first = roles.make("first", given, WIDTH, HEIGHT)
    again = roles.get("first", given)
    assert again is not None and again["ready.sink.k"] is first["ready.sink.k"] and again["text"] is given["text"]
    roles.make("second", given, WIDTH, HEIGHT)
    roles.get("first", given)
    roles.make("third", given, WIDTH, HEIGHT)
    assert [roles.is_here(name) for name in ("first", "second", "third")] == [True, False, True]
    assert roles.total_bytes == roles.peak_bytes == 2 * size
    roles.give_way()
    assert roles.get("third", given) is None and roles.total_bytes == 0 and roles.peak_bytes == 2 * size


def test_role_that_had_to_go_comes_back_from_host_memory_without_being_made_again(
    engine: BlockEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, given, host = ready_bytes(engine.shape, WIDTH, HEIGHT, None), conditions(), _HostMemory()
    roles = ReadyRoles(engine, size, on_host=host)  # type: ignore[arg-type]
    first = roles.make("first", given, WIDTH, HEIGHT)
    roles.make("second", given, WIDTH, HEIGHT)
    assert not roles.is_here("first")
    monkeypatch.setattr(engine, "make_ready", None)
    for is_brought in (False, True):
        if is_brought:
            assert roles.bring("first", WIDTH, HEIGHT) and roles.is_here("first") and roles.total_bytes == size
        back = roles.get("first", given)
        assert back is not None and back.keys() == first.keys()
        assert all(torch.equal(back[name], value) for name, value in first.items())
    assert not roles.bring("never made", WIDTH, HEIGHT) and roles.is_here("first"), "room is made for who is there"


class _HostMemory(dict[str, dict[str, torch.Tensor]]):
    """Pinned memory needs a device: `tests/gpu/test_engine_on_cuda.py`."""

    def keep(self, key: str, conditions: dict[str, torch.Tensor]) -> None:
        self[key] = {name: value.clone() for name, value in conditions.items()}


def test_a_role_that_finds_no_room_plays_from_its_plain_conditions(engine: BlockEngine) -> None:
    size, given, asked = ready_bytes(engine.shape, WIDTH, HEIGHT, None), conditions(), []
    assert ReadyRoles(engine, size - 1).make("role", given, WIDTH, HEIGHT) is given
    roles = ReadyRoles(engine, size, lambda wanted: bool(asked.append(wanted)))
    assert roles.make("role", given, WIDTH, HEIGHT) is given
    assert asked == [size] and roles.get("role", given) is None


def test_a_character_that_is_attached_for_a_moment_leaves_the_one_on_stage(engine: BlockEngine) -> None:
    on_stage, other, claims = _character(engine, "on stage", 1), _character(engine, "other", 2), list[bool]()
    shelf = AdapterShelf(engine, store=None, claim=claims.append)  # type: ignore[arg-type]
    shelf.attach(on_stage)
    given, videos = conditions(), []
    for is_disturbed in (False, True):
        if is_disturbed:
            for guest in (other, GENERIC):
                with shelf.for_a_moment(guest):
                    engine.make_ready(given, WIDTH, HEIGHT)
        context, _ = new_context(engine)
        engine.begin(context, given, SETTINGS)
        videos.append(torch.cat(make_blocks(engine, context, given, 2)[0], dim=1))
    assert torch.equal(*videos)
    assert claims == [True], "the right to attach is kept while a guest is looked at"
    shelf.attach(GENERIC)
    with pytest.raises(SettingsError), shelf.for_a_moment(other):
        raise SettingsError("the guest is of another size")
    assert claims == [True, False, True, False]


def _character(engine: BlockEngine, name: str, seed: int) -> Ready:
    halves = random_adapter(engine.shape, "cpu", 4, 0.5, seed)
    return Ready(name, engine.fit([Adapter.of(halves, 4.0, name)]), "gpu", 0.0)


def test_role_that_is_prepared_between_two_blocks_leaves_the_number_of_threads_alone() -> None:
    """The bits of the job that plays follow from it."""
    maker, before = object.__new__(GreenroomMaker), torch.get_num_threads()

    def prepare(_: PrepareRole) -> RolePrepared:
        torch.set_num_threads(before + 1)
        raise ValueError("unusable")

    maker._prepare_role = prepare  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="unusable"):
        maker.prepare_role(PrepareRole("r", "teacher", "words", "portrait.png", {}))
    assert torch.get_num_threads() == before
