"""`python -m mi_core`."""

from mi_core.cli.main import main

raise SystemExit(main())
