"""Why a schema could not be brought up to date."""


class MigrationError(RuntimeError):
    """A migration file or the database's record of it is not in order, or another process was still migrating when the
    bounded wait ended; the message names it and a remedy.
    """
