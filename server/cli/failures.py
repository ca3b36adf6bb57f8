"""How a command ends when it cannot do what it was asked, and with which exit code."""

import traceback
from collections.abc import Iterator
from enum import IntEnum

from rich.markup import escape
from rich.text import Text

from maitred_client import MaitredError
from server.cli.output import OutputError, errors
from server.cli.service_day_error import ServiceDayFileError

# What is said, and advised, when a call failed without an answer of ours.
UNANSWERED = {
    "UNAVAILABLE": ("no maitred server answered", "Check --address, or start one: maitred dev"),
    "UNKNOWN": ("no maitred server answered", "Check --address, or start one: maitred dev"),
    "DEADLINE_EXCEEDED": (
        "no maitred server answered in time",
        "Look at maitred health, or allow more with --timeout. A change can have been made: look before repeating it.",
    ),
    "UNIMPLEMENTED": (
        "the server does not know this call",
        "Check --address; a maitred server that is older than this command has to be updated.",
    ),
}


class ExitCode(IntEnum):
    """What the program's exit status means."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    BAD_FILE = 5
    BAD_SETTINGS = 6
    NOT_READY = 7
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "something unexpected; please report it",
    ExitCode.USAGE: "wrong arguments",
    ExitCode.REFUSED: "the service said no; reason, remedy and whether to retry are on stderr",
    ExitCode.UNREACHABLE: "no maitred server answers at the address",
    ExitCode.BAD_FILE: "an input file is wrong or an output file cannot be written",
    ExitCode.BAD_SETTINGS: "the configuration is wrong",
    ExitCode.NOT_READY: "database or server cannot start, or a check failed",
    ExitCode.INTERRUPTED: "interrupted",
}

RETRY_WORDS = {
    "SAME_KEY": "repeat the same command",
    "REPLAN": "plan again and choose from the new plans",
    "AFTER_FIX": "correct the request first",
    "WAIT": "wait, then repeat the same command",
    "NO": "repeating does not help",
    "HUMAN": "a person has to decide",
}


class CommandFailure(Exception):
    """An expected end: one sentence, what to do about it, and the exit code."""

    def __init__(self, code: ExitCode, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.remedy = remedy


def report(error: BaseException) -> ExitCode:
    """Says on stderr why the command ended. Only what nobody expected shows a traceback."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, OutputError):
        _say(f"the result cannot be written: {error}")
        return ExitCode.BAD_FILE
    if isinstance(error, CommandFailure):
        _say(error.problem, error.remedy)
        return error.code
    if isinstance(error, MaitredError):
        return _refusal(error)
    if isinstance(error, ServiceDayFileError):
        return _bad_file(error)
    if code := _at_start(error):
        return code
    errors().print(Text("".join(traceback.format_exception(error)).rstrip()))
    _say("something unexpected happened", "Please report the lines above.")
    return ExitCode.UNEXPECTED


def _at_start(error: BaseException) -> ExitCode | None:
    # Imported late: a command that only talks to a server never loads the service.
    from server.bootstrap import StartError
    from server.config import SettingsError

    if isinstance(error, SettingsError):
        for problem in error.problems:
            errors().print(Text(f"  {problem}"), soft_wrap=True)
        _say("the settings are wrong", "Correct or unset them; maitred config then shows every setting.")
        return ExitCode.BAD_SETTINGS
    if isinstance(error, StartError):
        _say(str(error))
        return ExitCode.NOT_READY
    return None


def _say(problem: str, remedy: str = "") -> None:
    console = errors()
    console.print(f"[bold red]maitred:[/] {escape(problem)}", soft_wrap=True, highlight=False)
    if remedy:
        console.print(f"  {escape(remedy)}", soft_wrap=True, highlight=False)


def _refusal(error: MaitredError) -> ExitCode:
    if not error.reason and error.code.name in UNANSWERED:
        problem, remedy = UNANSWERED[error.code.name]
        _say(f"{problem}: {error.message}", remedy)
        return ExitCode.UNREACHABLE
    console = errors()
    reason = error.reason or error.code.name
    console.print(
        f"[bold red]maitred:[/] [bold]{escape(reason)}[/]: {escape(error.message)}",
        soft_wrap=True,
        highlight=False,
    )
    for line in _details(error, reason):
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
    if error.remedy:
        console.print(f"  remedy: {escape(error.remedy)}", soft_wrap=True, highlight=False)
    wait = f" (after {error.retry_after_s:g} s)" if error.retry_after_s else ""
    console.print(
        f"  retry: {error.retry} — {RETRY_WORDS[error.retry]}{wait}", soft_wrap=True, highlight=False
    )
    return ExitCode.REFUSED


def _details(error: MaitredError, reason: str) -> Iterator[str]:
    """What the first sentence has not said yet: other bad fields, other rules that are broken, what takes a table."""
    for violation in error.violations:
        if violation.description not in error.message:
            yield f"{violation.field}: {violation.description}"
    for check in error.failed_checks:
        if check.reason != reason:
            yield f"{check.reason}: {check.message}"
    for conflict in error.conflicts:
        yield f"table {conflict.table_id} is taken until {conflict.free_from:%Y-%m-%d %H:%M} UTC"


def _bad_file(error: ServiceDayFileError) -> ExitCode:
    console = errors()
    for problem in error.problems:
        console.print(Text(str(problem)), soft_wrap=True)
    if error.total > len(error.problems):
        console.print(f"… and {error.total - len(error.problems)} more")
    files = ", ".join(dict.fromkeys(problem.file for problem in error.problems))
    _say(f"{error.total} problem{'s' if error.total != 1 else ''} in {files}")
    return ExitCode.BAD_FILE
