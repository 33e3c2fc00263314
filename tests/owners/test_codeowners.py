"""CODEOWNERS as GitHub and GitLab document it."""

from __future__ import annotations

import pytest

from flakediag.owners.codeowners import Host, glob, host_of, parse

# The cases that GitHub's documentation of code owners explains one by one.
GITHUB = """
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/*  docs@example.com
apps/ @octocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("@global-owner1", "@global-owner2")),
        ("deep/down/x.py", ("@global-owner1", "@global-owner2")),
        ("src/app.js", ("@js-owner",)),
        ("main.go", ("docs@example.com",)),
        ("notes/a.txt", ("@octo-org/octocats",)),
        ("build/logs/today/x", ("@octocat",)),  # **/logs stands later
        ("docs/getting-started.md", ("docs@example.com",)),
        ("docs/build-app/troubleshooting.md", ("@global-owner1", "@global-owner2")),
        ("src/apps/a/b.c", ("@octocat",)),
        ("scripts/x.sh", ("@doctocat", "@octocat")),
        ("deeply/nested/logs/x", ("@octocat",)),
        ("apps/github/x.c", ()),  # a line without owners takes them away
        ("apps/github.c", ("@octocat",)),
    ],
)
def test_the_examples_of_github(path: str, owners: tuple[str, ...]) -> None:
    assert parse(GITHUB, Host.GITHUB).owners_of(path) == owners


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("foo", "foo", True),
        ("foo", "a/foo/b.py", True),  # a name is also the folder's
        ("foo", "foobar", False),
        ("a/foo", "a/foo/b.py", True),
        ("a/foo", "x/a/foo/b.py", False),  # a slash inside anchors
        ("/foo", "a/foo", False),
        ("foo/", "foo", False),  # the folder only
        ("foo/**/bar", "foo/bar", True),
        ("foo/**/bar", "foo/x/y/bar", True),
        ("foo/**", "foo/x/y", True),
        ("foo/**", "foo", False),
        ("*.PY", "a.py", False),  # case counts
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),  # a dot is a dot
        ("path\\ with\\ spaces/", "path with spaces/x", True),
    ],
)
def test_patterns_as_in_gitignore(pattern: str, path: str, matches: bool) -> None:
    assert (parse(f"{pattern} @x", Host.GITHUB).owners_of(path) == ("@x",)) is matches


@pytest.mark.parametrize("line", ["!docs/ @x", "\\#a @x", "a[bc].py @x", "docs/ not-an-owner"])
def test_lines_that_github_does_not_understand_are_skipped_and_counted(line: str) -> None:
    owners = parse(f"* @all\n{line}\n", Host.GITHUB)
    assert owners.skipped == (2,)
    assert owners.owners_of("docs/a") == owners.owners_of("ab.py") == ("@all",)


# The cases that GitLab's reference of the CODEOWNERS syntax explains.
GITLAB = r"""
* @default-codeowner
*.rb @ruby-owner
\#file_with_pound.rb @owner-file-with-pound
LICENSE @legal this does not match janedoe@gitlab.com
README @group @group/with-nested/subgroup
/docs/ @all-docs
/docs/* @root-docs
lib/ @lib-owner
/config/ @@maintainer
path\ with\ spaces/ @space-owner
*.[ch] @c-owner
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("a/b/c", ("@default-codeowner",)),
        (".hidden", ("@default-codeowner",)),
        ("app/x.rb", ("@ruby-owner",)),
        ("#file_with_pound.rb", ("@owner-file-with-pound",)),
        ("LICENSE", ("@legal", "janedoe@gitlab.com")),
        ("sub/README", ("@group", "@group/with-nested/subgroup")),
        ("docs/index.md", ("@root-docs",)),
        ("docs/projects/index.md", ("@all-docs",)),
        ("a/lib/b/c.py", ("@lib-owner",)),
        ("config/x/y", ("@@maintainer",)),
        ("a/config/x", ("@default-codeowner",)),
        ("a/path with spaces/b", ("@space-owner",)),
        ("src/x.h", ("@c-owner",)),
        ("src/x.m", ("@default-codeowner",)),
    ],
)
def test_the_examples_of_gitlab(path: str, owners: tuple[str, ...]) -> None:
    assert parse(GITLAB, Host.GITLAB).owners_of(path) == owners


SECTIONS = """
* @general-approvers

[Documentation] @docs-team
docs/
README.md
*.txt

^[Database][2] @database-team
model/db/
config/db/database-setup.md @docs-team

[DOCUMENTATION]
*.rst @rst

[Ruby]
*.rb @ruby
!/config/*
*.rb @late
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("x", ("@general-approvers",)),
        ("docs/a.md", ("@general-approvers", "@docs-team")),  # each section for itself
        ("model/db/a.py", ("@general-approvers", "@database-team")),
        ("config/db/database-setup.md", ("@general-approvers", "@docs-team")),  # instead of the default
        ("docs/a.rst", ("@general-approvers", "@rst")),  # the same section, whatever the case
        ("a/b.rb", ("@general-approvers", "@late")),
        ("config/b.rb", ("@general-approvers",)),  # an exclusion is final in its section
    ],
)
def test_the_sections_of_gitlab(path: str, owners: tuple[str, ...]) -> None:
    assert parse(SECTIONS, Host.GITLAB).owners_of(path) == owners


def test_whose_rules_a_file_follows() -> None:
    assert host_of(".gitlab/CODEOWNERS", "* @a") is Host.GITLAB
    assert host_of(".github/CODEOWNERS", "[Section]\n* @a") is Host.GITHUB
    assert host_of("CODEOWNERS", "* @a\n^[Docs][2] @b\n") is Host.GITLAB
    assert host_of("docs/CODEOWNERS", "*.[ch] @a\n") is Host.GITHUB


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("tests/api/**", "tests/api/a/test_x.py", True),
        ("tests/api/**", "tests/apis/test_x.py", False),
        ("tests/api/", "tests/api/a/test_x.py", True),
        ("tests/*.py", "tests/test_x.py", True),
        ("tests/*.py", "tests/api/test_x.py", False),
        ("test_x.py", "tests/api/test_x.py", True),
        ("tests", "tests/test_x.py", False),  # a rule names files; tests/ is all below
    ],
)
def test_the_globs_of_the_gate(pattern: str, path: str, matches: bool) -> None:
    assert glob(pattern).matches(path) is matches


def test_a_long_pattern_costs_no_exponential_time() -> None:
    assert parse("**/a/" * 12 + "x @a", Host.GITHUB).owners_of("a/" * 200 + "y") == ()
