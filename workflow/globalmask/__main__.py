"""`python -m globalmask STAGE`."""

from globalmask.cli import main

main()
