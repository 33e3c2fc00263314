"""What each CI system's variables mean, and which of them must not be believed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flakediag import ci
from flakediag.ci import CiInfo, from_environ

SHA, HEAD = "a" * 40, "b" * 40

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": SHA,
    "GITHUB_REF": "refs/heads/feature/x",
    "GITHUB_REF_NAME": "feature/x",
    "GITHUB_WORKFLOW": "CI",
    "GITHUB_JOB": "test",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "shop/orders",
    "RUNNER_NAME": "runner-3",
}
GITHUB_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "CI / test",
    "attempt": 2,
    "host": "runner-3",
    "url": "https://github.example/shop/orders/actions/runs/77/attempts/2",
    "project": "shop/orders",
}
PULL = {
    **GITHUB,
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_REF_NAME": "12/merge",
    "GITHUB_HEAD_REF": "fix/y",
    "GITHUB_BASE_REF": "main",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_REF_NAME": "feature/x",
    "CI_COMMIT_BRANCH": "feature/x",
    "CI_JOB_NAME": "test 2/5",
    "CI_NODE_INDEX": "2",
    "CI_NODE_TOTAL": "5",
    "CI_JOB_URL": "https://gitlab.example/shop/orders/-/jobs/9",
    "CI_PROJECT_PATH": "shop/orders",
    "CI_RUNNER_DESCRIPTION": "blue",
    "CI_JOB_TOKEN": "secret",
}
GITLAB_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "test",
    "shard": "2/5",
    "host": "blue",
    "url": "https://gitlab.example/shop/orders/-/jobs/9",
    "project": "shop/orders",
}
MERGE_REQUEST = {
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "fix/y",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_COMMIT_REF_NAME": "refs/merge-requests/12/merge",
    "CI_COMMIT_BRANCH": "",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "BUILD_NUMBER": "5",
    "BUILD_URL": "https://jenkins.example/job/orders/job/feature%252Fx/5/",
    "JOB_NAME": "orders/feature%2Fx",
    "BRANCH_NAME": "feature/x",
    "GIT_BRANCH": "origin/feature/x",
    "GIT_COMMIT": SHA,
    "GIT_URL": "https://user:token@git.example/shop/orders.git",
    "NODE_NAME": "agent-1",
    "STAGE_NAME": "Test",
}
JENKINS_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "orders / Test",
    "host": "agent-1",
    "url": "https://jenkins.example/job/orders/job/feature%252Fx/5/",
    "project": "shop/orders",
}
CIRCLE = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_BRANCH": "feature/x",
    "CIRCLE_JOB": "test",
    "CIRCLE_NODE_INDEX": "0",
    "CIRCLE_NODE_TOTAL": "4",
    "CIRCLE_BUILD_URL": "https://circle.example/9",
    "CIRCLE_PROJECT_USERNAME": "shop",
    "CIRCLE_PROJECT_REPONAME": "orders",
}
CIRCLE_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "test",
    "shard": "1/4",
    "url": "https://circle.example/9",
    "project": "shop/orders",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_BRANCH": "feature/x",
    "BUILDKITE_LABEL": ":python: tests",
    "BUILDKITE_STEP_KEY": "tests",
    "BUILDKITE_RETRY_COUNT": "1",
    "BUILDKITE_PARALLEL_JOB": "0",
    "BUILDKITE_PARALLEL_JOB_COUNT": "3",
    "BUILDKITE_AGENT_NAME": "agent-1",
    "BUILDKITE_BUILD_URL": "https://buildkite.example/shop/orders/builds/5",
    "BUILDKITE_JOB_ID": "0190",
    "BUILDKITE_ORGANIZATION_SLUG": "shop",
    "BUILDKITE_PIPELINE_SLUG": "orders",
    "BUILDKITE_PULL_REQUEST": "false",
}
BUILDKITE_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "orders / tests",
    "attempt": 2,
    "shard": "1/3",
    "host": "agent-1",
    "url": "https://buildkite.example/shop/orders/builds/5#0190",
    "project": "shop/orders",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_SOURCEVERSION": SHA,
    "BUILD_SOURCEBRANCH": "refs/heads/feature/x",
    "BUILD_SOURCEBRANCHNAME": "x",
    "BUILD_DEFINITIONNAME": "ci",
    "SYSTEM_JOBNAME": "test",
    "SYSTEM_JOBATTEMPT": "3",
    "SYSTEM_JOBPOSITIONINPHASE": "2",
    "SYSTEM_TOTALJOBSINPHASE": "2",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.example/shop/",
    "SYSTEM_TEAMPROJECT": "Our Shop",
    "BUILD_BUILDID": "55",
    "BUILD_REPOSITORY_NAME": "shop/orders",
    "AGENT_MACHINENAME": "fv-1",
}
AZURE_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "ci / test",
    "attempt": 3,
    "shard": "2/2",
    "host": "fv-1",
    "url": "https://dev.azure.example/shop/Our%20Shop/_build/results?buildId=55",
    "project": "shop/orders",
}
BITBUCKET = {
    "BITBUCKET_BUILD_NUMBER": "9",
    "BITBUCKET_COMMIT": SHA,
    "BITBUCKET_BRANCH": "feature/x",
    "BITBUCKET_REPO_FULL_NAME": "shop/orders",
    "BITBUCKET_PARALLEL_STEP": "1",
    "BITBUCKET_PARALLEL_STEP_COUNT": "2",
}
BITBUCKET_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "shard": "2/2",
    "url": "https://bitbucket.org/shop/orders/pipelines/results/9",
    "project": "shop/orders",
}
TRAVIS = {
    "TRAVIS": "true",
    "TRAVIS_COMMIT": SHA,
    "TRAVIS_BRANCH": "feature/x",
    "TRAVIS_JOB_NAME": "py312",
    "TRAVIS_JOB_WEB_URL": "https://travis.example/jobs/1",
    "TRAVIS_REPO_SLUG": "shop/orders",
    "TRAVIS_PULL_REQUEST": "false",
}
TRAVIS_SAYS = {
    "commit": SHA,
    "branch": "feature/x",
    "job": "py312",
    "url": "https://travis.example/jobs/1",
    "project": "shop/orders",
}

SAID: dict[str, tuple[str, dict[str, str], dict[str, object]]] = {
    "a push": ("github", GITHUB, GITHUB_SAYS),
    "a tag is no branch": ("github", {**GITHUB, "GITHUB_REF": "refs/tags/v1"}, {**GITHUB_SAYS, "branch": None}),
    "a pull request, no event file": (
        "github",
        PULL,
        {**GITHUB_SAYS, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "gitlab": ("gitlab", GITLAB, GITLAB_SAYS),
    "gitlab, not parallel": (
        "gitlab",
        {**GITLAB, "CI_JOB_NAME": "test 3/4", "CI_NODE_INDEX": "", "CI_NODE_TOTAL": "1", "CI_JOB_RETRY_COUNT": "1"},
        {**GITLAB_SAYS, "job": "test 3/4", "shard": None, "attempt": 2},
    ),
    "gitlab, merge request": (
        "gitlab",
        {**GITLAB, **MERGE_REQUEST},
        {**GITLAB_SAYS, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "gitlab, merged results": (
        "gitlab",
        {**GITLAB, **MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD},
        {**GITLAB_SAYS, "commit": HEAD, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "gitlab, tag": (
        "gitlab",
        {**GITLAB, "CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"},
        {**GITLAB_SAYS, "branch": None},
    ),
    "jenkins, multibranch": ("jenkins", JENKINS, JENKINS_SAYS),
    "jenkins, pull request": (
        "jenkins",
        {
            **JENKINS,
            "JOB_NAME": "orders/PR-12",
            "BRANCH_NAME": "PR-12",
            "GIT_BRANCH": "PR-12",
            "CHANGE_ID": "12",
            "CHANGE_BRANCH": "fix/y",
            "CHANGE_TARGET": "main",
        },
        {**JENKINS_SAYS, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "jenkins, freestyle": (
        "jenkins",
        {
            **JENKINS,
            "BRANCH_NAME": "",
            "JOB_NAME": "nightly",
            "STAGE_NAME": "",
            "GIT_URL": "git@git.example:shop/orders.git",
        },
        {**JENKINS_SAYS, "job": "nightly"},
    ),
    "jenkins, tag": (
        "jenkins",
        {**JENKINS, "TAG_NAME": "v1", "BRANCH_NAME": "v1", "JOB_NAME": "orders/v1"},
        {**JENKINS_SAYS, "branch": None},
    ),
    "circleci": ("circleci", CIRCLE, CIRCLE_SAYS),
    "circleci, one container": (
        "circleci",
        {**CIRCLE, "CIRCLE_NODE_TOTAL": "1", "CIRCLE_PULL_REQUEST": "https://github.example/shop/orders/pull/12"},
        {**CIRCLE_SAYS, "shard": None, "pull_request": "12"},
    ),
    "circleci, fork": (
        "circleci",
        {**CIRCLE, "CIRCLE_BRANCH": "pull/12", "CIRCLE_PR_NUMBER": "12"},
        {**CIRCLE_SAYS, "branch": None, "pull_request": "12"},
    ),
    "buildkite": ("buildkite", BUILDKITE, BUILDKITE_SAYS),
    "buildkite, pull request": (
        "buildkite",
        {**BUILDKITE, "BUILDKITE_PULL_REQUEST": "12", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main"},
        {**BUILDKITE_SAYS, "pull_request": "12", "base": "main"},
    ),
    "buildkite, tag": ("buildkite", {**BUILDKITE, "BUILDKITE_TAG": "v1"}, {**BUILDKITE_SAYS, "branch": None}),
    "azure": ("azure", AZURE, AZURE_SAYS),
    "azure, pull request": (
        "azure",
        {
            **AZURE,
            "BUILD_SOURCEBRANCH": "refs/pull/12/merge",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/fix/y",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD,
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "900",
            "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "12",
        },
        {**AZURE_SAYS, "commit": HEAD, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "bitbucket": ("bitbucket", BITBUCKET, BITBUCKET_SAYS),
    "bitbucket, pull request": (
        "bitbucket",
        {**BITBUCKET, "BITBUCKET_PR_ID": "12", "BITBUCKET_PR_DESTINATION_BRANCH": "main"},
        {**BITBUCKET_SAYS, "pull_request": "12", "base": "main"},
    ),
    "bitbucket, tag": (
        "bitbucket",
        {**BITBUCKET, "BITBUCKET_BRANCH": "", "BITBUCKET_TAG": "v1"},
        {**BITBUCKET_SAYS, "branch": None},
    ),
    "travis": ("travis", TRAVIS, TRAVIS_SAYS),
    "travis, pull request": (
        "travis",
        {
            **TRAVIS,
            "TRAVIS_BRANCH": "main",
            "TRAVIS_PULL_REQUEST": "12",
            "TRAVIS_PULL_REQUEST_BRANCH": "fix/y",
            "TRAVIS_PULL_REQUEST_SHA": HEAD,
        },
        {**TRAVIS_SAYS, "commit": HEAD, "branch": "fix/y", "pull_request": "12", "base": "main"},
    ),
    "travis, tag": ("travis", {**TRAVIS, "TRAVIS_TAG": "v1", "TRAVIS_BRANCH": "v1"}, {**TRAVIS_SAYS, "branch": None}),
    # Variables of others beside those of the one that runs the job.
    "github on a machine of jenkins": ("github", {**JENKINS, **GITHUB}, GITHUB_SAYS),
    "numbers that are none": (
        "github",
        {**GITHUB, "GITHUB_RUN_ATTEMPT": "x"},
        {**GITHUB_SAYS, "attempt": None, "url": "https://github.example/shop/orders/actions/runs/77/attempts/x"},
    ),
}


@pytest.fixture(autouse=True)
def no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may find the repository that it lives in."""
    monkeypatch.setattr(ci, "_git", lambda folder, *arguments: None)


