"""The examples for CI systems are well formed, keep the history, queue who keeps it, and say when tests failed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from integrations.action_steps import ROOT, yaml

HERE = ROOT / "integrations"
TEMPLATES = {path.relative_to(ROOT).as_posix(): path for path in [ROOT / "action.yml", *HERE.rglob("*.yml")]}


def each(names: Iterable[str], schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict.fromkeys(names, schema)


# What the page of a CI system says of its files, as far as these files use it. Names are closed: a misspelt one fails.
STEP: dict[str, Any] = {
    "type": "object",
    "properties": {
        **each(("id", "name", "if", "uses", "run", "shell"), {"type": "string"}),
        **each(("with", "env"), {"type": "object"}),
        "continue-on-error": {"type": "boolean"},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
}
ACTION = {
    "type": "object",
    "required": ["name", "description", "runs"],
    "properties": {
        **each(("name", "description", "author"), {"type": "string"}),
        "branding": {"type": "object", "required": ["icon", "color"]},
        "inputs": {
            "additionalProperties": {
                "required": ["description"],
                "properties": {
                    "description": {"type": "string"},
                    "required": {"type": "boolean"},
                    "default": {"type": "string"},
                },
                "additionalProperties": False,
            }
        },
        "outputs": {"additionalProperties": {"required": ["description", "value"]}},
        "runs": {
            "required": ["using", "steps"],
            "properties": {
                "using": {"const": "composite"},
                "steps": {"items": STEP | {"dependentRequired": {"run": ["shell"]}}},
            },
        },
    },
    "additionalProperties": False,
}
WORKFLOW = {
    "type": "object",
    "required": ["on", "jobs"],
    "properties": {
        "name": {"type": "string"},
        "on": {"type": "object"},
        "permissions": {"type": "object"},
        "jobs": {
            "additionalProperties": {
                "required": ["runs-on", "steps"],
                "properties": {
                    **each(("runs-on", "needs", "if"), {"type": "string"}),
                    "strategy": {"required": ["matrix"]},
                    "concurrency": {
                        "required": ["group"],
                        "properties": {"group": {}, "queue": {"const": "max"}, "cancel-in-progress": {}},
                        "additionalProperties": False,
                    },
                    "steps": {"items": STEP},
                },
                "additionalProperties": False,
            }
        },
    },
    "additionalProperties": False,
}
GITLAB_JOB = {
    "type": "object",
    "required": ["script"],
    "properties": {
        **each(("stage", "image", "resource_group"), {"type": "string"}),
        "variables": {"additionalProperties": {"type": "string"}},
        "script": {"items": {"type": "string"}},
        "rules": {"items": {"required": ["if"]}},
        "cache": {
            "required": ["key", "paths"],
            "properties": {
                "key": {},
                "paths": {},
                "policy": {"pattern": r"^(pull|push|pull-push|\$\w+)$"},
                "when": {"enum": ["on_success", "on_failure", "always"]},
                "unprotect": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
        "artifacts": {"properties": {"when": {"enum": ["on_success", "on_failure", "always"]}}},
    },
    "additionalProperties": False,
}
CIRCLECI = {
    "type": "object",
    "required": ["version", "jobs", "workflows"],
    "properties": {
        "version": {"const": 2.1},
        "jobs": {
            "additionalProperties": {
                "required": ["docker", "steps"],
                "properties": {"docker": {}, "parallelism": {"type": "integer"}, "environment": {}, "steps": {}},
                "additionalProperties": False,
            }
        },
        "workflows": {"additionalProperties": {"required": ["jobs"]}},
    },
    "additionalProperties": False,
}
BUILDKITE = {
    "type": "object",
    "required": ["steps"],
    "properties": {
        "steps": {
            "items": {
                "properties": {
                    **each(("label", "key", "command", "depends_on", "concurrency_group"), {"type": "string"}),
                    **each(("parallelism", "concurrency"), {"type": "integer"}),
                    **each(("commands", "artifact_paths", "soft_fail", "env"), {}),
                },
                "additionalProperties": False,
                "oneOf": [{"required": ["command"]}, {"required": ["commands"]}],
                "dependentRequired": {"concurrency": ["concurrency_group"]},
            }
        }
    },
    "additionalProperties": False,
}


class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
    """YAML in which `on` is a name and no truth value, as CI systems read it, and in which no key stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands twice"
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oO"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(name: str) -> Any:
    return yaml.load((HERE / name).read_text(encoding="utf-8"), Loader)


def valid(document: Any, schema: dict[str, Any]) -> Any:
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


