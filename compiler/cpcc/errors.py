"""Every error a user can cause, each with its exit code.

    CpccError                 (1, internal: never raised itself)
    ├── UsageError            2   unknown target, foreign output folder, wrong option
    ├── ModelError            3   model file or layer that cannot be compiled
    ├── DoesNotFitError       4   flash or RAM of the target exceeded
    ├── ToolMissingError      5   compiler or emulator not installed
    ├── VerificationError     6   executors differ, or the compiled model misses more
    └── DataError             7   samples or labels that cannot be used

A message is one line: the place, the limit, the next step.
"""


class CpccError(Exception):
    """Base class; `exit_code` is what `cpcc` returns to the shell."""

    exit_code = 1


class UsageError(CpccError):
    exit_code = 2


class ModelError(CpccError):
    exit_code = 3


class DoesNotFitError(CpccError):
    exit_code = 4


class ToolMissingError(CpccError):
    exit_code = 5


class VerificationError(CpccError):
    exit_code = 6


class DataError(CpccError):
    exit_code = 7


def first_line(error: BaseException) -> str:
    """What a foreign error says, in one line of at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
