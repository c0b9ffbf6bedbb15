"""Alembic migrations of the desk's tables; `connectors.desk.database.migrate` runs them."""
