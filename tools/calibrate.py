"""Fit the priors and the scale of each kind of evidence on labelled histories, and say whether that would help.

    python tools/calibrate.py [FOLDER…] [--seed 1] [--simulated 6] [--planted 27] [--keep-priors] [--write]

Labelled histories are the recordings under fixtures/, simulated suites, flakes planted into both, and any FOLDER given
that holds runs.tar.xz (JUnit XML, one run a file) and labels.json (`tests`: id -> `label`: order, port, timing or
concurrency; optionally `also`: further right labels, and `partners`).

Maximum likelihood with a pull (L2) to the present figures, in the logarithms of priors and scales. How strong the pull
is and whether the fit helps is told by nested cross-validation: one history is left out, the strength is chosen on the
others alone, and the fit is judged on the one left out. Nothing is written without --write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag import service
from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.inject import inject, survey
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Window
from flakediag.history import History
from flakediag.model import Category, Finding, Scope, Verdict
from flakediag.selftest import AIMED, CYCLE, sown
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, Together, simulate

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"
ANALYSIS = ROOT / "flakediag" / "analysis"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LABELS = {
    "order": Category.ORDER,
    "port": Category.PORT,
    "timing": Category.TIMING,
    "concurrency": Category.CONCURRENCY,
}
BY_CHANCE = frozenset({Category.UNKNOWN, Category.RANDOMNESS})
PULLS = (1.0, 4.0, 16.0, 64.0)
MOST = 20.0  # tests that one history may count for: one large suite is not many suites
KEEP = 1e4
FOLDS = 4  # of the inner cross-validation

# kind of evidence -> file, section, figures that are not nats of its weights (None: only the ones named count)
FIGURES: dict[str, tuple[str, str, frozenset[str], bool]] = {
    "last": ("weights.toml", "order", frozenset({"temper", "cap", "cap_against"}), True),
    "timing": ("weights.toml", "timing", frozenset({"slow_min_tests"}), False),
    "ports": ("weights.toml", "ports", frozenset({"parallel_mostly", "answers_vary"}), False),
    "environment": ("weights.toml", "environment", frozenset({"false_discovery_rate", "least_lift"}), False),
    "randomness": ("weights.toml", "randomness", frozenset(), False),
    "source": ("weights.toml", "source", frozenset(), False),
    "words": ("weights.toml", "comparison", frozenset(), False),
}


@dataclass(frozen=True)
class Truth:
    """Why a test is flaky: every cause that is right, the tests to be named, the port."""

    right: frozenset[Category]
    partners: frozenset[str] = frozenset()
    port: int | None = None


@dataclass(frozen=True)
class Labelled:
    """A history with the truth about its flaky tests. `complete`: those without a truth are not flaky."""

    name: str
    window: Window
    truth: dict[str, Truth] = field(default_factory=dict)
    complete: bool = True


# --- labelled histories --------------------------------------------------------------------------------------------


def recorded(name: str, archive: Path, truth: dict[str, Truth], *, complete: bool, one_commit: bool) -> Labelled:
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "history.db"
        info = service.RunInfo(commit="1" * 40 if one_commit else None, branch="main")
        service.ingest(db, [str(archive)], info, now=NOW, environ={})
        with History.open(db, "read") as history:
            window = history.window(Scope(project="default", all_branches=True, days=100_000))
    return Labelled(name, window, truth, complete)


def _truth(flaky: dict[str, Any]) -> dict[str, Truth]:
    return {
        test: Truth(frozenset({Category(true["cause"])}), frozenset(true.get("partners", ())), true.get("port"))
        for test, true in flaky.items()
    }


def fixtures() -> Iterator[Labelled]:
    """The recordings in the repository, by real runners."""
    recordings = FIXTURES / "recordings"
    orders = json.loads((FIXTURES / "orders_service" / "truth.json").read_text("utf-8"))
    for phase in ("before", "after"):
        archive = recordings / "orders" / f"{phase}.tar.xz"
        yield recorded(f"orders, {phase}", archive, _truth(orders[phase]["flaky"]), complete=True, one_commit=False)
    for runner in ("jest", "surefire", "gotestsum", "rspec"):
        truth = json.loads((recordings / runner / "truth.json").read_text("utf-8"))
        archive = recordings / runner / "runs.tar.xz"
        yield recorded(runner, archive, _truth(truth["flaky"]), complete=True, one_commit=True)


def labelled_folder(folder: Path) -> Labelled:
    labels = json.loads((folder / "labels.json").read_text("utf-8"))["tests"]
    truth = {}
    for test, said in labels.items():
        also = said.get("also") or ()
        names = [said["label"], *([also] if isinstance(also, str) else also)]
        right = frozenset(LABELS[name] for name in names if name in LABELS)
        if said["label"] in LABELS:
            truth[test] = Truth(right, frozenset(said.get("partners") or ()))
    return recorded(folder.name, folder / "runs.tar.xz", truth, complete=False, one_commit=True)


def simulated(seed: int) -> Labelled:
    """A suite with order dependence of each kind, chance, slow hosts and a taken port.

    The words of all but the last are bare assertions drawn alike.
    """
    rng = np.random.default_rng([seed, 1])
    tests = int(rng.choice((60, 150, 400)))
    plan = Plan(
        tests=tests,
        default=int(rng.integers(8, 25)),
        shuffled=int(rng.integers(10, 40)),
        shuffle=str(rng.choice(("suite", "suite", "module"))),
        mixed=True,
    )
    drawn = iter(rng.permutation(tests).tolist())

    def some(count: int) -> tuple[int, ...]:
        return tuple(next(drawn) for _ in range(count))

    def bare() -> str:
        a, b = rng.choice(np.arange(2, 100), 2, replace=False)
        return f"AssertionError: case {next(drawn)} of {tests}: assert {a} == {b}"

    flakes: list[Flake] = []
    for polluters, cleaners, brittle in ((1, 0, False), (2, 0, False), (1, 1, False), (0, 1, True)):
        flakes.append(
            OrderDependence(
                victims=some(1), signature=bare(), polluters=some(polluters), cleaners=some(cleaners), brittle=brittle
            )
        )
    flakes += [Chance(victims=some(1), signature=bare(), rate=rate) for rate in rng.uniform(0.03, 0.4, 4)]
    flakes += [Together(victims=some(1), signature=bare(), share=float(rng.uniform(0.1, 0.3)), slow=1.6) for _ in "ab"]
    port = int(rng.integers(1_100, 32_000))
    taken = f"OSError: [Errno 98] Address already in use: ('127.0.0.1', {port})"
    flakes.append(Together(victims=some(2), signature=taken, share=float(rng.uniform(0.1, 0.3))))
    window, made = simulate(plan, flakes, seed)
    causes = {OrderDependence: frozenset({Category.ORDER}), Chance: BY_CHANCE}
    truth = {}
    for test, flake in made.flakes.items():
        is_port = flake.signature == taken
        right = causes.get(type(flake), frozenset({Category.PORT if is_port else Category.TIMING}))
        named = made.cleaners if isinstance(flake, OrderDependence) and flake.brittle else made.polluters
        truth[test] = Truth(right, frozenset(named.get(test, ())), port if is_port else None)
    return Labelled(f"simulated {seed}", window, truth)


def planted(base: Labelled, count: int, seed: int) -> Labelled:
    """The history with flakes planted among its own; a part of them only, where it is small."""
    ground = survey(base.window)
    rng = np.random.default_rng([seed, 2])
    wanted = [(CYCLE[n % len(CYCLE)], AIMED[n // len(CYCLE) % len(AIMED)]) for n in range(count)]
    truth = dict(base.truth)
    plants = sown(ground, wanted[: max(1, len(ground.stable) // 4)], rng)
    for one in plants:
        names = frozenset(base.window.tests[partner].id for partner in one.partners)
        truth[base.window.tests[one.test].id] = Truth(one.right, names, one.port)
    return Labelled(base.name, inject(base.window, plants), truth, base.complete)


def flaky_findings(labelled: Labelled) -> list[tuple[Finding, Truth]]:
    """The labelled tests that the diagnosis finds flaky."""
    found = diagnose(labelled.window).tests
    return [(f, labelled.truth[f.id]) for f in found if f.verdict is Verdict.FLAKY and f.id in labelled.truth]


# --- the model of `combine`, as arrays -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """S signatures of N tests. speaks: float64[2, S, K, C], damped sums for and against; share: float64[N, S]; right:
    bool[N, C]; weight: float64[N]; history: int[N]."""

    kinds: tuple[str, ...]
    speaks: NDArray[np.float64]
    share: NDArray[np.float64]
    right: NDArray[np.float64]
    weight: NDArray[np.float64]
    history: NDArray[np.int64]

    def of(self, histories: Sequence[int]) -> Table:
        rows = np.isin(self.history, histories)
        signatures = self.share[rows].any(axis=0)
        return Table(
            self.kinds,
            self.speaks[:, signatures],
            self.share[np.ix_(rows, signatures)],
            self.right[rows],
            self.weight[rows],
            self.history[rows],
        )


CATEGORIES = tuple(Category)


def table_of(cases: Sequence[tuple[int, Finding, Truth]]) -> Table:
    repeat = float(weights("combine")["repeat"])
    kinds = tuple(
        sorted({e.kind.partition("-")[0] for _, f, _ in cases for s in f.signatures for e in s.diagnosis.evidence})
    )
    speaks: list[NDArray[np.float64]] = []
    share = np.zeros((len(cases), sum(len(f.signatures) for _, f, _ in cases)))
    for row, (_, finding, _) in enumerate(cases):
        total = sum(max(s.failures, 1) for s in finding.signatures)
        for signature in finding.signatures:
            share[row, len(speaks)] = max(signature.failures, 1) / total
            groups: dict[tuple[bool, int, int], list[float]] = defaultdict(list)
            for e in signature.diagnosis.evidence:
                if e.category is not Category.UNKNOWN and e.weight:
                    key = (e.weight < 0, kinds.index(e.kind.partition("-")[0]), CATEGORIES.index(e.category))
                    groups[key].append(abs(e.weight))
            sums = np.zeros((2, len(kinds), len(CATEGORIES)))
            for (against, kind, category), found in groups.items():
                damped = sum(weight * repeat**n for n, weight in enumerate(sorted(found, reverse=True)))
                sums[int(against), kind, category] = damped
            speaks.append(sums)
    right = np.array([[category in true.right for category in CATEGORIES] for _, _, true in cases], dtype=np.float64)
    history = np.array([number for number, _, _ in cases])
    counts = np.bincount(history)
    return Table(
        kinds, np.array(speaks).transpose(1, 0, 2, 3), share, right, np.minimum(1, MOST / counts[history]), history
    )


def start(kinds: Sequence[str]) -> NDArray[np.float64]:
    """The present figures: log prior of each category, then log scale of each kind (0)."""
    prior = weights("combine")["prior"]
    return np.array([np.log(prior[category.value]) for category in CATEGORIES] + [0.0] * len(kinds))


def _scores(table: Table, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(float64[S, C] probabilities, float64[S, K, C] what each kind adds, less where words are capped)."""
    scale = np.exp(theta[len(CATEGORIES) :])
    scaled = table.speaks * scale[None, None, :, None]
    if "words" in table.kinds:
        words = table.kinds.index("words")
        scaled[:, :, words] = np.minimum(scaled[:, :, words], float(weights("combine")["words_cap"]))
    adds = scaled[0] - scaled[1]
    score = theta[: len(CATEGORIES)] + adds.sum(axis=1)
    score -= score.max(axis=1, keepdims=True)
    raised = np.exp(score)
    return raised / raised.sum(axis=1, keepdims=True), adds


