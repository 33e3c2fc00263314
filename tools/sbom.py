"""The bill of materials of what runs flakediag, as it is installed here: CycloneDX 1.6, in JSON.

    python tools/sbom.py [build/sbom.json]

The packages of the extras that are installed here stand in it too, as optional and with the extra that asks for them.
Fails, naming the package, where a licence is not one of tools/licences.toml or is not said at all. Reads the metadata
of the installed packages and nothing else, and writes the same bytes for the same packages.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

LICENCES = tomllib.loads(Path(__file__).with_name("licences.toml").read_text("utf-8"))
ROOT_PACKAGE = "flakediag"
EXTRAS = ("parquet", "postgresql", "columnar", "fleet", "pictures")
"""What a user may install with flakediag, and what flakediag then imports; not what it is developed with."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)[^;]*(?:;(.*))?")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(package: Distribution) -> list[str]:
    """What a package needs here, as it is called there: extras are left out, and what only other systems need."""
    matches = [match for line in package.requires or () if (match := _REQUIREMENT.match(line))]
    return [m[1] for m in matches if not m[2] or ("extra" not in m[2] and _is_installed(m[1]))]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def of_extra(extra: str, root: str = ROOT_PACKAGE) -> list[str]:
    """What an extra of `root` asks for, as far as it is installed here."""
    matches = [match for line in distribution(root).requires or () if (match := _REQUIREMENT.match(line))]
    wanted = re.compile(rf"""extra\s*==\s*['"]{extra}['"]""")
    return [m[1] for m in matches if m[2] and wanted.search(m[2]) and _is_installed(m[1])]


def extras(root: str = ROOT_PACKAGE) -> dict[str, set[str]]:
    """The extras by what is installed because of them alone: normalised name → extras."""
    always = installed(root)
    found: dict[str, set[str]] = {}
    for extra in EXTRAS:
        for name in installed(*of_extra(extra, root)).keys() - always.keys():
            found.setdefault(name, set()).add(extra)
    return found


def installed(*roots: str) -> dict[str, Distribution]:
    """By normalised name: these packages and all that they need, themselves or through others."""
    found: dict[str, Distribution] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if normal(name) not in found:
            package = distribution(name)
            found[normal(name)] = package
            waiting += needs(package)
    return found


def licence(metadata: Mapping[str, Any], classifiers: Iterable[str]) -> str | None:
    """As an SPDX expression; None where it says none, or one that the table does not know."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    said = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    said += [str(metadata.get("License") or "").strip()]
    spelt = LICENCES["spelt"]
    for text in said:
        if text in spelt or text in LICENCES["accepted"]:
            return str(spelt.get(text, text))
    return None


def permissive(expression: str | None, *, optional: bool = False) -> bool:
    """Whether one of the alternatives is accepted in all its parts, for what is `optional` also those of libraries
    that one may use but has to leave exchangeable. What is not understood is not."""
    if expression is None:
        return False
    accepted = [*LICENCES["accepted"], *(LICENCES["accepted_in_extras"] if optional else ())]
    parts = [each.split(" AND ") for each in expression.split(" OR ")]
    return any(all(part.strip() in accepted for part in each) for each in parts)


def bill(
    packages: Mapping[str, Distribution], optional: Mapping[str, Iterable[str]], root: str = ROOT_PACKAGE
) -> dict[str, Any]:
    """The document; its serial number is made from its content. `optional`: what only extras ask for, and which."""
    described = {name: _component(package, optional.get(name, ())) for name, package in sorted(packages.items())}
    main = described.pop(normal(root)) | {"type": "application"}
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": list(described.values()),
        "dependencies": [
            {
                "ref": _purl(package),
                "dependsOn": sorted(_purl(packages[each]) for each in _asked(name, package, packages)),
            }
            for name, package in sorted(packages.items())
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": number.urn}


def _asked(name: str, package: Distribution, packages: Mapping[str, Distribution]) -> set[str]:
    """What a package needs, by normalised name; of flakediag's extras, what is among the packages."""
    mine = {normal(each) for each in needs(package)}
    if name == ROOT_PACKAGE:
        mine |= {normal(each) for extra in EXTRAS for each in of_extra(extra)} & packages.keys()
    return mine


def _purl(package: Distribution) -> str:
    return f"pkg:pypi/{normal(package.metadata['Name'])}@{package.version}"


def _component(package: Distribution, extras: Iterable[str]) -> dict[str, Any]:
    found = _licence_of(package)
    more = {
        "scope": "optional",
        "properties": [{"name": "flakediag:extra", "value": extra} for extra in sorted(extras)],
    }
    return {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.metadata["Name"],
        "version": package.version,
        "purl": _purl(package),
        "licenses": [{"expression": found}] if found else [],
        **(more if more["properties"] else {"scope": "required"}),
    }


def _licence_of(package: Distribution) -> str | None:
    metadata = package.metadata
    if read := LICENCES["read"].get(normal(metadata["Name"])):
        return str(read)
    return licence({key: metadata[key] for key in metadata}, metadata.get_all("Classifier") or ())


def refused(packages: Mapping[str, Distribution], optional: Iterable[str] = ()) -> list[str]:
    """A line for each package whose licence is not known to be accepted; `optional` are those of extras."""
    return [
        f"{name} {package.version}: its licence is {found or 'not known'}"
        for name, package in sorted(packages.items())
        if not permissive(found := _licence_of(package), optional=name in optional)
    ]


def main() -> None:
    optional = extras()
    packages = installed(ROOT_PACKAGE, *optional)
    if problems := refused(packages, optional):
        hint = "hint: a permissive licence that is missing belongs into tools/licences.toml"
        raise SystemExit("\n".join([*problems, hint]))
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/sbom.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(packages, optional), indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(packages) - 1} packages, {len(optional)} of them for extras; licences accepted all")


if __name__ == "__main__":
    main()
