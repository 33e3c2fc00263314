"""Tests on devices: Maestro, Flank and Firebase Test Lab, Android's connected tests."""

from __future__ import annotations

import re

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_unknown
from flakediag.junit.dialects.place import Place, by_class, suites_around
from flakediag.junit.dialects.signs import properties_named, suite_matches, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order

_MODEL = re.compile(r"(?P<model>.+?)(?:\(AVD\))? - (?P<rest>.+)", re.DOTALL)


def by_model(place: Place) -> Identity:
    """Maestro, Android: the model of the device is a variant ("iPhone 16 Pro - iOS 18.5 - …": "iPhone 16 Pro").

    A bare serial number ("emulator-5554") is not: the same test gets another device on another day.
    """
    around = suites_around(place)
    suite = around[-1] if around else None
    device = (suite.attributes.get("device") or suite.properties.get("device", "")) if suite else ""
    model = _MODEL.fullmatch(device)
    return by_class(place)._replace(variant=model["model"] if model else "")


def by_device(place: Place) -> Identity:
    """Flank: a suite per device, named by its model, version, language and orientation."""
    around = suites_around(place)
    return by_class(place)._replace(variant=around[-1].name if around else "")


def _maestro_sign(document: Document) -> str:
    first = document.first_case
    its = "id" in first and first.get("id") == first.get("name")
    device = its and all("device" in suite.attributes for suite in suites_of(document))
    return "suites name a device, and tests have their name for an id" if device else ""


DIALECTS = (
    Dialect(
        name="maestro",
        title="Maestro",
        family="Devices",
        sign="suites with a `device`, tests with an `id`",
        recognise=_maestro_sign,
        identity=by_model,
        names="file, flow; the model of the device is a variant",
        order=Order.UNKNOWN,
    ),
    Dialect(
        name="flank",
        title="Flank, Firebase Test Lab",
        family="Devices",
        sign="suites named `Pixel2-28-en-portrait`",
        recognise=suite_matches(
            r"[\w. ]+-\d+-[a-z]{2,3}(?:[_-][A-Z]{2})?-(?:portrait|landscape|default)", "suites are named by a device"
        ),
        identity=by_device,
        names="class, name; the device is a variant",
        order=Order.UNKNOWN,
        load=load_unknown,  # shards run on several devices, and their times are summed
    ),
    Dialect(
        name="android",
        title="Android connected tests",
        family="Devices",
        sign="properties `device`, `flavor`, `project`",
        recognise=properties_named("device", "flavor", "project"),
        identity=by_model,
        names="class, name; the model of the device is a variant",
        order=Order.EXECUTION,
        per_class=True,
    ),
)
