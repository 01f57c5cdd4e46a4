"""The factory: puts settings, rights, reads, the door and the live feed together and registers every route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, redirect
from flask_socketio import SocketIO

from dashboard import login, pages, vendor
from dashboard.api import register_api
from dashboard.auth import has_ended
from dashboard.board import Board
from dashboard.context import KEY, House, house
from dashboard.cookies import Cookies
from dashboard.errors import register_errors
from dashboard.feed import Feed
from dashboard.for_people import register_for_people
from dashboard.gate import Gate
from dashboard.guard import register_guard
from dashboard.limits import RateLimit, Seats
from dashboard.overview import pulse_message
from dashboard.packets import TextPacket
from dashboard.pulse import Pulse
from dashboard.reads import Reads
from dashboard.rights import PACKAGED, load_rights
from dashboard.secret import load_secret_key
from dashboard.settings import MAX_BODY_BYTES, WebSettings
from dashboard.sign_in import Waits
from dashboard.sockets import Listeners, Speaker, end_sockets, register_sockets
from dashboard.tab_register import TabRegister
from dashboard.tab_socket import use_tab_sockets
from scheduler.client import Scheduler
from scheduler.forecasts import Forecasts

HERE = Path(__file__).resolve().parent


def create_app(
    data_dir: str | Path | None = None, *, settings: WebSettings | None = None, scheduler: Scheduler | None = None
) -> Flask:
    """The web application. Threads start with the first request, not here: importing `wsgi` starts nothing.

    Raises ValueError for settings or a rights matrix that cannot be used, OSError when the key cannot be kept.
    """
    chosen = settings or WebSettings.from_environment()
    if data_dir is not None:
        chosen = WebSettings(**{**chosen.__dict__, "data_dir": Path(data_dir)})
    app = Flask("dashboard", root_path=str(HERE), static_folder="static", template_folder=str(HERE.parent / "templates"))
    app.config.update(
        SECRET_KEY=load_secret_key(chosen.data_dir),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_PARTS=50,
        SESSION_COOKIE_NAME="greenroom",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=chosen.is_https,
        GREENROOM_HAS_SOCKETIO=vendor.has_socketio(),
    )
    app.session_interface = Cookies()
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    socketio = SocketIO(
        app, async_mode="threading", transports=["websocket"], max_http_buffer_size=64_000, manage_session=False,
        serializer=TextPacket, client_manager=TabRegister(),
    )
    use_tab_sockets(socketio)
    app.wsgi_app = Gate(app, app.wsgi_app)  # type: ignore[method-assign]
    _put_together(app, socketio, chosen, scheduler)
    register_errors(app)
    register_guard(app)
    app.before_request(_start)
    register_for_people(app)
    for blueprint in (login.blueprint, vendor.blueprint, *pages.BLUEPRINTS):
        app.register_blueprint(blueprint)
    register_api(app)
    pages.register_words(app)
    app.add_url_rule("/", "home", lambda: redirect("/dashboard", 303))
    return app


def _put_together(app: Flask, socketio: SocketIO, settings: WebSettings, scheduler: Scheduler | None) -> None:
    reads, listeners = Reads(settings.data_dir), Listeners()
    door = scheduler or Scheduler(settings.data_dir)
    pulse, speaker = Pulse(door.as_actor("system")), Speaker(socketio, listeners)

    def beat() -> dict[str, Any]:
        with app.app_context():
            end_sockets(socketio, listeners, has_ended)
            return pulse_message(pulse.last, reads, settings)

    feed = Feed(reads, speaker, listeners.rooms, beat)
    own = settings.data_dir / "rights.yaml"  # whatever lies there is meant: what cannot be read is refused, not passed over
    rights_file = settings.rights_file or (own if own.exists() or own.is_symlink() else PACKAGED)
    app.extensions[KEY] = House(
        settings=settings,
        rights=load_rights(rights_file),
        reads=reads,
        scheduler=door,
        pulse=pulse,
        feed=feed,
        board=Board(reads, Forecasts(settings.data_dir), speaker, listeners.rooms, feed.in_view),
        writes=RateLimit(settings.writes_per_s, 5 * settings.writes_per_s),
        logins=RateLimit(settings.logins_per_minute / 60, settings.logins_per_minute),
        waits=Waits(),
        sockets=Seats(settings.max_sockets, settings.max_sockets_each),
        streams=Seats(settings.max_streams, settings.max_streams_each),
        videos=Seats(settings.max_videos, settings.max_videos_each),
        uploads=Seats(settings.max_uploads, settings.max_uploads_each),
    )
    app.extensions["greenroom.listeners"] = listeners
    register_sockets(socketio, listeners)


def _start() -> None:
    house().start()