@pytest.mark.parametrize("what", SAID)
def test_what_the_environment_says(what: str) -> None:
    provider, environ, said = SAID[what]
    assert asdict(from_environ(environ)) == asdict(CiInfo(provider=provider, **said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "payload", "said"),
    [
        ("pull_request", {"number": 12, "pull_request": {"number": 12, "head": {"sha": HEAD}}}, {"commit": HEAD}),
        ("pull_request", {"pull_request": {"head": {"sha": "no"}}}, {"commit": SHA}),
        ("pull_request", {"pull_request": [1]}, {"commit": SHA}),
        ("pull_request", [], {"commit": SHA}),
        ("pull_request", "{not json", {"commit": SHA}),
        ("pull_request", "[" * 100_000, {"commit": SHA}),
        ("push", {"pull_request": {"head": {"sha": HEAD}}}, {"commit": SHA}),
        (
            "workflow_run",
            {
                "workflow_run": {
                    "head_sha": HEAD,
                    "head_branch": "fix/y",
                    "name": "Tests",
                    "run_attempt": 4,
                    "html_url": "u",
                }
            },
            {"commit": HEAD, "branch": "fix/y", "job": "Tests", "attempt": 4, "url": "u", "host": None},
        ),
    ],
)
def test_github_tells_the_head_commit_in_its_event_file(
    tmp_path: Path, event: str, payload: object, said: dict[str, object]
) -> None:
    path = tmp_path / "event.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload), encoding="utf-8")
    info = from_environ({**PULL, "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(path)})
    assert {key: getattr(info, key) for key in said} == said


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CI": "true"},
        {"GITHUB_ACTIONS": "false", "GITHUB_SHA": SHA},
        {"GITHUB_SHA": SHA, "CI_COMMIT_SHA": SHA, "GIT_COMMIT": SHA, "TRAVIS_COMMIT": SHA},
        {"JENKINS_URL": "https://jenkins.example/"},
        {"COMMIT": SHA, "BRANCH": "main", "BRANCH_NAME": "main", "HOSTNAME": "box"},
    ],
)
def test_nobody_is_believed_to_run_the_job_without_saying_so(environ: dict[str, str]) -> None:
    assert from_environ(environ) == CiInfo(provider="git")


def git(folder: Path, *arguments: str) -> str:
    environ = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=trunk")
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True).stdout.strip()


def test_without_a_ci_system_git_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    git(tmp_path, "init", "--quiet")
    assert from_environ({}, folder=tmp_path) == CiInfo(provider="git", branch="trunk")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    made = datetime.fromtimestamp(int(git(tmp_path, "log", "-1", "--format=%ct")), UTC)
    here = CiInfo(provider="git", commit=commit, commit_time=made, branch="trunk")
    assert from_environ({}, folder=tmp_path) == here
    # A provider that names no commit, or none yet, is helped out.
    info = from_environ({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, folder=tmp_path)
    assert (info.provider, info.commit, info.commit_time, info.branch) == ("buildkite", commit, made, "feature/x")
    git(tmp_path, "checkout", "--quiet", "--detach")
    assert from_environ({}, folder=tmp_path) == replace(here, branch=None)


def test_a_missing_or_broken_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert from_environ({}, folder=tmp_path / "gone") == CiInfo(provider="git")
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(ci, "GIT_TIMEOUT", 0.2)
    assert from_environ({}, folder=tmp_path) == CiInfo(provider="git")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert from_environ({}) == CiInfo(provider="git")
