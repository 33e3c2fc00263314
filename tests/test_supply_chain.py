"""What is installed is what was pinned, by its hash, and what runs flakediag is free to be passed on."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import pins  # noqa: E402
import sbom  # noqa: E402

sys.path.remove(str(ROOT / "tools"))

FILES = {name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in pins.FILES}


def names(requirements: list[str]) -> set[str]:
    return {pins.normal(re.split(r"[^\w.-]", line)[0]) for line in requirements}


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    text = FILES[name].replace("\\\n", "")
    for line in (line for line in text.splitlines() if not line.startswith("#")):
        assert re.fullmatch(r"[\w.-]+==[\w.]+(?: ; [^#]+?)?\s+(?:--hash=sha256:[0-9a-f]{64}\s*)+", line), line
    assert not re.search(r"://|--index|--find-links|@ ", text)


@pytest.mark.parametrize("name", FILES)
def test_the_versions_are_those_of_the_constraints(name: str) -> None:
    constrained = pins.pins_in((ROOT / "constraints.txt").read_text("utf-8"))
    known = {pins.normal(each): version for each, version in constrained.items()}
    assert {(n, known.get(pins.normal(n))) for n in pins.pins_in(FILES[name])} == set(pins.pins_in(FILES[name]).items())


def test_all_that_the_project_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = names([*project["build-system"]["requires"], *project["project"]["dependencies"]])
    assert runtime <= names(list(pins.pins_in(FILES["runtime"])))
    dev = names(project["project"]["optional-dependencies"]["dev"])
    assert runtime | dev <= names(list(pins.pins_in(FILES["test"])))
    assert pins.pins_in(FILES["runtime"]).items() <= pins.pins_in(FILES["test"]).items()


def test_new_pins_leave_the_old_ones_and_their_spelling() -> None:
    old = "# why\nJinja2==3.1.6\ngone==1.0\nuv==0.13.9\n"
    wanted = {"jinja2": "3.1.6", "attrs": "26.1.0"}
    assert pins.constraints(old, wanted) == "# why\nattrs==26.1.0\nJinja2==3.1.6\nuv==0.13.9\n"


def test_every_licence_of_what_runs_flakediag_is_permissive() -> None:
    assert sbom.refused(sbom.installed()) == []


def test_those_of_the_extras_are_accepted_too() -> None:
    optional = sbom.extras()
    if not optional:
        pytest.skip("no extra is installed")
    assert sbom.refused(sbom.installed(*optional), optional) == []


def test_what_must_stay_exchangeable_is_for_extras_alone() -> None:
    for expression in ("LGPL-3.0-only", "MIT AND LGPL-3.0-or-later"):
        assert not sbom.permissive(expression)
        assert sbom.permissive(expression, optional=True)
    for expression in ("GPL-3.0-only", "AGPL-3.0-only", "LGPL-3.0-only AND GPL-3.0-only", None):
        assert not sbom.permissive(expression, optional=True)
    always = {name for name, package in sbom.installed().items() if "LGPL" in str(sbom._licence_of(package))}
    assert not always


def test_every_extra_of_a_user_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"].keys()
    assert {*sbom.EXTRAS} == extras - {"docs", "fuzz", "dev"}


@pytest.mark.parametrize(
    ("metadata", "classifiers", "expected", "free"),
    [
        ({"License-Expression": "MIT"}, [], "MIT", True),
        ({"License-Expression": "BSD-3-Clause AND Zlib"}, [], "BSD-3-Clause AND Zlib", True),
        ({"License-Expression": "GPL-3.0-only OR MIT"}, [], "GPL-3.0-only OR MIT", True),
        ({"License-Expression": "MIT AND GPL-2.0-only"}, [], "MIT AND GPL-2.0-only", False),
        ({"License-Expression": "MIT AND (ISC OR AGPL-3.0)"}, [], "MIT AND (ISC OR AGPL-3.0)", False),
        ({}, ["License :: OSI Approved :: MIT License"], "MIT", True),
        ({"License": "Apache 2.0"}, ["Topic :: Testing"], "Apache-2.0", True),
        ({"License": "see the file"}, [], None, False),
        ({}, ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"], None, False),
        ({}, [], None, False),
    ],
)
def test_how_a_licence_is_read(
    metadata: dict[str, str], classifiers: list[str], expected: str | None, free: bool
) -> None:
    assert sbom.licence(metadata, classifiers) == expected
    assert sbom.permissive(expected) is free


def test_the_bill_names_each_package_once_and_whom_it_needs() -> None:
    optional = sbom.extras()
    packages = sbom.installed("flakediag", *optional)
    bill = sbom.bill(packages, optional)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "flakediag"
    refs = [component["bom-ref"] for component in bill["components"]]
    assert len(refs) == len(set(refs)) == len(packages) - 1
    every = {*refs, bill["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in bill["dependencies"]} == every
    assert all(set(each["dependsOn"]) <= every for each in bill["dependencies"])
    asked = next(each for each in bill["dependencies"] if each["ref"].startswith("pkg:pypi/flakediag@"))["dependsOn"]
    assert any(ref.startswith("pkg:pypi/click@") for ref in asked)
    assert sbom.bill(packages, optional) == bill


def test_the_bill_tells_what_only_an_extra_asks_for() -> None:
    optional = sbom.extras()
    bill = sbom.bill(sbom.installed("flakediag", *optional), optional)
    said = {
        sbom.normal(each["name"]): {more["value"] for more in each.get("properties", ())}
        for each in bill["components"]
        if each["scope"] == "optional"
    }
    assert said == optional
    assert "click" not in said
    for name, extra in {"psycopg": "postgresql", "duckdb": "columnar", "distributed": "fleet"}.items():
        if name in said:
            assert extra in said[name]
