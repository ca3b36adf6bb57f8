"""One of several processes of a measured server: what `maitred serve` starts, but one call is answered with nothing."""

import sys

from server.processes.child import main
from server.rpc.empty_call import answer_empty_calls

if __name__ == "__main__":
    answer_empty_calls()
    main(int(sys.argv[1]), int(sys.argv[2]))
