"""Alembic's migrations of the connector's tables, run at every start."""
