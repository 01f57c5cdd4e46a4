"""The web app on a real store in a folder, without a daemon: what it reads, what it refuses, what it hides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_app
from dashboard.context import KEY, House
from dashboard.settings import WebSettings
from scheduler.store import Store
from tests.unit.scheduler.store_rig import READER, move, new_job, role, writer

AWAY = {"REMOTE_ADDR": "10.1.2.3"}  # a caller from another machine
RECIPE: dict[str, Any] = {
    "prompt": "Explain SECRET-PROMPT", "context": {"topic": "SECRET-TOPIC"}, "role": "teacher", "role_version": 1, "style": None,
    "settings": {"size": "192*128", "steps": 4, "infer_frames": 48, "clips": None, "seed": 420, "solver": "euler"},
    "portrait_sha256": "1" * 64, "voice_sha256": "2" * 64, "voice_seconds": 3.2, "model": "pocket", "weights_sha256": "",
}  # fmt: skip


@dataclass
class Web:
    """An app, its store's writer, and clients for several kinds of caller."""

    app: Flask
    store: Store
    data_dir: Path

    @property
    def house(self) -> House:
        """The app's parts."""
        found: House = self.app.extensions[KEY]
        return found

    def local(self) -> FlaskClient:
        """A caller on this machine, without sign-in."""
        return self.app.test_client()

    def person(self, name: str, group: str = "user", team: str = "") -> FlaskClient:
        """A signed-in browser of a person, who is created first."""
        with self.store.transaction():
            self.store.put_user(name, group, team, READER, time.time())
        client = self.app.test_client()
        with client.session_transaction() as session:
            user = self.store.user(name)
            assert user is not None
            session.update(user=name, version=user["session_version"], at=time.time(), csrf="form-token")
        return client

    def job(self, number: int = 1, **changes: Any) -> str:
        """A queued job of reader's unless told otherwise; its id."""
        job = new_job(number, **{"recipe": RECIPE, "submitted_at": time.time(), **changes})
        with self.store.transaction():
            self.store.insert_job(job, READER, time.time())
        self.move(job.id, "SUBMITTED", "QUEUED", hold="waiting_for_slot")
        return job.id

    def move(self, job_id: str, source: str, target: str, **fields: Any) -> None:
        """Move a job in its own transaction."""
        with self.store.transaction():
            self.store.move_job(move(source, target, job_id, **fields), READER, time.time())


@contextmanager
def web(tmp_path: Path, **settings: Any) -> Iterator[Web]:
    """An app with one role; no daemon listens."""
    data_dir = tmp_path / "var"
    data_dir.mkdir(exist_ok=True)
    with writer(data_dir) as store:
        with store.transaction():
            store.put_role(role(), READER, time.time())
        app = create_app(settings=WebSettings(data_dir=data_dir, **settings))
        app.testing = True
        app.config["PROPAGATE_EXCEPTIONS"] = False
        made = Web(app, store, data_dir)
        try:
            yield made
        finally:
            made.house.close()
