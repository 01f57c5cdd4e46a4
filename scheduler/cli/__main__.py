"""`python -m scheduler.cli` is `role_scheduler`."""

from scheduler.cli import main

main()