def probabilities(table: Table, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[N, C]"""
    return table.share @ _scores(table, theta)[0]


def loss(
    table: Table, theta: NDArray[np.float64], pull: float, keep_priors: bool = False
) -> tuple[float, NDArray[np.float64]]:
    """Minus the log-likelihood plus the pull, and its gradient. Priors that are kept are pulled far more."""
    away = theta - start(table.kinds)
    strength = np.full(len(theta), pull)
    strength[: len(CATEGORIES)] += KEEP * keep_priors
    q, adds = _scores(table, theta)
    likely = np.maximum(((table.share @ q) * table.right).sum(axis=1), 1e-12)
    value = -(table.weight * np.log(likely)).sum() + 0.5 * (strength * away**2).sum()
    owner = table.share.argmax(axis=0)  # the test of each signature
    factor = -(table.weight / likely)[owner] * table.share[owner, np.arange(len(owner))]
    mine = table.right[owner]
    slope = factor[:, None] * q * (mine - (q * mine).sum(axis=1, keepdims=True))
    gradient = np.concatenate([slope.sum(axis=0), np.einsum("sc,skc->k", slope, adds)])
    return float(value), gradient + strength * away


def fit(table: Table, pull: float, keep_priors: bool) -> NDArray[np.float64]:
    """BFGS (Nocedal and Wright 2006, section 6.1) with backtracking, from the present figures."""
    theta = start(table.kinds)
    value, slope = loss(table, theta, pull, keep_priors)
    curvature = np.full(len(theta), pull + 0.05 * table.weight.sum())
    curvature[: len(CATEGORIES)] += KEEP * keep_priors
    inverse = np.diag(1 / curvature)
    for _ in range(200):
        move = -inverse @ slope
        move /= max(1.0, float(np.abs(move).max()))
        tried, risen = loss(table, theta + move, pull, keep_priors)
        while tried > value + 1e-4 * float(slope @ move):
            move /= 2
            if np.abs(move).max() < 1e-7:
                return theta
            tried, risen = loss(table, theta + move, pull, keep_priors)
        change = risen - slope
        along = float(change @ move)
        gain, theta, value, slope = value - tried, theta + move, tried, risen
        if gain < 1e-6 * (1 + abs(value)):
            break
        if along > 0:
            left = np.eye(len(theta)) - np.outer(move, change) / along
            inverse = left @ inverse @ left.T + np.outer(move, move) / along
    return theta


# --- judging ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """Means over tests: log-loss; Brier score of the likeliest answer; share called; of those, the share right."""

    log_loss: float
    brier: float
    coverage: float
    precision: float


def score(table: Table, theta: NDArray[np.float64]) -> Score:
    found = probabilities(table, theta)
    rows = np.arange(len(found))
    likely = np.maximum((found * table.right).sum(axis=1), 1e-12)
    best = found.argmax(axis=1)
    brier = (found[rows, best] - table.right[rows, best]) ** 2
    known = found.copy()
    known[:, CATEGORIES.index(Category.UNKNOWN)] = 0.0
    called = known.max(axis=1) >= float(weights("combine")["bar"])
    right = table.right[rows, known.argmax(axis=1)]
    precision = float(right[called].mean()) if called.any() else float("nan")
    return Score(float(-np.log(likely).mean()), float(brier.mean()), float(called.mean()), precision)


def choose_pull(table: Table, histories: Sequence[int], keep_priors: bool) -> float:
    """The pull with the least loss in cross-validation over these histories."""
    folds = [list(histories[n::FOLDS]) for n in range(min(FOLDS, len(histories)))]
    lost = []
    for pull in PULLS:
        total = 0.0
        for fold in folds:
            rest = [h for h in histories if h not in fold]
            total += loss(table.of(fold), fit(table.of(rest), pull, keep_priors), 0.0)[0]
        lost.append(total)
    return PULLS[int(np.argmin(lost))]


def cross_validate(table: Table, names: Sequence[str], keep_priors: bool) -> bool:
    """Print each fold; whether the fit helps on histories that it has not seen."""
    present = start(table.kinds)
    histories = sorted(set(table.history.tolist()))
    width = max(len(names[h]) for h in histories)
    print(f"{'left out':{width}}    n  pull   log-loss         Brier            precision at coverage")
    differences = []
    for left in histories:
        rest = [h for h in histories if h != left]
        pull = choose_pull(table, rest, keep_priors)
        theta = fit(table.of(rest), pull, keep_priors)
        mine = table.of([left])
        before, after = score(mine, present), score(mine, theta)
        differences.append(after.log_loss - before.log_loss)
        print(
            f"{names[left]:{width}} {len(mine.weight):4d} {pull:5.0f}   {before.log_loss:.3f} → {after.log_loss:.3f}"
            f"    {before.brier:.3f} → {after.brier:.3f}    {before.precision:.2f} at {before.coverage:.2f}"
            f" → {after.precision:.2f} at {after.coverage:.2f}",
            flush=True,
        )
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    helps = mean + error < 0
    print(f"\nlog-loss on histories left out: {mean:+.4f} (standard error {error:.4f}) a test, mean over histories")
    print(
        "the fit helps on histories that it has not seen"
        if helps
        else "the fit does not clearly help: leave the figures"
    )
    return helps


# --- writing ---------------------------------------------------------------------------------------------------------


def proposal(table: Table, theta: NDArray[np.float64]) -> tuple[dict[str, float], dict[str, float]]:
    prior = np.exp(theta[: len(CATEGORIES)])
    prior /= prior.sum()
    scales = np.exp(theta[len(CATEGORIES) :])
    return (
        {category.value: float(share) for category, share in zip(CATEGORIES, prior, strict=True)},
        {kind: float(scale) for kind, scale in zip(table.kinds, scales, strict=True)},
    )


def rewritten(text: str, prior: dict[str, float], scales: dict[str, float]) -> str:
    """weights.toml with these priors and with the figures of each kind multiplied by its scale."""
    section, lines = "", []
    by_section = {
        part: (scales[kind], names, only) for kind, (_, part, names, only) in FIGURES.items() if kind in scales
    }
    for line in text.splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        key, equals, value = line.partition("=")
        name = key.strip()
        if section == "combine" and name == "prior":
            line = "prior = { " + ", ".join(f"{c} = {share:.3f}" for c, share in prior.items()) + " }"
        elif equals and not line.startswith("#") and section in by_section:
            scale, names, only = by_section[section]
            if (name in names) == only:
                line = f"{key}={_scaled(value, scale)}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _scaled(value: str, scale: float) -> str:
    figures, hash_sign, comment = value.partition("#")
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]) * scale:.2f}", figures) + hash_sign + comment


def scaled_votes(text: str, scale: float) -> str:
    """words.toml with the votes of every rule multiplied."""
    return re.sub(r"^votes = .*$", lambda m: _scaled(m[0], scale), text, flags=re.MULTILINE)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="further labelled histories")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--simulated", type=int, default=6, metavar="N", help="simulated suites")
    parser.add_argument("--planted", type=int, default=27, metavar="N", help="flakes planted into each history")
    parser.add_argument(
        "--keep-priors", action="store_true", help="fit the scales only: planted flakes have no natural shares"
    )
    parser.add_argument("--write", action="store_true", help="write the figures, if they help on histories left out")
    options = parser.parse_args(argv)
    histories = [*fixtures(), *(simulated(options.seed * 1000 + n) for n in range(options.simulated))]
    histories += [labelled_folder(folder) for folder in options.folders]
    cases = []
    for number, labelled in enumerate(histories):
        whole = planted(labelled, options.planted, options.seed) if options.planted else labelled
        cases += [(number, finding, truth) for finding, truth in flaky_findings(whole)]
    table = table_of(cases)
    names = [labelled.name for labelled in histories]
    print(f"{len(cases)} flaky tests of {len(names)} histories; kinds of evidence: {', '.join(table.kinds)}\n")
    helps = cross_validate(table, names, options.keep_priors)
    pull = choose_pull(table, sorted(set(table.history.tolist())), options.keep_priors)
    prior, scales = proposal(table, fit(table, pull, options.keep_priors))
    print(f"\nfitted on all of them, pull {pull:.0f}:")
    for name, share in prior.items():
        print(f"  prior {name:17} {float(weights('combine')['prior'][name]):.3f} → {share:.3f}")
    for kind, scale in scales.items():
        print(f"  scale {kind:17} 1.000 → {scale:.3f}")
    if options.write and helps:
        file = ANALYSIS / "weights.toml"
        file.write_text(rewritten(file.read_text("utf-8"), prior, scales), "utf-8")
        if "words" in scales:
            file = ANALYSIS / "words.toml"
            file.write_text(scaled_votes(file.read_text("utf-8"), scales["words"]), "utf-8")
        print("\nwritten: weights.toml and the votes of words.toml")
    elif options.write:
        print("\nnothing written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
