"""Alembic's entry: runs on the connection that `connectors.desk.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from connectors.desk.database import VERSION_TABLE
from connectors.desk.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
