"""The comparison of schemes with its real processes: whichever way a role comes on stage, its first block has the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.schemes import House, Player, write_studio
from benchmarks.schemes_stage import WAYS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("schemes")
    write_studio(place, "pocket", 2)
    return place


@pytest.fixture
def players(folder: Path) -> Iterator[dict[str, Player]]:
    started = {way: Player(way, folder, "cpu") for way in WAYS}
    yield started
    for player in started.values():
        player.end()


@pytest.mark.timeout(900)  # five roles are computed, each 4 to 30 s as the machine is busy
def test_every_way_makes_the_same_first_block_of_a_role(players: dict[str, Player]) -> None:
    first, second, again = (_first_block(players["ours"], number) for number in (0, 1, 0))
    assert first == again != second, "ready as it is, the second time"
    assert [_first_block(players["anew"], number) for number in (1, 0)] == [second, first]
    assert [_first_block(players["kept"], number) for number in (0, 0)] == [first, first]
    weights = {way: player.weigh() for way, player in players.items()}
    assert all(0 < taken["Private"] < taken["Rss"] for taken in weights.values())
    players["ours"].process.kill()
    with pytest.raises(RuntimeError, match="ended at `begin 0`"):
        players["ours"].ask("begin 0")


def test_isolation_starts_a_process_for_another_role_only(folder: Path) -> None:
    house = House("isolation", folder, "cpu")
    try:
        before = house.players[-1]
        house.request(1)
        after = house.players[-1]
        house.request(1)
        assert after is not before and house.players == [after]
        assert [is_switch for is_switch, _ in house.starts] == [True, False]
        assert {number: len(found) for number, found in house.latents.items()} == {1: 1}
    finally:
        house.end()
    assert house.players == []


def test_process_that_cannot_play_says_why(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(folder / "model")
    text = (folder / "roles.json").read_text()
    (tmp_path / "roles.json").write_text(text.replace("adapter-1.safetensors", "gone.safetensors"))
    player = Player("kept", tmp_path, "cpu")
    try:
        with pytest.raises(RuntimeError, match=r"(?s)ended at `begin 1`.*gone\.safetensors"):
            player.ask("begin 1")
    finally:
        player.end()


def _first_block(player: Player, number: int) -> str:
    player.ask(f"begin {number}")
    return str(player.ask("make")["latents_sha256"])
