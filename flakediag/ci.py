"""What the CI system says of the job that is running: commit, branch, job, attempt, shard, host, address.

A function per provider, each reading only the variables that its provider documents. Variables of the same name as a
provider's on another machine are not looked at: first it is decided who runs the job, then that one is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

Environ = Mapping[str, str]
GIT_TIMEOUT = 5.0  # seconds
_LARGEST_EVENT = 32 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CiInfo:
    """Who runs the job and on what. None where it does not say.

    `commit` is the commit that somebody wrote: of a pull request its head, where that is told, not the provisional
    merge commit. `branch` is None for tags. `attempt` counts from 1, `shard` is "2/5". `pull_request` is its number and
    `base` the branch that it goes to. `commit_time` is when git says that the commit was made.
    """

    provider: str
    commit: str | None = None
    commit_time: datetime | None = None
    branch: str | None = None
    job: str | None = None
    attempt: int | None = None
    shard: str | None = None
    host: str | None = None
    url: str | None = None
    project: str | None = None
    pull_request: str | None = None
    base: str | None = None


def from_environ(environ: Environ, *, folder: Path | None = None) -> CiInfo:
    """What the environment says; where no CI system is recognised, or it names no commit, what git says of `folder`.

    Never raises: what cannot be found out is None.
    """
    for recognised, read in _PROVIDERS:
        if recognised(environ):
            info = read(environ)
            if info.commit is not None:
                return info
            here = from_git(folder)
            return replace(info, commit=here.commit, commit_time=here.commit_time, branch=info.branch or here.branch)
    return from_git(folder)


def from_git(folder: Path | None = None) -> CiInfo:
    """The commit and the branch that are checked out in `folder` (default: the current one)."""
    head = _git(folder, "log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD") or ""
    commit, _, seconds = head.partition(" ")
    return CiInfo(
        provider="git",
        commit=_commit(commit),
        commit_time=datetime.fromtimestamp(int(seconds), UTC) if _number(seconds) is not None else None,
        branch=_branch(_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD")),
    )


def _git(folder: Path | None, *arguments: str) -> str | None:
    import subprocess  # here, because a CI system mostly says it all

    try:
        done = subprocess.run(
            ("git", *arguments),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


# --- values ------------------------------------------------------------------------------------------------------


def _first(environ: Environ, *names: str) -> str | None:
    """The first of the variables that is set to something."""
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


def _commit(text: str | None) -> str | None:
    return text.lower() if text and re.fullmatch(r"[0-9a-fA-F]{7,64}", text) else None


def _branch(ref: str | None) -> str | None:
    """A branch's name without where it stands; None for tags and for the refs of pull requests."""
    if not ref or ref == "HEAD" or ref.startswith(("refs/tags/", "refs/pull/", "refs/merge-requests/")):
        return None
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/").removeprefix("origin/") or None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 12 else None


def _attempt(text: str | None, first: int) -> int | None:
    """An attempt counted from 1, from a count that begins with `first`."""
    count = _number(text)
    return count - first + 1 if count is not None and count >= first else None


def _shard(index: str | None, total: str | None, first: int) -> str | None:
    """ "2/5" from an index that begins with `first`; None where there is only one."""
    number, count = _number(index), _number(total)
    if number is None or count is None or count < 2 or not first <= number < first + count:
        return None
    return f"{number - first + 1}/{count}"


def _joined(separator: str, *parts: str | None) -> str | None:
    return separator.join(part for part in parts if part) or None


def _pull_request(text: str | None) -> str | None:
    """A number; several providers say "false" where there is none."""
    return text if text and text.isdecimal() else None


# --- providers ---------------------------------------------------------------------------------------------------


