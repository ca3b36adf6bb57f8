"""What keeps the client processes of a load from their work, in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.cli.failures import CommandFailure, ExitCode
from server.cli.output_files import not_written


@contextmanager
def clients_explained(remedy: str = "") -> Iterator[None]:
    """Says what kept client processes from their work; `remedy` is against a server that cannot be used. What nobody
    expected goes on as it is.
    """
    from loadgen.driving import ClientEndedError, HinderedError

    try:
        yield
    except HinderedError as error:
        raise CommandFailure(ExitCode.UNREACHABLE, f"the load cannot be made: {error}", remedy) from None
    except ClientEndedError as error:
        of_memory = "Systems do that where memory runs out: ask for fewer callers, or fewer processes."
        raise CommandFailure(ExitCode.NOT_READY, str(error), of_memory) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise not_written(Path(error.filename), error) from None
