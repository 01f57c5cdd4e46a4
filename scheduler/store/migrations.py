"""The schema, as sqlite-utils migrations. Never edit one that has shipped: add another."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.audit.guards import TRIGGERS
from scheduler.store.database import Database, Migrations
from scheduler.store.first_schema import FIRST
from scheduler.store.forecasts_schema import FORECASTS
from scheduler.store.guards_schema import GUARDS
from scheduler.store.healing_schema import HEALING
from scheduler.store.joined_schema import JOINED
from scheduler.store.password_schema import PASSWORDS
from scheduler.store.plans_schema import PLANS
from scheduler.store.preview_schema import PREVIEWS
from scheduler.store.quality_schema import QUALITY
from scheduler.store.review_schema import REVIEWS
from scheduler.store.role_problem_schema import ROLE_PROBLEMS
from scheduler.store.samples_schema import SAMPLE_MINUTES
from scheduler.store.uploads_schema import UPLOADS

migrations = Migrations("greenroom")


def _run(db: Database, statements: Iterable[str]) -> None:
    for statement in statements:
        db.conn.execute(statement)


@migrations()
def first_tables(db: Database) -> None:
    """Tables of the first release."""
    _run(db, FIRST)


@migrations()
def guards_and_indexes(db: Database) -> None:
    """The log's triggers, the triggers that tie a job's state to the log, and indexes for what pages read."""
    _run(db, (*GUARDS, *TRIGGERS.values()))


@migrations()
def healing(db: Database) -> None:
    """What jobs gave up, what they are asked, and learnt block times."""
    _run(db, HEALING)


@migrations()
def plans_and_rehearsals(db: Database) -> None:
    """Day plans, their checks, load rehearsals."""
    _run(db, PLANS)


@migrations()
def sample_minutes(db: Database) -> None:
    """Device history by the minute."""
    _run(db, SAMPLE_MINUTES)


_ORDERING = (
    "ALTER TABLE jobs ADD COLUMN block_ms INTEGER NOT NULL DEFAULT 480",  # predicted milliseconds of a block
    "ALTER TABLE jobs ADD COLUMN deadline REAL",  # when it is wanted
    "ALTER TABLE jobs ADD COLUMN leased_at REAL NOT NULL DEFAULT 0",  # when its last lease began
)


@migrations()
def ordering(db: Database) -> None:
    """What the order of jobs needs: predicted seconds, deadlines, and since when a lease uses its slot."""
    _run(db, _ORDERING)


@migrations()
def reservations(db: Database) -> None:
    """Times of day that were promised to jobs."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN start_at REAL")  # reserved: it begins then, not before


@migrations()
def session_parts(db: Database) -> None:
    """Jobs that follow each other as parts of one session."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN follows TEXT NOT NULL DEFAULT ''")  # the job whose end lets it begin


@migrations()
def forecasts(db: Database) -> None:
    """Forecasts, to be held against what happens."""
    _run(db, FORECASTS)


@migrations()
def quality(db: Database) -> None:
    """Scores of finished videos."""
    _run(db, QUALITY)


@migrations()
def uploads(db: Database) -> None:
    """Portraits and voices that people brought."""
    _run(db, UPLOADS)


@migrations()
def reviews(db: Database) -> None:
    """Notes on videos and verdicts."""
    _run(db, REVIEWS)


@migrations()
def passwords(db: Database) -> None:
    """Hashes of passwords."""
    _run(db, PASSWORDS)


@migrations()
def previews(db: Database) -> None:
    """Jobs that wait for the approval of a preview, and the group of who acted."""
    _run(db, PREVIEWS)


@migrations()
def role_problems(db: Database) -> None:
    """Codes instead of sentences for why a role takes no work."""
    _run(db, ROLE_PROBLEMS)


@migrations()
def joined_sessions(db: Database) -> None:
    """The videos of whole sessions."""
    _run(db, JOINED)


@migrations()
def freed_jobs(db: Database) -> None:
    """Since when a job that gave up its slot waits for another."""
    db.conn.execute("ALTER TABLE jobs ADD COLUMN freed_at REAL NOT NULL DEFAULT 0")  # when its last lease ended; 0: none did
