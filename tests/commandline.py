"""`cpcc` in this process: what the program does, without three seconds of imports for every call."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import unittest.mock
from pathlib import Path

from cpcc import cli


def inside(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Exit code and output of ``cpcc words`` run in `cwd`."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["cpcc", *map(str, words)]
    output = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with contextlib.chdir(cwd), output[0], output[1], unittest.mock.patch.object(sys, "argv", argv):
        code = cli._run()
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())
