"""Columns of jobs that wait for the approval of their preview, and an index of the groups that the log names."""

from __future__ import annotations

PREVIEWS = (
    "ALTER TABLE jobs ADD COLUMN preview TEXT NOT NULL DEFAULT ''",  # the job whose approval lets it into the line
    "ALTER TABLE jobs ADD COLUMN preview_end TEXT NOT NULL DEFAULT ''",  # the state in which that one ended; '': it is open
    "ALTER TABLE jobs ADD COLUMN approved_at REAL",  # when somebody approved it; NULL: not yet, or there is no preview
    "CREATE INDEX jobs_preview ON jobs(preview) WHERE preview != ''",
    # The group stands in the body, which the chain covers: rows of before have none. The many rows of the house itself are left
    # out of the index.
    "CREATE INDEX audit_actor_group ON audit(json_extract(body, '$.actor_group'), seq) WHERE actor != 'system'",
)
