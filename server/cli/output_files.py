"""Files that a command writes when its work is done: whether they can be written is found out before it begins."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile

from server.cli.failures import CommandFailure, ExitCode


def make_room(*files: Path | None) -> None:
    """Makes the folders that these files need. Raises CommandFailure when one of them cannot be written."""
    for file in files:
        if file is None:
            continue
        try:
            with suppress(FileExistsError):
                file.parent.mkdir(parents=True)
            TemporaryFile(dir=file.parent).close()
            if file.exists():
                file.open("ab").close()
        except OSError as error:
            raise not_written(file, error) from None


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Raises CommandFailure when the file cannot be written, and leaves no half of it then."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            # A link or a device was there before and stays.
            if S_ISREG(file.lstat().st_mode):
                file.unlink()
        raise not_written(file, error) from None


def write(file: Path, text: str) -> None:
    """Raises CommandFailure, as `writing` does."""
    with writing(file):
        file.write_text(text, encoding="utf-8")


def not_written(file: Path, error: OSError) -> CommandFailure:
    """What is said of a file that cannot be written."""
    return CommandFailure(
        ExitCode.BAD_FILE, f"{file} cannot be written: {error.strerror}", "Choose another path."
    )
