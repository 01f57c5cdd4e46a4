"""Where people reach what listens on an address: links that work, and what it means to listen on every interface."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"
_ANYWHERE = "192.0.2.1"  # reserved for documents; a datagram socket that is "connected" to it sends nothing


def base_url(host: str, port: int) -> str:
    """A link for a browser on this machine: an address that means "all of them" leads nowhere."""
    if host in ("0.0.0.0", ""):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_every_interface(host: str) -> bool:
    """Does this address stand for all of the machine's addresses?"""
    try:
        return host == "" or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def exposure(host: str, port: int) -> str:
    """What people must know about an address that others can reach; empty for the machine's own."""
    if not is_every_interface(host):
        return ""
    outside = own_address()
    elsewhere = f" From other machines: {base_url(outside, port)}/dashboard." if outside else ""
    return (
        f"It listens on every network interface.{elsewhere} Warning: without TLS. Whoever reaches this machine can knock at "
        "the sign-in, and whoever can listen on the network reads what is sent, sign-in links and tokens too. Use a proxy "
        "with TLS (docs/install.md), or leave --host out to be reached from this machine only."
    )


def own_address() -> str:
    """The address that other machines most likely reach this one by; empty when it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((_ANYWHERE, 9))
        except OSError:
            return ""
        address: str = sock.getsockname()[0]
    return "" if ipaddress.ip_address(address).is_loopback else address


@contextlib.contextmanager
def announced(data_dir: Path, url: str) -> Iterator[None]:
    """While this lasts, `announced_url` of the data directory answers with `url`."""
    place = _place(data_dir)
    place.write_text(url, encoding="utf-8")
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


def announced_url(data_dir: Path) -> str | None:
    """Where the dashboard of this data directory is now; None while it does not run, or runs without a launcher."""
    try:
        return _place(data_dir).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _place(data_dir: Path) -> Path:
    return data_dir / "run" / "web.url"
