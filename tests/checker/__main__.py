"""`python -m tests.checker [EVENINGS]`: no alarm about so many clean evenings, and each bug found in those that had it.

Ends with 1 after a false alarm or a bug that was missed; each is printed with its seed.
"""

import argparse
import sys
from collections import Counter

from loadgen.checking.check import check
from tests.checker.bugs import BUGS, with_bug
from tests.checker.evening import Evening
from tests.checker.scene import NoOccasionError

EVENINGS = 1_000
# Each bug is tried on the first of them; a checked evening takes some milliseconds.
WITH_BUGS = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parser.add_argument("evenings", type=int, nargs="?", default=EVENINGS, help=f"{EVENINGS} if left out")
    evenings: int = parser.parse_args().evenings
    wrong, tried = 0, Counter[str]()
    for seed in range(evenings):
        history, state = Evening(seed).lived()
        report = check(history, state)
        if not report.clean:
            wrong += 1
            print(f"A false alarm, seed {seed}:\n{report.as_text()}")
        for bug, rule in BUGS.items() if seed < WITH_BUGS else ():
            try:
                broken = with_bug(bug, history, state, seed)
            except NoOccasionError:
                continue
            tried[bug.__name__] += 1
            if rule not in check(*broken).by_rule:
                wrong += 1
                print(f"Missed: {bug.__name__}, seed {seed}.")
    print(
        f"{evenings} clean evenings, {len(tried)} of {len(BUGS)} bugs on {sum(tried.values())} evenings: {wrong} wrong."
    )
    return 1 if wrong or len(tried) < len(BUGS) else 0


if __name__ == "__main__":
    sys.exit(main())
