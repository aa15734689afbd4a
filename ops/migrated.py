"""A migrated database, made once for all test runs that have the same migrations.

Each run starts its PostgreSQL on a copy of that cluster, which takes a moment where initdb and the
migrations take seconds. Its database is the template of the tests' own (tests/conftest.py).
"""

from ops import application
from ops.locks import Lock
from ops.paths import VAR
from ops.postgres import NAME, THROW_AWAY, Postgres
from ops.say import Stop
from ops.servers import Addresses

TEMPLATE = NAME  # the migrated database in a copied cluster
_HOME = VAR / "migrated"
_NOWHERE = "redis://127.0.0.1:1"  # migrations use no broker


def copy_to(postgres: Postgres) -> None:
    """Makes a cluster that was never started a copy of the migrated one. Raises ``Stop``."""
    with Lock(_HOME / "lock"):
        migrated = Postgres(_HOME / application.migrations_digest(), THROW_AWAY)
        if not (migrated.home / "whole").exists():
            for old in _HOME.iterdir():
                if old.is_dir():
                    Postgres(old).remove()
            _make(migrated)
        postgres.copy(migrated)


def _make(migrated: Postgres) -> None:
    try:
        addresses = Addresses(migrated.start(), _NOWHERE)
        environment = application.environment(addresses, secret_key="only for tests")
        migrate = application.manage("migrate", "--verbosity", "0")
        if code := application.run_command(migrate, environment):
            raise Stop("The database could not be migrated: the lines above tell why.", code)
    finally:
        migrated.stop()
    (migrated.home / "whole").touch()
