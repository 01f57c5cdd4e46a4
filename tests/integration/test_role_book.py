"""The registry across restarts: a daemon that comes back knows whether it has taken up this very text already."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.catalog import SHAPES
from engine.config import AdapterUse
from engine.model.hashes import hash_file
from engine.model.random_weights import random_adapter
from scheduler import assets, role_book
from scheduler.assets import AssetLibrary
from scheduler.clock import SteadyClock
from scheduler.core import events
from scheduler.core.machine import State
from scheduler.core.policy import Policy
from scheduler.effects import adapter_paths
from scheduler.errors import SchedulerError
from scheduler.ledger import SYSTEM, Deed, Ledger
from scheduler.registry import RolesError
from scheduler.role_book import RoleBook
from scheduler.store import Store
from scheduler.store.opening import open_writer
from scheduler.submission import work_out
from tests.unit.scheduler.store_rig import role

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def make_ledger(store: Store) -> Ledger:
    """A ledger that has booted; its effects are dropped."""
    ledger = Ledger(
        store, lambda: State.restore(Policy(), 1, store.load_open_jobs()), SteadyClock(), lambda _: None, lambda: None
    )
    assert ledger.turn([Deed(lambda turn: turn.apply(events.Booted(at=turn.at)), SYSTEM, None)])
    return ledger


def test_registry_that_was_loaded_is_known_after_a_restart_word_for_word(tmp_path: Path) -> None:
    text = (EXAMPLES / "roles.yaml").read_text(encoding="utf-8")

    async def load() -> None:
        ledger = make_ledger(store)
        turns = asyncio.create_task(ledger.run())
        book = RoleBook(tmp_path, store)
        assert not book.is_loaded(text, EXAMPLES)
        await book.load(text, EXAMPLES, ledger, SYSTEM)
        turns.cancel()

    store = open_writer(tmp_path)
    asyncio.run(load())
    store.close()
    store = open_writer(tmp_path)
    book = RoleBook(tmp_path, store)
    assert book.is_loaded(text, EXAMPLES)
    assert not book.is_loaded(text + "\n# changed", EXAMPLES)
    assert not book.is_loaded(text, tmp_path), "the same words, other files"
    store.close()


ROLE = """captain:
  image: portrait.png
  audio: voice.wav
  prompt_template: "A captain speaks."
  priority: 10
  adapter: {file: lora, WORDS}
"""


def _folder(tmp_path: Path, rank: int) -> Path:
    """A registry's folder with one role's files."""
    folder = tmp_path / "registry"
    (folder / "lora").mkdir(parents=True)
    shutil.copy(next((EXAMPLES / "images").glob("*.png")), folder / "portrait.png")
    shutil.copy(next((EXAMPLES / "audios").glob("*.wav")), folder / "voice.wav")
    save_file(random_adapter(SHAPES["pocket"], "cpu", rank, 0.5), str(folder / "lora" / "captain.safetensors"))
    return folder


def _load(store: Store, data: Path, text: str, folder: Path, *, is_again: bool = False) -> RoleBook:
    async def load() -> RoleBook:
        ledger = make_ledger(store)
        turns = asyncio.create_task(ledger.run())
        book = RoleBook(data, store)
        try:
            await book.load(text, folder, ledger, SYSTEM, is_again=is_again)
        finally:
            turns.cancel()
        return book

    return asyncio.run(load())


def test_role_with_an_adapter_keeps_its_file_and_hands_it_on(tmp_path: Path) -> None:
    folder, store = _folder(tmp_path, 4), open_writer(tmp_path)
    _load(store, tmp_path, ROLE.replace("WORDS", "alpha: 2, weight: 0.5"), folder)
    role = RoleBook(tmp_path, store).get("captain")  # as a daemon that comes back finds it
    file = folder / "lora" / "captain.safetensors"
    assert role.adapters == (AdapterUse(name="captain", sha256=hash_file(file), alpha=2.0, weight=0.5),)
    assert AssetLibrary(tmp_path).verify(role.adapters[0].sha256) == "healthy"
    recipe = work_out({"user": "reader", "role": "captain", "duration_sec": 1.0}, role, "pocket", "", kv=None).recipe
    (path,) = adapter_paths(tmp_path, recipe.to_json())
    assert Path(path).read_bytes() == file.read_bytes()
    store.close()


def test_daemon_that_comes_back_decodes_only_what_changed_since_the_house_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = _folder(tmp_path, 4), open_writer(tmp_path)
    text = ROLE.replace("WORDS", "alpha: 2, weight: 0.5")
    _load(store, tmp_path, text, folder)
    first = store.load_role("captain")
    assert first is not None
    AssetLibrary(tmp_path).path_of(first.voice_sha256).write_bytes(b"damaged")

    monkeypatch.setattr(assets.sys, "executable", "/bin/false")  # whoever needs a process to look into a file is refused now
    book = _load(store, tmp_path, text, folder, is_again=True)
    assert book.get("captain") == first == store.load_role("captain")
    assert AssetLibrary(tmp_path).verify(first.voice_sha256) == "healthy", "the library is made whole all the same"

    with pytest.raises(RolesError):  # people's own load looks into everything
        _load(store, tmp_path, text, folder)
    monkeypatch.setattr(role_book, "parent_identity", lambda: "another launcher")
    with pytest.raises(RolesError):
        _load(store, tmp_path, text, folder, is_again=True)
    monkeypatch.undo()
    voice = folder / "voice.wav"
    voices = sorted((EXAMPLES / "audios").glob("*.wav"))
    shutil.copy(next(path for path in voices if path.read_bytes() != voice.read_bytes()), voice)
    with store.transaction():  # a verdict of some earlier day, of no role that was loaded
        store.insert_asset(hash_file(voice), "voice", voice.stat().st_size, {"seconds": 1.0, "warnings": []}, 1.0)
    monkeypatch.setattr(assets.sys, "executable", "/bin/false")
    with pytest.raises(RolesError) as refused:
        _load(store, tmp_path, text, folder, is_again=True)
    assert [problem.path for problem in refused.value.problems] == ["captain.audio"]
    store.close()


@pytest.mark.parametrize(
    ("rank", "words", "message"),
    [(4, "weight: 1", "nothing says the alpha of captain.safetensors"), (129, "alpha: 2", "rank 129; at most 128")],
)
def test_adapter_that_cannot_be_used_is_a_mistake_at_its_line(tmp_path: Path, rank: int, words: str, message: str) -> None:
    folder, store = _folder(tmp_path, rank), open_writer(tmp_path)
    with pytest.raises(RolesError) as refused:
        _load(store, tmp_path, ROLE.replace("WORDS", words), folder)
    (problem,) = refused.value.problems
    assert (problem.line, problem.path) == (6, "captain.adapter") and message in problem.message
    store.close()


def test_role_that_only_lacks_a_file_takes_jobs_that_wait_and_is_known_as_unavailable(tmp_path: Path) -> None:
    store = open_writer(tmp_path)
    with store.transaction():
        store.put_role(role("captain"), SYSTEM, 1.0)
        store.set_role_availability("captain", False, "voice_missing", SYSTEM, 2.0)
    book = RoleBook(tmp_path, store)
    assert book.get("captain").name == "captain" and book.unavailable() == ["captain"]
    with store.transaction():
        store.set_role_availability("captain", False, "removed", SYSTEM, 3.0)
    with pytest.raises(SchedulerError, match="no role"):
        RoleBook(tmp_path, store).get("captain")
    store.close()