def _github(environ: Environ) -> CiInfo:
    server, project = _first(environ, "GITHUB_SERVER_URL"), _first(environ, "GITHUB_REPOSITORY")
    run, attempt = _first(environ, "GITHUB_RUN_ID"), _first(environ, "GITHUB_RUN_ATTEMPT")
    url = f"{server}/{project}/actions/runs/{run}" if server and project and run else None
    ref = environ.get("GITHUB_REF", "")
    number = re.fullmatch(r"refs/pull/(\d+)/\w+", ref)
    info = CiInfo(
        provider="github",
        commit=_commit(_first(environ, "GITHUB_SHA")),
        branch=_first(environ, "GITHUB_HEAD_REF") or _branch(ref),
        job=_joined(" / ", _first(environ, "GITHUB_WORKFLOW"), _first(environ, "GITHUB_JOB")),
        attempt=_attempt(attempt, first=1),
        host=_first(environ, "RUNNER_NAME"),
        url=f"{url}/attempts/{attempt}" if url and attempt else url,
        project=project,
        pull_request=number[1] if number else None,
        base=_first(environ, "GITHUB_BASE_REF"),
    )
    event = _github_event(environ)
    if pull := _mapping(event.get("pull_request")):
        head = _commit(_text(_mapping(pull.get("head")).get("sha")))
        return replace(info, commit=head or info.commit, pull_request=info.pull_request or _text(pull.get("number")))
    if earlier := _mapping(event.get("workflow_run")):  # a workflow that was started by the end of another one
        return replace(
            info,
            commit=_commit(_text(earlier.get("head_sha"))) or info.commit,
            branch=_text(earlier.get("head_branch")),
            job=_text(earlier.get("name")) or info.job,
            attempt=_attempt(_text(earlier.get("run_attempt")), first=1),
            host=None,
            url=_text(earlier.get("html_url")) or info.url,
        )
    return info


