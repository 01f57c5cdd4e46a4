"""`role_scheduler weights`: conversions that are killed, refused or run out of room, as a person's shell sees them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import DiskFull, WeightsError
from engine.model.checkpoint.__main__ import main
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.conversion import Order, convert
from engine.model.checkpoint.workplace import TargetRefused, workplace
from tests.unit.engine.public_rig import SHARD, SHARDS, T5, write_adapter, write_public


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_public(tmp_path_factory.mktemp("checkpoints") / "public")


def weights(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command with nobody at the terminal."""
    command = [sys.executable, "-m", "scheduler.cli", "weights", *map(str, words)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_check_and_convert_speak_to_people_and_to_programs(public: Path, tmp_path: Path) -> None:
    done = weights("check", public)
    assert done.returncode == 0, done.stderr
    assert "transformer: 141 of 141 tensors" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("public: complete")
    adapter = write_adapter(tmp_path / "adapter" / "liveavatar.safetensors")
    words = ["--precision", "fp8", "--lora", adapter.parent, "--lora-alpha", 2]
    done = weights("convert", public, tmp_path / "made", *words, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["converted"], answer["precision"]) == (0, True, "fp8")
    assert answer["adapters"][0]["pairs"] == 38
    again = Order(source=public, target=tmp_path / "made", precision="fp8", adapter=AdapterFile(adapter, alpha=2))
    assert not convert(again)["converted"], "it is this very conversion already"
    assert main(["check", str(tmp_path / "made"), "--deep"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "made"]


def test_damaged_directory_exits_with_11_and_names_file_and_remedy(public: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(public, tmp_path / "copy"))
    (copy / SHARD.format(2, SHARDS)).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    done = weights("check", copy)
    assert done.returncode == 11
    assert f"problem: {SHARD.format(2, SHARDS)} is a Git LFS pointer" in done.stdout
    assert "git lfs pull" in done.stdout
    assert main(["convert", str(copy), str(tmp_path / "made")]) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_place_without_weights_and_wrong_words_are_wrong_usage(public: Path, tmp_path: Path) -> None:
    done = weights("check", tmp_path, "--json")
    assert done.returncode == 64
    assert "config.json" in json.loads(done.stdout)["error"]["hint"]
    for flags in (["--precision", "int4"], ["--lora-alpha", "2"]):
        done = weights("convert", public, tmp_path / "made", *flags)
        assert (done.returncode, flags[0] in done.stderr) == (64, True)
    made = str(tmp_path / "made")
    for words in (["check", made], ["convert", str(tmp_path), made], ["convert", str(public), made, "--lora", made]):
        assert main(words) == 64, words
    assert not list(tmp_path.iterdir())


def test_command_line_never_loads_torch_itself(tmp_path: Path) -> None:
    code = "import sys, scheduler.cli.weights; sys.exit('torch' in sys.modules or 'engine.model.lora' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- conversions that do not end well -------------------------------------------------------------------------------


DYING = """
import os, signal, sys
from engine.model.checkpoint import __main__ as program
say = program._say
def say_a_last_word(data):
    say(data)
    if sys.argv[1] in str(data):
        os.kill(os.getpid(), signal.SIGKILL)
program._say = say_a_last_word
program.main(sys.argv[2:])
"""


def test_killed_conversion_leaves_nothing_that_looks_done_and_the_next_one_works(public: Path, tmp_path: Path) -> None:
    for last in ("sha256 of", "text.safetensors"):
        words = [last, "--every", "0", "convert", str(public), str(tmp_path / "made")]
        killed = subprocess.run([sys.executable, "-c", DYING, *words], capture_output=True, text=True)
        assert killed.returncode == -signal.SIGKILL and last in killed.stdout.splitlines()[-1], killed.stderr
        assert not (tmp_path / "made").exists()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    assert convert(Order(source=public, target=tmp_path / "made"))["converted"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"], "the leftovers of the killed ones are gone"


def test_interrupted_conversion_tidies_up_and_exits_with_130(public: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine.model.checkpoint", "--every", "0", "convert", str(public), str(tmp_path / "made")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        child.communicate()
    assert child.returncode in (130, 0), "done before it heard"
    assert [path.name for path in tmp_path.iterdir()] == (["made"] if child.returncode == 0 else [])


def test_target_that_holds_something_else_is_not_touched(public: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.txt").write_text("mine")
    assert weights("convert", public, tmp_path / "made").returncode == 64
    assert (tmp_path / "made" / "thesis.txt").read_text() == "mine"
    other = write_public(tmp_path / "other", seed=1)
    convert(Order(source=other, target=tmp_path / "converted"))
    for order in (
        Order(source=public, target=tmp_path / "converted"),
        Order(source=other, target=tmp_path / "converted", precision="fp8"),
    ):
        with pytest.raises(TargetRefused, match="holds something else"):
            convert(order)
    (tmp_path / "empty").mkdir()
    assert convert(Order(source=public, target=tmp_path / "empty"))["converted"], "an empty directory may be filled"


def test_file_that_cannot_be_read_is_named_and_not_the_target(tmp_path: Path) -> None:
    with (
        pytest.raises(WeightsError, match="source/weights cannot be read"),
        workplace(tmp_path / "place" / "made", wait=False),
    ):
        (tmp_path / "source" / "weights").read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetRefused, match="file/made cannot be written"), workplace(tmp_path / "file" / "made", wait=False):
        pass


def test_two_conversions_to_one_place_do_not_meet(public: Path, tmp_path: Path) -> None:
    with workplace(tmp_path / "made", wait=False), pytest.raises(TargetRefused, match="another process"):
        convert(Order(source=public, target=tmp_path / "made"))
    assert convert(Order(source=public, target=tmp_path / "made"))["converted"]


def test_adapter_with_foreign_keys_is_refused_before_anything_is_written(public: Path, tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter" / "liveavatar.safetensors")
    tensors = load_file(path)
    for changes, words in (
        ({f"blocks.9.ffn.0.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"}, "no target"),
        ({"blocks.0.ffn.0.lora_A.default.weight": None}, "one half"),
        ({f"blocks.0.ffn.0.lora_{side}.default.weight": None for side in "AB"}, r"misses blocks\.0\.ffn\.0"),
        ({"optimizer.step": torch.zeros(1)}, "not one of a low-rank adapter"),
    ):
        save_file({name: t for name, t in {**tensors, **changes}.items() if t is not None}, path)
        with pytest.raises(WeightsError, match=words):
            convert(Order(source=public, target=tmp_path / "made", adapter=AdapterFile(path, alpha=2)))
    assert not (tmp_path / "made").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MiB; needs root and mount."""
    place = tmp_path / "disk"
    place.mkdir()
    tool = shutil.which("mount")
    if os.geteuid() or tool is None:
        pytest.skip("needs root to mount a small file system")
    if subprocess.run([tool, "-t", "tmpfs", "-o", "size=80m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run([shutil.which("umount") or "umount", place], check=True)


def test_disk_without_room_is_told_before_and_a_disk_that_fills_up_leaves_nothing(
    public: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "others").write_bytes(bytes(14 << 20))
    assert main(["convert", str(public), str(small_disk / "made")]) == 74
    assert "GB are free there" in capsys.readouterr().err
    (small_disk / "more").write_bytes(bytes(62 << 20))
    monkeypatch.setattr("engine.model.checkpoint.workplace.SPARE_BYTES", -(1 << 40))  # as if others took the room meanwhile
    with pytest.raises(DiskFull, match="could not be written"):
        convert(Order(source=public, target=small_disk / "made"))
    assert sorted(path.name for path in small_disk.iterdir()) == ["more", "others"]


def test_place_that_cannot_be_written_exits_with_77(
    public: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    places = [tmp_path / "file" / "made"]
    if os.geteuid():  # root may write everywhere
        (tmp_path / "shelf").mkdir(mode=0o500)
        places.append(tmp_path / "shelf" / "made")
    for place in places:
        assert main(["convert", str(public), str(place)]) == 77
        assert "cannot be written" in capsys.readouterr().err


def test_pickle_that_would_run_code_is_refused_by_the_command(
    public: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(public, tmp_path / "copy"))
    (copy / T5).write_bytes(b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00touch\x85R.")
    assert main(["convert", str(copy), str(tmp_path / "made")]) == 64
    said = capsys.readouterr().err
    assert T5 in said
    assert "more than tensors" in said
