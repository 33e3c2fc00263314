"""Runners that are told by a file: Surefire, Gradle, RSpec.

What is written holds names of tests, in a syntax in which they cannot become code.
"""

from __future__ import annotations

from collections.abc import Sequence

from flakediag.model import Identity, RunnerSelection
from flakediag.quarantine.patterns import java_method

_PARAMETERS = "a parametrised test is chosen with all its parameters"


def surefire(tests: Sequence[Identity]) -> RunnerSelection:
    """`-Dtest=!…` would also drop the project's own includes and excludes, and with them run what it never ran: the
    exclusions go into a file."""
    methods: dict[str, list[str]] = {}
    for name, method in dict.fromkeys(map(java_method, tests)):
        methods.setdefault(name, []).append(method)
    file = "flakediag-quarantine.txt"
    return RunnerSelection(
        runner="surefire",
        main="mvn test {}",
        quarantined="mvn test {}",
        without=(f"-Dsurefire.excludesFile={file}",),
        only=(
            "-Dtest=" + ",".join(f"{name}#{'+'.join(names)}" for name, names in methods.items()),
            "-Dmaven.test.failure.ignore=true",
            "-Dsurefire.failIfNoSpecifiedTests=false",
        ),
        file=(file, "".join(f"{name}#{method}\n" for name, names in methods.items() for method in names)),
        notes=(_PARAMETERS,),
    )


def gradle(tests: Sequence[Identity]) -> RunnerSelection:
    file = "flakediag-quarantine.gradle"
    names = ",\n".join(f"  '{name}.{method}'" for name, method in dict.fromkeys(map(java_method, tests)))
    return RunnerSelection(
        runner="gradle",
        main="gradle {} test",
        quarantined="gradle {} test",
        without=("--init-script", file),
        only=("--init-script", file, "-PflakediagQuarantined"),
        file=(file, _GRADLE.replace("NAMES", names)),
        notes=(_PARAMETERS,),
    )


_GRADLE = """\
// Made by: flakediag quarantine export --for gradle
def quarantined = [
NAMES
]
def only = gradle.startParameter.projectProperties.containsKey('flakediagQuarantined')
allprojects {
  tasks.withType(Test).configureEach {
    filter {
      failOnNoMatchingTests = false
      quarantined.each { only ? includeTestsMatching(it) : excludeTestsMatching(it) }
    }
    if (only) ignoreFailures = true
  }
}
"""


def rspec(tests: Sequence[Identity]) -> RunnerSelection:
    """The file puts a tag on the examples, found by file and full description as rspec_junit_formatter writes them."""
    file = "flakediag-quarantine.rb"
    rows = "".join(f"  [{_ruby(_dotted(test))}, {_ruby(test.name)}],\n" for test in tests)
    return RunnerSelection(
        runner="rspec",
        main="rspec {}",
        quarantined="rspec {}",
        without=("--require", f"./{file}", "--tag", "~flakediag_quarantined"),
        only=("--require", f"./{file}", "--tag", "flakediag_quarantined"),
        file=(file, _RSPEC.replace("ROWS", rows)),
        notes=("examples whose description RSpec makes from the matcher cannot be chosen",),
    )


def _dotted(test: Identity) -> str:
    """The file as the formatter writes it for the class name: `spec.models.order_spec`."""
    if test.classname:
        return test.classname
    return test.file.removeprefix("./").removesuffix(".rb").replace("/", ".").strip(".")


def _ruby(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_RSPEC = """\
# Made by: flakediag quarantine export --for rspec
quarantined = [
ROWS].to_h { |row| [row, true] }
RSpec.configure do |config|
  config.define_derived_metadata do |metadata|
    group = metadata[:example_group]
    next unless group # only examples, not groups
    group = group[:parent_example_group] while group[:parent_example_group]
    next unless group[:file_path] # the hooks around the suite
    file = group[:file_path].sub(%r{\\.[^/]*\\Z}, '').gsub('/', '.').gsub(/\\A\\.+|\\.+\\Z/, '')
    metadata[:flakediag_quarantined] = true if quarantined[[file, metadata[:full_description]]]
  end
end
"""