def _github_event(environ: Environ) -> dict[str, Any]:
    """The event that started the workflow: the only place that names the head commit of a pull request."""
    if environ.get("GITHUB_EVENT_NAME") not in ("pull_request", "pull_request_target", "workflow_run"):
        return {}
    try:
        path = Path(environ.get("GITHUB_EVENT_PATH", ""))
        if not path.is_file() or path.stat().st_size > _LARGEST_EVENT:
            return {}
        event = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return _mapping(event)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _gitlab(environ: Environ) -> CiInfo:
    shard = _shard(_first(environ, "CI_NODE_INDEX"), _first(environ, "CI_NODE_TOTAL"), first=1)
    job = _first(environ, "CI_JOB_NAME")
    if job and shard:
        job = re.sub(r"\s+\d+/\d+$", "", job)  # "test 2/5"
    tagged = _first(environ, "CI_COMMIT_TAG")
    return CiInfo(
        provider="gitlab",
        # Set in pipelines for merged results only, where CI_COMMIT_SHA is the provisional merge commit.
        commit=_commit(_first(environ, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"))
        or _commit(_first(environ, "CI_COMMIT_SHA")),
        branch=_first(environ, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH")
        or (None if tagged else _branch(_first(environ, "CI_COMMIT_REF_NAME"))),
        job=job,
        attempt=_attempt(_first(environ, "CI_JOB_RETRY_COUNT"), first=0),
        shard=shard,
        host=_first(environ, "CI_RUNNER_DESCRIPTION", "CI_RUNNER_ID"),
        url=_first(environ, "CI_JOB_URL", "CI_PIPELINE_URL"),
        project=_first(environ, "CI_PROJECT_PATH"),
        pull_request=_first(environ, "CI_MERGE_REQUEST_IID"),
        base=_first(environ, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
    )


def _jenkins(environ: Environ) -> CiInfo:
    change, name = _first(environ, "CHANGE_ID"), _first(environ, "BRANCH_NAME")
    branch = _first(environ, "CHANGE_BRANCH")
    if branch is None and not change and not _first(environ, "TAG_NAME"):
        branch = _branch(name or _first(environ, "GIT_LOCAL_BRANCH", "GIT_BRANCH"))
    job = _first(environ, "JOB_NAME")
    if job and name:  # of a multibranch job, the last part is the branch
        job = job.removesuffix("/" + name).removesuffix("/" + quote(name, safe=""))
    return CiInfo(
        provider="jenkins",
        commit=_commit(_first(environ, "GIT_COMMIT")),
        branch=branch,
        job=_joined(" / ", unquote(job) if job else None, _first(environ, "STAGE_NAME")),
        host=_first(environ, "NODE_NAME"),
        url=_first(environ, "BUILD_URL"),
        project=_project_of(_first(environ, "GIT_URL", "GIT_URL_1")),
        pull_request=change,
        base=_first(environ, "CHANGE_TARGET"),
    )


def _project_of(remote: str | None) -> str | None:
    """`owner/name` of a remote, without host and credentials."""
    match = re.fullmatch(r"(?:\w+://[^/]+/|[^/@]+@[^/:]+:)(.+?)(?:\.git)?/?", remote or "")
    return match[1] if match else None


def _circleci(environ: Environ) -> CiInfo:
    url = _first(environ, "CIRCLE_PULL_REQUEST") or ""
    branch = _first(environ, "CIRCLE_BRANCH")
    return CiInfo(
        provider="circleci",
        commit=_commit(_first(environ, "CIRCLE_SHA1")),
        branch=None if branch and re.fullmatch(r"pull/\d+", branch) else branch,
        job=_first(environ, "CIRCLE_JOB"),
        shard=_shard(_first(environ, "CIRCLE_NODE_INDEX"), _first(environ, "CIRCLE_NODE_TOTAL"), first=0),
        url=_first(environ, "CIRCLE_BUILD_URL"),
        project=_joined("/", _first(environ, "CIRCLE_PROJECT_USERNAME"), _first(environ, "CIRCLE_PROJECT_REPONAME")),
        pull_request=_pull_request(_first(environ, "CIRCLE_PR_NUMBER") or url.rpartition("/")[2]),
    )


def _buildkite(environ: Environ) -> CiInfo:
    build, job = _first(environ, "BUILDKITE_BUILD_URL"), _first(environ, "BUILDKITE_JOB_ID")
    shard = _shard(_first(environ, "BUILDKITE_PARALLEL_JOB"), _first(environ, "BUILDKITE_PARALLEL_JOB_COUNT"), first=0)
    return CiInfo(
        provider="buildkite",
        commit=_commit(_first(environ, "BUILDKITE_COMMIT")),  # "HEAD" until the checkout is done
        branch=None if _first(environ, "BUILDKITE_TAG") else _branch(_first(environ, "BUILDKITE_BRANCH")),
        job=_joined(
            " / ", _first(environ, "BUILDKITE_PIPELINE_SLUG"), _first(environ, "BUILDKITE_STEP_KEY", "BUILDKITE_LABEL")
        ),
        attempt=_attempt(_first(environ, "BUILDKITE_RETRY_COUNT"), first=0),
        shard=shard,
        host=_first(environ, "BUILDKITE_AGENT_NAME"),
        url=f"{build}#{job}" if build and job else build,
        project=_joined(
            "/", _first(environ, "BUILDKITE_ORGANIZATION_SLUG"), _first(environ, "BUILDKITE_PIPELINE_SLUG")
        ),
        pull_request=_pull_request(_first(environ, "BUILDKITE_PULL_REQUEST")),
        base=_first(environ, "BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
    )


def _azure(environ: Environ) -> CiInfo:
    collection = _first(environ, "SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")
    team, build = _first(environ, "SYSTEM_TEAMPROJECT"), _first(environ, "BUILD_BUILDID")
    url = None
    if collection and team and build:
        url = f"{collection.rstrip('/')}/{quote(team)}/_build/results?buildId={build}"
    position, total = _first(environ, "SYSTEM_JOBPOSITIONINPHASE"), _first(environ, "SYSTEM_TOTALJOBSINPHASE")
    return CiInfo(
        provider="azure",
        commit=_commit(_first(environ, "SYSTEM_PULLREQUEST_SOURCECOMMITID"))
        or _commit(_first(environ, "BUILD_SOURCEVERSION")),
        # Not BUILD_SOURCEBRANCHNAME, which is only the last part of a name with slashes.
        branch=_branch(_first(environ, "SYSTEM_PULLREQUEST_SOURCEBRANCH"))
        or _branch(_first(environ, "BUILD_SOURCEBRANCH")),
        job=_joined(" / ", _first(environ, "BUILD_DEFINITIONNAME"), _first(environ, "SYSTEM_JOBNAME", "AGENT_JOBNAME")),
        attempt=_attempt(_first(environ, "SYSTEM_JOBATTEMPT"), first=1),
        shard=_shard(position, total, first=1),
        host=_first(environ, "AGENT_MACHINENAME", "AGENT_NAME"),
        url=url,
        project=_first(environ, "BUILD_REPOSITORY_NAME"),
        pull_request=_first(environ, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"),
        base=_branch(_first(environ, "SYSTEM_PULLREQUEST_TARGETBRANCH")),
    )


def _bitbucket(environ: Environ) -> CiInfo:
    project, number = _first(environ, "BITBUCKET_REPO_FULL_NAME"), _first(environ, "BITBUCKET_BUILD_NUMBER")
    index, total = _first(environ, "BITBUCKET_PARALLEL_STEP"), _first(environ, "BITBUCKET_PARALLEL_STEP_COUNT")
    return CiInfo(
        provider="bitbucket",
        commit=_commit(_first(environ, "BITBUCKET_COMMIT")),
        branch=_branch(_first(environ, "BITBUCKET_BRANCH")),
        attempt=_attempt(_first(environ, "BITBUCKET_STEP_RUN_NUMBER"), first=1),
        shard=_shard(index, total, first=0),
        url=f"https://bitbucket.org/{project}/pipelines/results/{number}" if project and number else None,
        project=project,
        pull_request=_first(environ, "BITBUCKET_PR_ID"),
        base=_first(environ, "BITBUCKET_PR_DESTINATION_BRANCH"),
    )


def _travis(environ: Environ) -> CiInfo:
    number = _pull_request(_first(environ, "TRAVIS_PULL_REQUEST"))
    # In builds of pull requests TRAVIS_BRANCH is the branch that they go to, in builds of tags it is the tag.
    branch = _first(environ, "TRAVIS_BRANCH")
    tagged = _first(environ, "TRAVIS_TAG")
    return CiInfo(
        provider="travis",
        commit=_commit(_first(environ, "TRAVIS_PULL_REQUEST_SHA")) or _commit(_first(environ, "TRAVIS_COMMIT")),
        branch=_first(environ, "TRAVIS_PULL_REQUEST_BRANCH") if number else None if tagged else branch,
        job=_first(environ, "TRAVIS_JOB_NAME"),
        url=_first(environ, "TRAVIS_JOB_WEB_URL", "TRAVIS_BUILD_WEB_URL"),
        project=_first(environ, "TRAVIS_REPO_SLUG"),
        pull_request=number,
        base=branch if number else None,
    )


def _says(name: str) -> Callable[[Environ], bool]:
    return lambda environ: environ.get(name, "").strip().lower() in ("true", "1")


_PROVIDERS: Sequence[tuple[Callable[[Environ], bool], Callable[[Environ], CiInfo]]] = (
    (_says("GITHUB_ACTIONS"), _github),
    (_says("GITLAB_CI"), _gitlab),
    (_says("CIRCLECI"), _circleci),
    (_says("BUILDKITE"), _buildkite),
    (_says("TF_BUILD"), _azure),
    (lambda environ: bool(_first(environ, "BITBUCKET_BUILD_NUMBER")), _bitbucket),
    (_says("TRAVIS"), _travis),
    # Last: a Jenkins server's variables may be set on machines that run other things too.
    (lambda environ: bool(_first(environ, "JENKINS_URL") and _first(environ, "BUILD_NUMBER")), _jenkins),
)
