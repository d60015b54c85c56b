"""Run cpcc as a user would type it, and stop at the first command that fails."""

import subprocess
import sys


def cpcc(*words: object) -> None:
    """Print the command, run it; a failure ends the example with its exit code."""
    texts = [str(word) for word in words]
    print("$ cpcc", " ".join(texts), flush=True)
    status = subprocess.run([sys.executable, "-m", "cpcc.cli", *texts], check=False).returncode
    if status:
        sys.exit(status)
