"""A PostgreSQL of our own, for machines where nobody has set one up.

It is a child of this process, listens on a UNIX socket only, keeps what it committed through any crash, and
never outlives us. Nothing here is downloaded: the binaries come from the distribution or from a wheel.
"""

from server.persistence.embedded.errors import EmbeddedPostgresError
from server.persistence.embedded.installation import Installation, Source, find_installation
from server.persistence.embedded.postgres import EmbeddedPostgres

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "Installation",
    "Source",
    "find_installation",
]
