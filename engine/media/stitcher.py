"""`video_stitcher --inputs "a.mp4,b.mp4,c.mp4" --transitions "fade,slide_left,cut" --audio_track master.wav --output out.mp4`

Joins videos in order. Transitions last half a second and lie in the silences of the speech; no word is cut.

--transitions: one name for each joint; with one more, the last says how the video ends (fade: into black, cut: as it is); one
name alone is for all joints; without any all joints are cuts. --audio_track: one recording instead of the videos' own sound;
every video keeps its place, so that lips stay in time with it. Without it the videos are brought to one loudness.

Exit codes: 0 done, 1 failed, 3 an input was refused, 64 wrong usage, 74 no disk space, 77 the output cannot be written, 130
interrupted. Only a finished video gets the output's name. More: docs/stitching.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from engine.errors import DiskFull, EngineError, SettingsError
from engine.media.limits import limit_core
from engine.media.stitch import Stitched, stitch
from engine.media.transitions import NAMES

OK, FAILED, REFUSED, USAGE, NO_DISK, NO_RIGHTS, INTERRUPTED = 0, 1, 3, 64, 74, 77, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage has a status of its own."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    limit_core()
    try:
        stitched = stitch(
            [Path(name) for name in _listed(options.inputs)], options.output, _listed(options.transitions),
            options.audio_track, keep_sound=options.keep_sound, progress=_progress_on(sys.stderr.isatty()),
        )  # fmt: skip
    except EngineError as error:
        code = USAGE if isinstance(error, SettingsError) else NO_DISK if isinstance(error, DiskFull) else REFUSED
        hint = "Free some space, then run it again." if isinstance(error, DiskFull) else error.hint
        return _complain(options.json, error.code, error.detail if code == USAGE else str(error), hint, code)
    except OSError as error:
        if error.filename is None:
            raise
        message = f"{error.filename}: {error.strerror}."
        return _complain(options.json, "cannot_write", message, "Check the path and its rights.", NO_RIGHTS)
    except KeyboardInterrupt:
        return _complain(options.json, "interrupted", "interrupted; nothing is left behind.", "", INTERRUPTED)
    print(json.dumps(stitched.to_json(), ensure_ascii=False) if options.json else _table(stitched))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="video_stitcher", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--inputs", action="append", required=True, metavar="A,B,…", help="videos in order; may be repeated"
    )
    parser.add_argument("--transitions", action="append", default=[], metavar="A,B,…", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--audio_track", type=Path, metavar="FILE", help="one recording as the sound of the whole video")
    parser.add_argument("--output", required=True, type=Path, metavar="OUT.mp4", help="the video to write")
    parser.add_argument("--keep_sound", action="store_true", help="leave every loudness as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _listed(lists: list[str]) -> list[str]:
    """Names of one or more comma-separated lists. Raises SettingsError for an empty one."""
    names = [name.strip() for text in lists for name in text.split(",")]
    if not all(names):
        raise SettingsError("a list has an empty name in it.", hint="Write a,b,c without a comma too many.")
    return names


def _progress_on(is_terminal: bool) -> Callable[[int, int], None]:
    """Says each percent in place on a terminal, each tenth as a line in a log."""
    step, ends = (1, "\r") if is_terminal else (10, "\n")
    said = 0

    def progress(done: int, of: int) -> None:
        nonlocal said
        percent = 100 * done // of
        if percent >= said + step:
            said = percent // step * step
            print(f"{percent:3d} % of {of / 25:.1f} s", end="\n" if done == of else ends, file=sys.stderr, flush=True)

    return progress


def _complain(is_json: bool, code: str, message: str, hint: str, status: int) -> int:
    if is_json:
        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False))
    else:
        print(f"{message} {hint}".strip(), file=sys.stderr)
    return status


def _table(stitched: Stitched) -> str:
    """What a person wants to see."""
    rows: list[tuple[str, ...]] = [("part", "from", "seconds", "loudness", "gain")]
    for part in stitched.parts:
        loudness = "–" if part["loudness_lufs"] is None else f"{part['loudness_lufs']:.1f} LUFS"
        rows.append(
            (Path(part["path"]).name, f"{part['start_s']:.2f}", f"{part['seconds']:.2f}", loudness, f"{part['gain_db']:+.1f} dB")
        )
    joints: list[tuple[str, ...]] = [("joint", "at", "seconds", "silence", "put in")]
    for joint in stitched.joints:
        silence = f"{joint['silence_s']:.2f} s{'' if joint['is_in_silence'] else ' (too short)'}"
        joints.append((joint["kind"], f"{joint['at_s']:.2f}", f"{joint['seconds']:.2f}", silence, f"{joint['held_s']:.2f} s"))
    video = stitched.video
    end = f"{video.path}: {video.seconds:.2f} s, {video.frames} pictures, {stitched.width}x{stitched.height}, {video.bytes} bytes"
    return "\n\n".join([_aligned(rows), _aligned(joints), "\n".join([*stitched.remarks, end])])


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
