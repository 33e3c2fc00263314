"""Documents held against the schema that the package ships."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files("flakediag.report").joinpath("report.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(loaded)
    return loaded


def valid(document: Any, name: str | None = None) -> Any:
    """`document`, once it fits the schema of `report`, or that of the command called `name`."""
    whole = schema()["$id"]
    target = {"$ref": whole if name is None else f"{whole}#/$defs/{name}"}
    registry = Registry().with_resource(whole, Resource.from_contents(schema()))
    Draft202012Validator(target, registry=registry, format_checker=FormatChecker()).validate(document)
    return document
