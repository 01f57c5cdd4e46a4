"""Tests, sorted by how much world they need."""