def test_the_action_is_valid_and_its_inputs_are_documented() -> None:
    action = valid(load("../action.yml"), ACTION)
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([\w-]+)` \|(?: `([^`]*)`)? \|", page, re.MULTILINE)
    assert {name: default for name, default in table if name in action["inputs"]} == {
        name: spec.get("default", "") for name, spec in action["inputs"].items()
    }
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert used == set(action["inputs"])


def test_the_github_workflow_gives_the_action_what_it_knows_and_queues_it() -> None:
    workflow = valid(load("github/workflow.yml"), WORKFLOW)
    job = workflow["jobs"]["flakediag"]
    assert job["concurrency"]["queue"] == "max"
    (used,) = [step for step in job["steps"] if "flakediag@" in step.get("uses", "")]
    inputs = load("../action.yml")["inputs"]
    assert set(used["with"]) <= set(inputs)
    assert {name for name, spec in inputs.items() if spec.get("required")} <= set(used["with"])


def test_github_actions_that_run_on_a_removed_node_are_not_used() -> None:
    # The first major versions for Node 24; runners have no Node 20 any more.
    first = {"checkout": 5, "cache": 5, "setup-python": 6, "upload-artifact": 6, "download-artifact": 7}
    text = "".join(TEMPLATES[name].read_text() for name in ("action.yml", "integrations/github/workflow.yml"))
    used = re.findall(r"uses: actions/([\w-]+)(?:/\w+)?@v(\d+)", text)
    assert used
    assert all(int(version) >= first[name] for name, version in used)


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        ("actionlint", str(HERE / "github" / "workflow.yml")), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_gitlab_lets_one_job_write_and_merge_requests_read() -> None:
    job = valid(load("gitlab/flakediag.gitlab-ci.yml"), {"additionalProperties": GITLAB_JOB})["flakediag"]
    assert job["resource_group"]
    assert job["cache"]["paths"] == [job["variables"]["FLAKEDIAG_DB"]]
    policies = {rule["variables"]["HISTORY_POLICY"]: rule["if"] for rule in job["rules"]}
    assert "merge_request" in policies["pull"]
    assert "$CI_DEFAULT_BRANCH" in policies["pull-push"]
    assert all(rule["when"] == "always" for rule in job["rules"]), "it runs when tests failed, above all"


def test_circleci_queues_the_job_and_never_names_two_entries_alike() -> None:
    config = valid(load("circleci/config.yml"), CIRCLECI)
    (job,) = [entry["flakediag"] for entry in config["workflows"]["tests"]["jobs"] if "flakediag" in entry]
    assert job["serial-group"] and job["requires"] == ["tests"]
    steps = {
        name: spec
        for step in config["jobs"]["flakediag"]["steps"]
        if isinstance(step, dict)
        for name, spec in step.items()
    }
    prefix = steps["restore_cache"]["keys"][0]
    assert steps["save_cache"]["key"].startswith(prefix)
    assert "{{ epoch }}" in steps["save_cache"]["key"]
    assert steps["save_cache"]["paths"] == [config["jobs"]["flakediag"]["environment"]["FLAKEDIAG_DB"]]


def test_buildkite_queues_the_job_and_reads_what_the_tests_wrote() -> None:
    tests, job = valid(load("buildkite/pipeline.yml"), BUILDKITE)["steps"]
    assert job["concurrency"] == 1 and job["depends_on"] == tests["key"]
    assert tests["artifact_paths"] in job["commands"][0]
    # The upload of a pipeline replaces $NAME; what the shell is to see is written $$.
    shell = "\n".join([tests["command"], *job["commands"]])
    assert not re.findall(r"(?<!\$)\$(?!\$)", shell)


def test_jenkins_brackets_close_and_builds_do_not_overlap() -> None:
    text = re.sub(r"//[^\n]*|'''.*?'''|'[^'\n]*'", "", (HERE / "jenkins" / "Jenkinsfile").read_text(), flags=re.DOTALL)
    open_brackets: list[str] = []
    for character in re.sub(r"[^(){}\[\]]", "", text):
        if character in "({[":
            open_brackets.append(character)
        else:
            assert open_brackets.pop() + character in ("()", "{}", "[]")
    assert not open_brackets
    for word in ("disableConcurrentBuilds()", "lastWithArtifacts()", "optional: true", "archiveArtifacts("):
        assert word in text


@pytest.mark.parametrize(
    "path",
    [*TEMPLATES.values(), HERE / "jenkins" / "Jenkinsfile", ROOT / "Containerfile", *HERE.glob("*.sh")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_examples_name_no_host_and_only_commands_that_exist(path: Path) -> None:
    from flakediag.cli.app import COMMANDS

    text = re.sub(r"^\s*(#|//).*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert not re.search(r"https?://|\b[\w-]+\.(?:io|com|org)/", text)
    known = {*COMMANDS, "merge"}
    assert set(re.findall(r"^[\s-]*(?:allowing \S+ \S+ )?flakediag (\w+)", text, re.MULTILINE)) <= known


@pytest.mark.parametrize("script", sorted(HERE.glob("*.sh")), ids=lambda script: script.name)
def test_scripts_are_plain_sh_that_stops_at_errors(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    subprocess.run(("sh", "-n", str(script)), check=True)
    assert not re.search(r"\[\[|\blocal\b|\bfunction\b|<<<|\$'", text), "bash only"


def test_the_container_runs_without_rights_and_copies_only_what_it_names() -> None:
    lines = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text()).splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps} <= known
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    (user,) = [value for name, value in last if name == "USER"]
    assert user.split(":")[0].isdigit() and user.split(":")[0] != "0"
    assert ("ENTRYPOINT", '["flakediag"]') in [tuple(step) for step in last]
    assert not re.search(r"(?i)secret|token|password", "".join(lines))
    copied = [value.split()[:-1] for name, value in steps if name == "COPY" and "--from" not in value]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert source not in (".", "./"), "a history or a key would come along"
