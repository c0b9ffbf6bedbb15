"""A feed's validators remember who gave them: behind a redirect that is another host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feeds_feed", sa.Column("validators_from", sa.String(length=2048)))


def downgrade() -> None:
    with op.batch_alter_table("feeds_feed") as table:
        table.drop_column("validators_from")
