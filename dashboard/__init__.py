"""Pages and control API. Reads facts, sends wishes."""
