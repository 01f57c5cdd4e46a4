"""Commands about files that people bring: take one in, take one away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scheduler.commands.arguments import Arguments
from scheduler.commands.house import Handler, House
from scheduler.door import Actor
from scheduler.uploads import shown_name


async def bring_file(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Check a file of this machine and keep it as the actor's. The file itself stays where it is."""
    kind, path, name = args.take("kind", str), Path(args.take("path", str)), args.maybe("name", str)
    args.done()
    return await house.uploads.bring(kind, path, shown_name(name or path.name), actor)


async def remove_file(house: House, actor: Actor, args: Arguments) -> dict[str, Any]:
    """Take one of the actor's files away."""
    sha256 = args.take("sha256", str)
    args.done()
    return await house.uploads.remove(sha256, actor)


UPLOAD_COMMANDS: dict[str, Handler] = {"bring_file": bring_file, "remove_file": remove_file}
