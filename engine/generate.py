"""`python -m engine.generate --ckpt_dir DIR --image F --audio F --prompt TEXT …`: one video, no queue, no vault.

The flags are those of the model's own command line. Exit codes: 0 done, 1 failed, 3 an input was refused, 64 wrong usage
or a mode that is not built, 130 interrupted. Beside the video lies `<video>.recipe.json`, everything needed to make it again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine import protocol
from engine.catalog import BLOCK_SECONDS, SPEECH_RATE
from engine.config import Recipe, Settings, blocks_for_seconds, round_up_infer_frames
from engine.errors import EngineError, SettingsError
from engine.generate_flags import EXIT_USAGE, Flags, parse_flags, refuse_unbuilt_modes
from engine.media.durable import write_whole
from engine.media.voice import read_voice
from engine.model.hashes import FileHashes, hash_file
from engine.read_ahead import read_ahead
from engine.threads import let_threads_sleep
from engine.worker.desk import Desk
from engine.worker.log import start_log

if TYPE_CHECKING:
    from engine.worker.greenroom import GreenroomMaker

EXIT_OK, EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 3, 130
_REFUSED_CODES = ("bad_media", "bad_weights")
Say = Callable[[str, dict[str, object]], None]  # (sentence, the same as data)


def main(argv: Sequence[str] | None = None) -> int:
    """Make one video; returns the exit code."""
    flags = parse_flags(argv)
    say = _say_json if flags.json else _say_plain
    try:
        refuse_unbuilt_modes(flags)
        return _generate(flags, _settings(flags, say), say)
    except SettingsError as error:
        return _complain(error, EXIT_USAGE)
    except EngineError as error:
        return _complain(error, EXIT_REFUSED if error.code in _REFUSED_CODES else EXIT_FAILED)
    except KeyboardInterrupt:
        print("interrupted; nothing is left behind", file=sys.stderr)
        return EXIT_INTERRUPTED


def _settings(flags: Flags, say: Say) -> Settings:
    """The settings, checked; what was rounded or drawn is said."""
    infer_frames = round_up_infer_frames(flags.infer_frames)
    if infer_frames != flags.infer_frames:
        text = f"--infer_frames {flags.infer_frames} was rounded up to {infer_frames}, a multiple of 12"
        say(text, {"event": "Rounded", "infer_frames": infer_frames})
    seed = flags.base_seed
    if seed < 0:
        seed = secrets.randbits(32)
        say(f"--base_seed {seed} was drawn", {"event": "SeedDrawn", "base_seed": seed})
    return Settings(
        size=flags.size, steps=flags.sample_steps, infer_frames=infer_frames, clips=flags.num_clip, seed=seed,
        solver=flags.sample_solver, guide_scale=flags.sample_guide_scale, online_decode=flags.enable_online_decode,
    )  # fmt: skip


def _recipe(flags: Flags, settings: Settings) -> tuple[Recipe, int]:
    """The recipe and the number of blocks: the voice decides, `--num_clip` is the most."""
    seconds = len(read_voice(flags.audio)) / SPEECH_RATE
    blocks = blocks_for_seconds(seconds)
    if settings.max_blocks is not None:
        blocks = min(blocks, settings.max_blocks)
    recipe = Recipe(
        settings=dataclasses.asdict(settings), role="", role_version=0, prompt=flags.prompt, context={}, style=None,
        portrait_sha256=_sha256(flags.image), voice_sha256=_sha256(flags.audio),
        voice_seconds=min(seconds, blocks * BLOCK_SECONDS), model=flags.ckpt_dir.name,
    )  # fmt: skip
    return recipe, blocks


def _generate(flags: Flags, settings: Settings, say: Say) -> int:
    recipe, blocks = _recipe(flags, settings)
    _check_target(flags.save_file)  # before the seconds that torch takes
    read_ahead(flags.ckpt_dir)
    start_log("generate")
    let_threads_sleep()
    from engine.worker.job_run import JobRun  # seconds: torch

    maker, merged = _maker(flags, say)
    ready = maker.warm_up(
        protocol.Welcome(
            version=protocol.PROTOCOL_VERSION, worker_id="generate", slot=0, vault_socket="",
            model_dir=str(flags.ckpt_dir), threads=flags.threads,
        )
    )  # fmt: skip
    if not ready.weights_trained:
        say("these weights are not trained: the video shows no face", {"event": "NotTrained"})
    made_with = {**ready.software, "device": ready.device, **merged}
    recipe = dataclasses.replace(recipe, weights_sha256=ready.weights_sha256, made_with=made_with)
    with tempfile.TemporaryDirectory(dir=flags.save_file.parent, prefix=".generate-") as folder:
        order = protocol.RunJob(
            lease_id="generate", job_id="generate", from_block=0, total_blocks=blocks, job_dir=folder,
            portrait_path=str(flags.image), voice_path=str(flags.audio), recipe=recipe.to_json(),
        )  # fmt: skip
        desk = Desk(lambda message: _progress(message, blocks, say), made_with=made_with)
        report = JobRun(order, maker, desk).run()
        if isinstance(report, protocol.JobFailed):
            print(f"{report.message} {report.hint}".strip(), file=sys.stderr)
            return EXIT_REFUSED if report.code in _REFUSED_CODES else EXIT_FAILED
        assert isinstance(report, protocol.JobSucceeded), report
        text = json.dumps(recipe.to_json(), indent=1, ensure_ascii=False) + "\n"
        write_whole(flags.save_file.with_name(flags.save_file.name + ".recipe.json"), text.encode())
        os.replace(report.path, flags.save_file)  # noqa: PTH105 - the video was synced when it was closed
    data: dict[str, object] = {
        "event": "Done",
        "path": str(flags.save_file),
        "sha256": report.sha256,
        "frames": report.frames,
    }
    say(f"{flags.save_file}: {report.frames} frames, sha256 {report.sha256}", data)
    return EXIT_OK


def _maker(flags: Flags, say: Say) -> tuple[GreenroomMaker, dict[str, str]]:
    """The maker, with the adapter that is merged while loading; and what the recipe says of that. Raises WeightsError."""
    from engine.model.checkpoint.adapters import AdapterFile
    from engine.model.checkpoint.model_files import default_cache_dir
    from engine.worker.greenroom import GreenroomMaker
    from engine.worker.store import PlainStore

    cache_dir = flags.cache_dir or default_cache_dir(flags.ckpt_dir)
    hashes = FileHashes(cache_dir / "hashes.json")
    adapter = AdapterFile.find(flags.lora_path_dmd, flags.ckpt_dir) if flags.lora_path_dmd is not None else None
    merged = {} if adapter is None else {"merged_adapter": f"{adapter.path.name} sha256 {hash_file(adapter.path)}"}

    def on_progress(what: str, done: int, total: int) -> None:
        if flags.json or done == total:  # a line per tensor is for programs
            say(f"{what}: {total / 1e9:.2f} GB", {"event": "Converting", "what": what, "done": done, "total": total})

    store = PlainStore(hashes)
    return GreenroomMaker(lambda _: store, adapter=adapter, cache_dir=cache_dir, on_progress=on_progress), merged


def _check_target(video: Path) -> None:
    """Make the video's folder and see that it takes files. Raises SettingsError."""
    try:
        video.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=video.parent).close()
    except OSError as error:
        raise SettingsError(
            f"{video} cannot be written: {error.strerror}.", field="save_file", hint="Choose another place with --save_file."
        ) from error
    if video.is_dir():
        raise SettingsError(f"{video} is a directory.", field="save_file", hint="Name a file, such as output.mp4.")


def _progress(message: protocol.Message, blocks: int, say: Say) -> None:
    data: dict[str, object] = {"event": type(message).__name__, **dataclasses.asdict(message)}
    match message:
        case protocol.JobStarted():
            say(f"{blocks} blocks of {message.width}x{message.height}", {**data, "total_blocks": blocks})
        case protocol.BlockDone():
            say(f"block {message.block + 1} of {blocks}: {message.seconds:.2f} s for {BLOCK_SECONDS} s of video", data)
        case _:
            pass


def _say_plain(text: str, _data: dict[str, object]) -> None:
    print(text, flush=True)


def _say_json(_text: str, data: dict[str, object]) -> None:
    print(json.dumps(data, ensure_ascii=False), flush=True)


def _complain(error: EngineError, code: int) -> int:
    print(f"{error} {error.hint}".strip(), file=sys.stderr)
    return code


def _sha256(path: Path) -> str:
    """Of a file that may be missing: whoever opens it next says so better."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
