"""What was told of a bucket stays for a while: whoever adds to it tells the whole again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "feeds_status",
        sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    with op.batch_alter_table("feeds_status") as table:
        table.drop_column("told")
