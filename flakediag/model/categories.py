"""What the analysis tells apart."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    STABLE = "stable"
    FLAKY = "flaky"
    BROKEN = "broken"
    FIXED = "fixed"
    NEW = "new"
    INSUFFICIENT = "insufficient"


class Category(StrEnum):
    """The causes of intermittent failure that flakediag tells apart."""

    ORDER = "order-dependence"
    TIMING = "timing"
    PORT = "port-conflict"
    NETWORK = "network"
    RESOURCE = "resource"
    RANDOMNESS = "randomness"
    CLOCK = "clock"
    CONCURRENCY = "concurrency"
    ENVIRONMENT = "environment"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class Boundary(StrEnum):
    """The boundary of the system under test at which a failure showed."""

    VALIDATION = "validation"
    DATABASE = "database"
    AUTHENTICATION = "authentication"
    QUEUE = "queue"
    SERIALISATION = "serialisation"
    HTTP = "http"
    CACHE = "cache"
    FILE_SYSTEM = "file-system"
    EXTERNAL_SERVICE = "external-service"
