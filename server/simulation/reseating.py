"""What an evening would seat if everybody could be moved whenever somebody asks.

Requests come one by one, and nobody is declined for whom the others can make room. So the tables are always given as
well as they can be, without knowing who will still come: what foresight adds is whom to decline for others' sake.
"""

from collections import Counter

from server.planner.catalog import TableSets
from server.simulation.evenings import Evening
from server.simulation.program import Kind, by_seats
from server.simulation.solver import TOLERANCE, Relaxation


def covers_reseated(evening: Evening, sets: TableSets) -> int:
    """Whether there is room is told generously: tables of the same seats are counted together, as if any could be
    merged that are of the right sizes, and parties may be split.

    Raises SolverMissing without the package highspy.
    """
    program = by_seats(evening, sets)
    rows = program.row_of_kind
    room = Relaxation(program)
    for row in rows.values():
        room.limit(row, 0)
    seated = Counter[Kind]()
    full = set[Kind]()
    covers = 0
    for kind in map(Kind.of, evening.requests):
        if kind in full:
            continue
        room.limit(rows[kind], seated[kind] + 1)
        if room.covers() > covers + kind.party_size - TOLERANCE:
            seated[kind] += 1
            covers += kind.party_size
        else:
            # The seated only become more, so there will be no room for one of this kind again.
            room.limit(rows[kind], seated[kind])
            full.add(kind)
    return covers
