"""The `maitred` program: starts the command line, or says what to install when only the client is here."""

import gc
import os
import sys

OWN_PACKAGES = frozenset({"server", "maitred", "maitred_client"})
EXIT_NOT_INSTALLED = 69
EXIT_INTERRUPTED = 130
COLLECTED_AFTER = 50_000


def main() -> None:
    """Runs the command line. Without the `server` extra it prints a hint and exits with status 69."""
    # Most of what a command makes are modules, which stay: a collector that looks often takes a tenth of the time.
    gc.set_threshold(COLLECTED_AFTER)
    # Processes are started beside threads of gRPC, which would complain about each; none of them uses it after a fork.
    # It asks when it is imported.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    try:
        from server.cli.app import run

        run()
    except KeyboardInterrupt:
        # Ctrl-C before the command line is there to end with it.
        sys.exit(EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OWN_PACKAGES:
            raise
        print(
            f"maitred: only the client is installed (the module '{missing}' is missing).\n"
            "The service and its command line come with:  pip install 'maitred[server]'",
            file=sys.stderr,
        )
        sys.exit(EXIT_NOT_INSTALLED)
