"""The verbs that run experiments: what to try next, trying it, and the certificate after a fix.

They stand beside `service`, and know neither click nor rich. Nothing here runs a test that it was not asked to run:
what would run can be had first (`Plan`), and `allow` is asked before the first command.

asked.py        what is asked for, and what comes back
earlier.py      what earlier experiments on the same code said
bench.py        everything that the experiments on one test share
question.py     what the recorded runs say, as the question that a search starts from
wording.py      orders and claims in words, and as commands
planning.py     what would be tried
attempt.py      one run: carried out, kept, read
by_order.py     other tests before it
by_contrast.py  with and without load, or the port held
confirming.py   the way through
certificate.py  after a fix
"""

from flakediag.experiments.asked import Explanation, Observer, Outcome, Plan, Setup, Step, Tried, Way
from flakediag.experiments.certificate import certify
from flakediag.experiments.confirming import confirm
from flakediag.experiments.planning import plan, plans

__all__ = [
    "Explanation",
    "Observer",
    "Outcome",
    "Plan",
    "Setup",
    "Step",
    "Tried",
    "Way",
    "certify",
    "confirm",
    "plan",
    "plans",
]
