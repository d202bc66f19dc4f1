"""`python -m pluggy_sandbox`."""

from pluggy_sandbox.cli import main

main()
