"""The web application for gunicorn: `gunicorn -c python:dashboard.serving wsgi:app`."""

from dashboard import create_app

app = create_app()
