"""The SQLite store: schema as migrations, named queries, the only UPDATE of job state."""
