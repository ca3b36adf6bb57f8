"""Ctrl-C reaches every process of a terminal: what is asked about PostgreSQL must not take it for an answer."""

import os
import stat
import sys
from pathlib import Path

from server.persistence.embedded.account import Account
from server.persistence.embedded.installation import _probe

IN_ANOTHER_SESSION = "import os, sys; sys.exit(os.getsid(0) == int(sys.argv[1]))"


def test_what_an_account_is_asked_to_run_is_out_of_reach_of_ctrl_c() -> None:
    account = Account("me", os.geteuid(), os.getegid(), lent=False)
    assert account.runs(sys.executable, "-c", IN_ANOTHER_SESSION, str(os.getsid(0)))


def test_what_is_asked_for_its_version_is_out_of_reach_of_ctrl_c(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        program = tmp_path / name
        asked = f"'{sys.executable}' -c '{IN_ANOTHER_SESSION}' {os.getsid(0)}"
        program.write_text(f"#!/bin/sh\n{asked} && echo 'postgres (PostgreSQL) 15.1'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    rejected: list[str] = []
    assert _probe(tmp_path, "distribution", rejected), rejected
