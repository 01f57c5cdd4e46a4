"""Pages and control API. Reads facts, sends wishes."""

from dashboard.app import create_app

__all__ = ["create_app"]
