"""Says why a test is flaky: from JUnit XML history to cause, other party and fix."""

__version__ = "0.1.0"
