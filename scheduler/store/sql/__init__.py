"""Every statement of the store, by name."""
