"""The JSON of `plan` and `confirm` is held against the schema."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from report.validation import valid

from confirm.suites import write_suite
from confirm.test_suites import NOW, TEST, Project, Watcher
from flakediag import experiments
from flakediag.analysis.belief import Claim
from flakediag.experiments import Explanation, Outcome, Plan, Step, Tried, Way
from flakediag.model import Scope
from flakediag.report import experiment
from flakediag.report.format import Options

HOSTILE = "t[\x1b[31mred]::error ü\n"


def confirm_document(outcome: Outcome) -> Any:
    stream = StringIO()
    experiment.write_outcome(outcome, "json", stream, Options())
    assert stream.getvalue().isascii()
    return valid(json.loads(stream.getvalue()), "confirm")


def plan_document(*plans: Plan) -> Any:
    stream = StringIO()
    experiment.write_plans(plans, "json", stream, Options())
    assert stream.getvalue().isascii()
    return valid(json.loads(stream.getvalue()), "plan")


@pytest.mark.slow
def test_what_really_comes_out_fits_the_schema(tmp_path: Path) -> None:
    claim, project = Claim(False, ((2,),)), Project(tmp_path)
    write_suite(project.folder, claim)
    project.recorded(claim)
    for way in (Way.ORDER, Way.TIMING):
        plan_document(experiments.plan(project.db, TEST, Scope(), project.setup(way=way), now=NOW))
    told = confirm_document(project.confirm(way=Way.ORDER))
    assert told["standing"] == "confirmed"
    assert told["partners"] == [{"id": "test_shop::test_02", "role": "polluter"}]
    assert confirm_document(project.confirm(Watcher(interrupt_after=1), way=Way.TIMING))["standing"] == "interrupted"
    certificate = experiments.certify(project.db, TEST, Scope(), project.setup(runs=1), Watcher(), now=NOW)
    assert confirm_document(certificate)["way"] == "fixed"


def test_odd_names_and_odds_fit_the_schema_too() -> None:
    step = Step(what=HOSTILE, command=("pytest", HOSTILE), fails=1.0000000000000002)
    leading = (Explanation(HOSTILE, 1 - 1e-12),)
    plan = Plan(test=HOSTILE, way=Way.ORDER, leading=leading, first=step, then=(("if it fails", step),), shuffled="x")
    told = plan_document(plan, Plan(test="t", way=Way.PORT, leading=(), first=None))["plans"][0]
    assert told["test"] == HOSTILE
    assert told["leading"][0]["probability"] < 1, "nothing is certain"
    tried = Tried(1, HOSTILE, ("pytest",), None, 0.1, leading[0], 3, "it was skipped")
    outcome = Outcome(
        test=HOSTILE, way="order", standing="stuck", conclusion="", probability=None, tried=(tried,), executions=0
    )
    assert confirm_document(outcome)["runs"][0]["problem"] == "it was skipped"


def test_a_schema_that_takes_anything_would_be_noticed() -> None:
    told = confirm_document(
        Outcome(test="t", way="order", standing="open", conclusion="", probability=0.5, tried=(), executions=0)
    )
    for broken in ({**told, "standing": "sure"}, {**told, "extra": 1}, {**told, "probability": 1.1}):
        with pytest.raises(jsonschema.ValidationError):
            valid(broken, "confirm")
