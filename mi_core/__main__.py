"""`python -m mi_core`."""

from mi_core.cli import main

raise SystemExit(main())
