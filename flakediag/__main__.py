"""`python -m flakediag`."""

import sys

from flakediag.cli import main

sys.exit(main())
