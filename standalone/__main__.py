"""`python -m standalone`: what `make up` and `make demo` run."""

from standalone.cli import main

main()
