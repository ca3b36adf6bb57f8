"""The one error of this package."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message says why and what a person can do about it."""
