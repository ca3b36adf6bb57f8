"""The command line: arguments in, output out. Everything it does to a restaurant goes through the client."""


def main() -> None:
    """Runs `maitred` with the arguments of this process and exits with one of the documented codes."""
    from server.cli.app import run

    run()
