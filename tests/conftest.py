"""For all tests."""

import os

from hypothesis import settings

os.environ["FLAKEDIAG_CACHE"] = "off"  # no test reads or leaves anything in the cache of whoever runs it

# CI tries the same examples each time, so that what it says is about the change; elsewhere they are new ones each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
