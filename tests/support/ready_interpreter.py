"""A Python that has imported the command line and waits: a copy of it runs each command, in a process of its own.

A request is a line of JSON with the arguments, the environment and the folder, and with it come standard output,
standard error, and where to tell the program's process id and how it ended. It ends when nobody can ask any more.
"""

import gc
import json
import os
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Final

REQUEST_BYTES: Final = 65_536
FILES: Final = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What is the program's own."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def next_program(asking: socket.socket) -> None:
    """Returns in the process of each command, which then is as if it had been started for it."""
    while True:
        line, files, _, _ = socket.recv_fds(asking, REQUEST_BYTES, FILES)
        while line and not line.endswith(b"\n"):
            line += asking.recv(REQUEST_BYTES)
        _forget_ended(os.WNOHANG if line else 0)
        if not line:
            sys.exit()
        if os.fork() == 0:
            asking.close()
            return _become(Request(**json.loads(line)), *files)
        for file in files:
            os.close(file)


def _forget_ended(how: int) -> None:
    try:
        while os.waitpid(-1, how)[0]:
            pass
    except ChildProcessError:
        pass


def _become(request: Request, out: int, err: int, told: int) -> None:
    program = os.fork()
    if program:
        os.close(out)
        os.close(err)
        os.write(told, f"{program}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        os.write(told, f"{code}\n".encode())
        os._exit(0)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
    for file in (out, err, told):
        os.close(file)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.argv[1:] = request.arguments


def run_copies() -> None:
    """Answers what is asked at the socket of the first argument, and runs the command in each copy."""
    asking = socket.socket(fileno=int(sys.argv[1]))
    # What every command needs, and what several import when they run.
    import server.bootstrap
    import server.cli.app  # noqa: F401
    from server.entry import main

    assert threading.active_count() == 1, "what is copied is one thread"
    gc.collect()
    gc.freeze()
    next_program(asking)
    main()
