"""Every example role for ten seconds, by the whole studio: `python examples/make_gallery.py [--output FOLDER]`.

Starts a studio of its own, asks for each role of `roles.yaml`, and writes `<role>.mp4` and `sheet.png`: a row per role, first
the portrait, then moments of the video. On two quiet cores it takes two to three minutes.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from scheduler.client import Scheduler
from scheduler.core.job import FINAL_STATES, JobState
from scheduler.launcher import ServeOptions, running
from scheduler.registry.loading import load_roles
from scheduler.store import open_reader

HERE = Path(__file__).resolve().parent
SECONDS, MOMENTS, HEIGHT, MARGIN = 10.0, 8, 144, 4
PATIENCE_S = 900.0


def main() -> int:
    """Command line; 0 when every role was filmed."""
    parser = argparse.ArgumentParser(description="Film every example role.")
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs" / "gallery", help="default: docs/gallery")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    roles = HERE / "roles.yaml"
    portraits = {draft.name: draft.image_path for draft in load_roles(roles.read_text(encoding="utf-8"), HERE)}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        options = ServeOptions(data_dir=Path(folder), preload_roles=roles, port=free_port())
        with running(options, print) as (launcher, should_stop):
            thread = threading.Thread(target=lambda: failures.extend(film(options.data_dir, list(portraits), output)))
            thread.start()
            launcher.watch(lambda: should_stop() or not thread.is_alive())
            thread.join()
    if not failures:
        rows = [(name, path, output / f"{name}.mp4") for name, path in portraits.items()]
        sheet(rows).save(output / "sheet.png", optimize=True)
    print("\n".join(failures) or f"{output}: {len(portraits)} roles")
    return 1 if failures else 0


def free_port() -> int:
    """One on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def film(data_dir: Path, roles: list[str], output: Path) -> list[str]:
    """Ask for every role and copy its video; what went wrong, as sentences."""
    door, reader = Scheduler(data_dir), open_reader(data_dir)
    deadline = time.monotonic() + PATIENCE_S
    asked = {
        role: door.as_actor("local").request_role("education-team", role, SECONDS, fill="loop", seed=7)["id"] for role in roles
    }
    while time.monotonic() < deadline:
        rows = {role: reader.job(job) or {} for role, job in asked.items()}
        states = {role: row.get("state") for role, row in rows.items()}
        if all(state in FINAL_STATES for state in states.values()):
            break
        time.sleep(1)
    done = [role for role in roles if states[role] == JobState.SUCCEEDED]
    for role in done:
        shutil.copyfile(data_dir / str(rows[role]["video_path"]), output / f"{role}.mp4")
    return [f"{role}: {states[role]} {rows[role].get('error_message') or ''}" for role in roles if role not in done]


def sheet(rows: list[tuple[str, Path, Path]]) -> Image.Image:
    """One row per (name, portrait, video)."""
    strips = []
    for name, portrait, video in rows:
        with av.open(str(video)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        chosen = [frames[int(place)] for place in np.linspace(3, len(frames) - 1, MOMENTS)]
        with Image.open(portrait) as picture:
            pictures = [picture.convert("RGB"), *(Image.fromarray(frame) for frame in chosen)]
        small = [one.resize((round(one.width * HEIGHT / one.height), HEIGHT), Image.Resampling.LANCZOS) for one in pictures]
        ImageDraw.Draw(small[0]).text((4, 2), name, fill="white", stroke_width=1, stroke_fill="black")
        strips.append(small)
    width = max(sum(one.width + MARGIN for one in strip) for strip in strips)
    whole = Image.new("RGB", (width, len(strips) * (HEIGHT + MARGIN)), "white")
    for number, strip in enumerate(strips):
        left = 0
        for one in strip:
            whole.paste(one, (left, number * (HEIGHT + MARGIN)))
            left += one.width + MARGIN
    return whole


if __name__ == "__main__":
    raise SystemExit(main())
