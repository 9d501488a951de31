"""`python -m vivavoce`."""

from vivavoce.cli import main

raise SystemExit(main())
