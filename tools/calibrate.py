"""Fit the priors and the scale of each kind of evidence on labelled histories, and say whether that would help.

    python tools/calibrate.py [FOLDER…] [--collected FILE]… [--simulated 6] [--planted 27] [--keep-priors] [--write]

Labelled histories are the recordings under fixtures/, simulated suites, any FOLDER given that holds runs.tar.xz (JUnit
XML, one run a file) and labels.json (`tests`: id -> `label`: order, port, timing or concurrency; optionally `also`:
further right labels, and `partners`), flakes planted into all of these, and failures collected one by one (a JSON
object a line, see `labelled.collected`).

Maximum likelihood with a pull (L2) to the present figures, in the logarithms of priors and scales. How strong the pull
is and whether the fit helps is told by nested cross-validation: one history is left out, the strength is chosen on the
others alone, and the fit is judged on the one left out. Nothing is written without --write.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from labelled import Labelled, Truth, collected, fixtures, labelled_folder, planted, simulated
from numpy.typing import NDArray

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.weights import weights
from flakediag.model import Category, Finding, Verdict

WEIGHTS = Path(__file__).resolve().parents[1] / "flakediag" / "analysis" / "weights.toml"
PULLS = (1.0, 4.0, 16.0, 64.0)
MOST = 20.0  # tests that one history may count for: one large suite is not many suites
KEEP = 1e4
FOLDS = 4  # of the inner cross-validation
BANDS = (0.0, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0)  # of stated probabilities

# kind of evidence -> section of weights.toml, some of its figures, and whether only these are scaled or all but these
FIGURES: dict[str, tuple[str, frozenset[str], bool]] = {
    "last": ("order", frozenset({"temper", "cap", "cap_against"}), True),
    "timing": ("timing", frozenset({"slow_min_tests"}), False),
    "ports": ("ports", frozenset({"parallel_mostly", "answers_vary"}), False),
    "environment": ("environment", frozenset({"false_discovery_rate", "least_lift"}), False),
    "randomness": ("randomness", frozenset(), False),
    "source": ("source", frozenset(), False),
    "words": ("combine", frozenset({"words"}), True),
}


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
    repeat, words = float(weights("combine")["repeat"]), float(weights("combine")["words"])
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
                damped *= words if kinds[kind] == "words" else 1.0
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


def pulls(kinds: Sequence[str], pull: float, keep_priors: bool) -> NDArray[np.float64]:
    """The pull on each figure; those that are not to be fitted (priors that are kept, kinds without a place in
    `FIGURES`) are pulled far more."""
    kept = [keep_priors] * len(CATEGORIES) + [kind not in FIGURES for kind in kinds]
    return pull + KEEP * np.array(kept, dtype=np.float64)


def loss(
    table: Table, theta: NDArray[np.float64], pull: float, keep_priors: bool = False
) -> tuple[float, NDArray[np.float64]]:
    """Minus the log-likelihood plus the pull, and its gradient."""
    away = theta - start(table.kinds)
    strength = pulls(table.kinds, pull, keep_priors)
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
    inverse = np.diag(1 / (pulls(table.kinds, pull, keep_priors) + 0.05 * table.weight.sum()))
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


def reliability(tables: Sequence[Table], thetas: Sequence[NDArray[np.float64]]) -> list[tuple[float, int, int]]:
    """For each band of `BANDS`, of the likeliest known causes: the mean stated probability, how many, and how many of
    them are right. Chance is in it: there no cause is right but randomness."""
    stated, right = [], []
    for table, theta in zip(tables, thetas, strict=True):
        found = probabilities(table, theta)
        found[:, CATEGORIES.index(Category.UNKNOWN)] = 0.0
        best = found.argmax(axis=1)
        stated.append(found[np.arange(len(found)), best])
        right.append(table.right[np.arange(len(found)), best])
    p, ok = np.concatenate(stated), np.concatenate(right)
    rows = []
    for low, high in pairwise(BANDS):
        here = (p >= low) & ((p < high) | (high == BANDS[-1]))
        rows.append((float(p[here].mean()) if here.any() else float("nan"), int(here.sum()), int(ok[here].sum())))
    return rows


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
    differences, parts, thetas = [], [], []
    for left in histories:
        rest = [h for h in histories if h != left]
        pull = choose_pull(table, rest, keep_priors)
        theta = fit(table.of(rest), pull, keep_priors)
        mine = table.of([left])
        before, after = score(mine, present), score(mine, theta)
        differences.append(after.log_loss - before.log_loss)
        parts.append(mine)
        thetas.append(theta)
        print(
            f"{names[left]:{width}} {len(mine.weight):4d} {pull:5.0f}   {before.log_loss:.3f} → {after.log_loss:.3f}"
            f"    {before.brier:.3f} → {after.brier:.3f}    {before.precision:.2f} at {before.coverage:.2f}"
            f" → {after.precision:.2f} at {after.coverage:.2f}",
            flush=True,
        )
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    helps = mean + error < 0
    print("\nlikeliest cause, stated → right (of n): as it is; fitted on the others")
    both = zip(reliability(parts, [present] * len(parts)), reliability(parts, thetas), strict=True)
    for (low, high), pair in zip(pairwise(BANDS), both, strict=True):
        shown = (f"{100 * p:3.0f} % → {100 * k / max(n, 1):3.0f} % of {n:3}" if n else f"{'–':17}" for p, n, k in pair)
        print(f"  {100 * low:3.0f}–{100 * high:3.0f} %   " + "     ".join(shown))
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
    by_section = {part: (scales[kind], names, only) for kind, (part, names, only) in FIGURES.items() if kind in scales}
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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="further labelled histories")
    parser.add_argument(
        "--collected", action="append", type=Path, default=[], metavar="FILE", help="labelled failures, JSON a line"
    )
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
    if options.planted:
        histories = [planted(labelled, options.planted, options.seed) for labelled in histories]
    histories += [labelled for file in options.collected for labelled in collected(file)]
    cases = []
    for number, whole in enumerate(histories):
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
        WEIGHTS.write_text(rewritten(WEIGHTS.read_text("utf-8"), prior, scales), "utf-8")
        print("\nwritten: weights.toml")
    elif options.write:
        print("\nnothing written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
