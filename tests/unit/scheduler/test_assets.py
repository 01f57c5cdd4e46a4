"""The asset library: files are checked by another process and kept by their content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scheduler import assets
from scheduler.assets import AssetLibrary, Checked, Refused
from scheduler.errors import SchedulerError


@pytest.fixture
def library(tmp_path: Path) -> AssetLibrary:
    return AssetLibrary(tmp_path / "var")


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    return tmp_path / "face.png"


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    return tmp_path / "voice.wav"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_gets_its_answer_in_order(library: AssetLibrary, portrait: Path, voice: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.wav"
    answers = asyncio.run(
        library.check(
            [("voice", voice), ("portrait", portrait), ("voice", gone), ("portrait", voice), ("voice", voice)]
        )
    )
    assert [type(answer) for answer in answers] == [Checked, Checked, Refused, Refused, Checked]
    assert [answer.path for answer in answers] == [voice, portrait, gone, voice, voice]
    assert isinstance(answers[1], Checked) and isinstance(answers[2], Refused)
    assert (answers[1].sha256, answers[1].bytes) == (sha256(portrait), portrait.stat().st_size)
    assert answers[1].verdict["warnings"] and answers[1].verdict["width"] == 96
    assert answers[2].code == "bad_media" and "gone.wav" in answers[2].message and answers[2].hint


def test_content_with_a_verdict_is_not_decoded_again_and_everything_else_is(
    library: AssetLibrary, portrait: Path, voice: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    files: list[tuple[assets.AssetKind, Path]] = [
        ("portrait", portrait), ("voice", voice), ("voice", portrait), ("voice", tmp_path / "pipe.wav"),
    ]  # fmt: skip
    verdicts = {("portrait", sha256(portrait)): {"width": 7}}
    answers = asyncio.run(library.check(files, lambda kind, digest: verdicts.get((kind, digest))))
    known, looked_at, *refused = answers
    assert isinstance(known, Checked) and isinstance(looked_at, Checked)
    assert (known.verdict, known.sha256, known.bytes) == ({"width": 7}, sha256(portrait), portrait.stat().st_size)
    assert looked_at.verdict["seconds"] == 1.0
    assert [type(answer) for answer in refused] == [Refused, Refused], "a verdict is of one kind; a pipe is no file"


def test_nothing_to_check_starts_nothing(library: AssetLibrary) -> None:
    assert asyncio.run(library.check([])) == []


def test_check_that_takes_too_long_is_killed_and_refused(tmp_path: Path, voice: Path) -> None:
    library = AssetLibrary(tmp_path / "var", check_timeout_s=0.0)
    (answer,) = asyncio.run(library.check([("voice", voice)]))
    assert isinstance(answer, Refused) and answer.code == "check_timed_out"
    with pytest.raises(ChildProcessError):  # no child is left, dead or alive
        os.waitpid(-1, os.WNOHANG)


def test_file_that_ends_its_reader_does_not_spoil_the_others(
    library: AssetLibrary, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for `engine.media` that dies of one file, as a decoder with a bug would."""
    deadly = tmp_path / "deadly.png"
    deadly.write_bytes(b"x")
    real = Path(assets.engine.__file__).parent
    package = tmp_path / "site" / "engine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in ("media", "errors.py", "catalog.py"):
        (package / name).symlink_to(real / name)
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('deadly.png'):\n"
        "        os.kill(os.getpid(), 11)\n"
        "sys.addaudithook(watch)\n"
    )
    monkeypatch.setattr(assets.engine, "__file__", str(package / "__init__.py"))
    first, second, third = asyncio.run(
        library.check([("portrait", portrait), ("portrait", deadly), ("portrait", tmp_path / "face.png")])
    )
    assert isinstance(first, Checked) and isinstance(third, Checked)
    assert isinstance(second, Refused) and second.code == "check_crashed"


def test_kept_file_lies_under_its_hash_and_survives_the_source(
    library: AssetLibrary, voice: Path, tmp_path: Path
) -> None:
    digest, content = sha256(voice), voice.read_bytes()
    kept = library.keep(voice, digest)
    assert kept == tmp_path / "var" / "assets" / digest[:2] / digest == library.path_of(digest)
    assert library.keep(voice, digest) == kept
    voice.unlink()
    assert kept.read_bytes() == content and library.verify(digest) == "healthy"
    assert library.keep(voice, digest) == kept  # there already: the source is not needed
    assert [path.name for path in kept.parent.iterdir()] == [digest]


def test_file_that_changed_since_its_check_is_not_kept(library: AssetLibrary, voice: Path) -> None:
    digest = sha256(voice)
    voice.write_bytes(voice.read_bytes() + b"!")
    with pytest.raises(SchedulerError) as refusal:
        library.keep(voice, digest)
    assert (refusal.value.status, refusal.value.code) == (409, "asset_changed")
    assert library.verify(digest) == "missing"
    voice.unlink()
    with pytest.raises(SchedulerError) as refusal:
        library.keep(voice, digest)
    assert (refusal.value.status, refusal.value.code) == (404, "asset_missing")
    assert list(library.path_of(digest).parent.iterdir()) == []


def test_damage_is_found_and_mended_by_keeping_again(library: AssetLibrary, voice: Path) -> None:
    digest = sha256(voice)
    assert library.verify(digest) == "missing"
    kept = library.keep(voice, digest)
    content = bytearray(kept.read_bytes())
    content[1000] ^= 1
    kept.write_bytes(content)
    assert library.verify(digest) == "damaged"
    kept.unlink()
    os.mkfifo(kept)
    assert library.verify(digest) == "damaged", "whoever opens a pipe waits for its writer"
    library.keep(voice, digest)
    assert library.verify(digest) == "healthy"


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64])
def test_path_of_what_is_no_hash_is_refused(library: AssetLibrary, name: str) -> None:
    with pytest.raises(ValueError, match="not a sha256"):
        library.path_of(name)
