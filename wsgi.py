"""The web application for gunicorn: `gunicorn -w 1 --threads 200 --graceful-timeout 3 --no-control-socket wsgi:app`."""

from dashboard import create_app

app = create_app()
