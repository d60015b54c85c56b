"""`python -m cpcc.cli`."""

from cpcc.cli import main

main()
