"""`serve` and `demo`: start the whole system in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.catalog import SHAPES
from scheduler.cli.output import say
from scheduler.cli.place import DEFAULT_DATA, DataDir, bad_usage
from scheduler.cli.roles import require_sound
from scheduler.policy_file import for_slots, load_policy, read_policy
from scheduler.zone import studio_zone

Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of dashboard and API.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(name="serve")(serve)
    app.command(name="demo")(demo)


def serve(
    preload_roles: Annotated[
        Path | None,
        typer.Option("--preload_roles", metavar="FILE", help="roles.yaml to load at the start."),
    ] = None,
    data: DataDir = DEFAULT_DATA,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    engine: Annotated[str, typer.Option("--engine", help="real, or fake: the scripted program for tests.")] = "real",
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="pocket, or live-avatar-14b: its files lie in DATA/models/NAME.")
    ] = "pocket",
    slots: Annotated[
        int | None,
        typer.Option(
            "--slots", min=1, max=64,
            help="Workers that make videos at the same time. Default: one for each GPU of CUDA_VISIBLE_DEVICES, or of the "
            "machine; 1 without a GPU.",
        ),
    ] = None,
    standbys: Annotated[int, typer.Option("--standbys", min=0, max=4, help="Warm workers beside each one at work.")] = 1,
    vault_limit_gib: Annotated[
        float | None,
        typer.Option(
            "--vault-limit-gib", min=0.1,
            help="Memory for weights, contexts and conditions, GiB. Default: 95 % of the smallest GPU's; without one, 4 of "
            "the host's.",
        ),
    ] = None,
    park_gib: Annotated[
        float | None,
        typer.Option(
            "--park-gib", min=0,
            help="Host memory for contexts of waiting jobs that had to leave their GPU, GiB; 0: none, such jobs go on as "
            "continuous. Default: as long as a quarter of the host's memory is left.",
        ),
    ] = None,
) -> None:
    """Start vault, daemon, workers and dashboard; Ctrl-C ends them all."""
    from scheduler.house_size import house_size
    from scheduler.launcher import serve as run
    from scheduler.probe import Probe
    from scheduler.serve_options import ServeOptions
    from scheduler.vault_limit import default_limit_gib

    if engine not in ("real", "fake"):
        raise bad_usage(f"--engine {engine!r} is unknown.", field="engine", hint="Use real or fake.")
    if model not in SHAPES:
        raise bad_usage(f"--model {model!r} is unknown.", field="model", hint=f"Use {' or '.join(SHAPES)}.")
    if preload_roles is not None:
        require_sound(preload_roles, data)  # a mistake is told here, before anything is started
    probe = Probe()
    size = house_size(slots, probe, engine)
    for_slots(read_policy(data, slot_memory_bytes=1), size.slots)  # likewise
    studio_zone()
    options = ServeOptions(
        data_dir=data.resolve(),
        preload_roles=preload_roles.resolve() if preload_roles else None,
        host=host,
        port=port,
        engine=engine,
        model=model,
        slots=size.slots,
        gpus=size.gpus,
        standbys=standbys,
        vault_limit_gib=vault_limit_gib or default_limit_gib(probe.read(), size.slots),
        park_gib=park_gib,
    )
    say(size.told)
    raise typer.Exit(run(options, say))


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the video is there.")] = False,
    data: DataDir = DEFAULT_DATA,
    port: Port = 8000,
    host: Host = "127.0.0.1",
) -> None:
    """Three roles take turns on one engine: starts everything, submits three scenes, shows them live."""
    from scheduler.demo import run

    load_policy(data, slot_memory_bytes=1)
    raise typer.Exit(run(data_dir=data.resolve(), host=host, port=port, once=once))
