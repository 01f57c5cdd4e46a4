"""A whole studio with the scripted engine, and a plain HTTP client for its web."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.acceptance.studio import Studio
from tests.browser.scenes import script


@dataclass
class Answer:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


@dataclass
class Caller:
    """Somebody who calls the web: headers of theirs, cookies as a browser keeps them."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; data becomes JSON, bytes and text stay."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        payload = body if isinstance(body, bytes | str | None) else json.dumps(body)
        if payload is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            connection.request(method, path, payload, sent)
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.split(";")[0]
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST."""
        return self.ask("POST", path, {} if body is None else body, **headers)


def form_token(page: str) -> str:
    """The token that a page's form carries."""
    return page.split('name="csrf" value="')[1].split('"')[0]


def signed_in(studio: Studio, user: str, group: str = "user") -> Caller:
    """A browser that used a one-time link; its changes carry the form token of its pages."""
    caller = Caller(studio.port)
    link = studio.door.create_login_link(user, group, "")["path"]
    page = caller.get(link, Accept="text/html").body.decode()
    form = {"csrf": form_token(page), "token": link.split("token=")[1], "next": ""}
    answer = caller.post("/login", urlencode(form), Content_Type="application/x-www-form-urlencoded")
    assert answer.status == 303, answer.body
    home = caller.get("/dashboard", Accept="text/html").body.decode()
    caller.headers["X-CSRF-Token"] = home.split('name="csrf" content="')[1].split('"')[0]
    return caller


def lines_of(port: int, path: str, **headers: str) -> Iterator[str]:
    """The lines of an endless answer; closing the iterator closes the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        while line := answer.readline():
            yield line.decode().rstrip("\n")
    finally:
        connection.close()


def started(folder: Path, block_s: float = 0.05) -> Studio:
    """A studio whose engine takes this long per block; the caller ends it."""
    studio = Studio(folder, "fake", script(folder, block_s))
    try:
        studio.start()
    except BaseException:
        studio.end()
        raise
    return studio
