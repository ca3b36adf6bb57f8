"""A server in a process of its own that kills itself at one statement of the first transaction it runs.

Usage: python -m tests.races.doomed_server DATABASE_URL
Then one line per server on standard input: the number of the statement and the moment; with the moment `recorded` the
number only tells servers apart. For each of them a line with both and the server's address is written to standard
output. The servers are forks of one process that has imported everything and started nothing, so that each of them
costs little.
"""

import asyncio
import os
import sys

from server.bootstrap import serving
from server.config import load_settings
from tests.races.faults import FaultPlan, Moment, OnceRecorded, faulty_connection, kill_own_process, killing


async def doomed(url: str, at: int, moment: Moment) -> None:
    """Serves until it dies."""
    plan = OnceRecorded(kill=kill_own_process) if moment is Moment.RECORDED else FaultPlan()
    plan.arm(at, killing(kill_own_process, moment))
    settings = load_settings(port=0, log_level="error", pool_size_min=1, pool_size_max=2)
    async with serving(settings, url, faulty_connection(plan)) as server:
        # One write, so that the lines of several servers don't mix.
        os.write(sys.stdout.fileno(), f"{at} {moment} {server.address}\n".encode())
        await server.wait()


def main() -> None:
    url = sys.argv[1]
    children = []
    for line in sys.stdin:
        at, moment = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(doomed(url, int(at), Moment(moment)))
            # Nothing killed it: it was told to stop. Buffers belong to the parent.
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
