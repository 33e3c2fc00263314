"""For all tests."""

import os

os.environ["FLAKEDIAG_CACHE"] = "off"  # no test reads or leaves anything in the cache of whoever runs it
