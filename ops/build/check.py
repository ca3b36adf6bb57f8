"""Runs every check of `make check`, all of them even when one fails, and closes with a list.

Usage: `python -m ops.build.check` runs all, `python -m ops.build.check NAME …` the named ones. Ends with
status 1 when any failed.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ops.build.generate import tool_environment

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its name, what to run, and what to do when it fails."""

    name: str
    command: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended. `seconds` is wall-clock time."""

    step: Step
    passed: bool
    seconds: float


def steps() -> list[Step]:
    """All checks, in the order in which they run: the quick ones first."""
    python = sys.executable
    migrations = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "migrations").glob("*.sql"))
    return [
        Step("format", ("ruff", "format", "--check", "."), "`.venv/bin/ruff format` writes the format."),
        Step("lint", ("ruff", "check", "."), "`.venv/bin/ruff check --fix` mends some of it."),
        Step("buf-lint", ("buf", "lint"), "Mend the proto files named above."),
        Step(
            "buf-format", ("buf", "format", "--diff", "--exit-code"), "`.venv/bin/buf format -w` writes it."
        ),
        Step("buf-breaking", (python, "-m", "ops.build.breaking"), "Keep the contract compatible."),
        Step("generated", (python, "-m", "ops.build.generate", "--check"), "`make generate`, then commit."),
        Step(
            "imports", ("lint-imports",), "Move the line to its room; [tool.importlinter] has the contracts."
        ),
        Step("migrations", ("squawk", *migrations), "Mend the migration, as long as it is unreleased."),
        Step("types", ("mypy",), "Mend the types named above."),
        Step(
            "architecture",
            (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/architecture"),
            "The wheel's content or the code's tidiness is not as stated in tests/architecture.",
        ),
    ]


def run(step: Step) -> Outcome:
    """Runs one step with its output shown as it comes."""
    print(f"\n== {step.name}: {' '.join(Path(word).name for word in step.command[:4])}", flush=True)
    begun = time.monotonic()
    try:
        done = subprocess.run(
            step.command, cwd=ROOT, env=tool_environment(), stdin=subprocess.DEVNULL, check=False
        )
        passed = done.returncode == 0
    except OSError as error:
        print(f"cannot start: {error}")
        passed = False
    seconds = time.monotonic() - begun
    if not passed:
        print(f"!! {step.name} failed. {step.remedy}", flush=True)
    return Outcome(step, passed, seconds)


def main() -> None:
    known = steps()
    unknown = set(sys.argv[1:]) - {step.name for step in known}
    if unknown:
        names = " ".join(step.name for step in known)
        sys.exit(f"check: unknown: {' '.join(sorted(unknown))}. Known: {names}")
    wanted = [step for step in known if not sys.argv[1:] or step.name in sys.argv[1:]]
    outcomes = [run(step) for step in wanted]
    print("\nclosing list:")
    for outcome in outcomes:
        print(f"  {'ok    ' if outcome.passed else 'FAILED'} {outcome.step.name:14} {outcome.seconds:6.1f} s")
    sys.stdout.flush()
    failed = [outcome.step.name for outcome in outcomes if not outcome.passed]
    if failed:
        sys.exit(f"check: {len(failed)} of {len(outcomes)} failed: {', '.join(failed)}")
    print(f"check: all {len(outcomes)} passed")


if __name__ == "__main__":
    main()
