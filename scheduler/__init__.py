"""Roles wait in the green room until the stage is theirs: queue, leases, healing, audit. The scheduler writes facts."""
