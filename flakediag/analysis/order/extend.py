"""Hypotheses that lack a writer: every candidate as one more bad, and as one more good writer, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Codes, Numbers, Writers
from flakediag.analysis.order.later import counted, words_of
from flakediag.analysis.order.leads import Leads, LeadsOfOne, among_best, first, leading, least_of, rank, trimmed
from flakediag.analysis.order.marginal import Doubles

_WORTH = 10.0  # nats below the best of a scan: what is worse adds nothing to the posterior,
_FEW = 6  # and only so many of them are kept, to go on from
_CELLS = 1 << 17  # hypotheses × candidates at a time, so that their scores stay in the cache,
_BITS = 1 << 26  # and × rows, so that what is known of them takes little memory
_WAYS = 2  # to write: bad, and good
_TABLE = 1 << 14  # of fewer splits than this, there is a table of what they are worth


class Extensions(NamedTuple):
    """One hypothesis with one more writer: the alternatives that are kept, in columns, those by a bad writer first.

    rows: see `Found`. scores: ln of likelihood times prior; promise: what they explain at whatever rates.
    promising: those that are among the best by their promise.
    named: all candidates that are among the best by their score, kept or not, with it.
    plain: who leads among the candidates that are no chains.
    """

    rows: Codes
    scores: Doubles
    promise: Doubles
    promising: NDArray[np.bool_]
    named: tuple[Numbers, Doubles]
    plain: LeadsOfOne


def at_a_time(fit: Fit) -> int:
    """How many hypotheses are best looked at together."""
    cells = _WAYS * max(1, len(fit.numbers))
    return max(1, min(_CELLS, _BITS // max(1, len(fit.rows))) // cells)


def extensions(fit: Fit, bases: Sequence[Writers]) -> list[Extensions | None]:
    """What each of these hypotheses, which have room, comes to with one more writer.

    None where the single candidates' part was kept by the search before this one, and no chain adds to it.
    """
    new = [base for base in bases if base not in fit.known]
    plain = dict(zip(new, _plain(fit, new), strict=True)) if new else {}
    if not fit.chains:
        return [*_kept(fit, bases, list(plain.values()), plain[bases[0]].leads)]
    known = [plain.get(base) or fit.known[base] for base in bases]
    chains = _scan(fit, 1, bases, [np.concatenate([one.least[by] for one in known]) for by in range(2)])
    changes = np.array([base in plain for base in bases])
    for leads in chains:
        changes[leads.line // _WAYS] = True
    numbers = np.flatnonzero(changes)
    found: list[Extensions | None] = [None] * len(bases)
    if len(numbers):
        some = [(number, bases[number], known[number]) for number in numbers.tolist()]
        of_some = [one for _, _, one in some]
        by_score, by_promise = (
            leading(Leads.joined([*_lines(of_some, by), _renumbered(more, numbers)]), _WAYS * len(some), count)
            for by, (more, count) in enumerate(zip(chains, (fit.costs.kept, fit.costs.beam), strict=True))
        )
        kept = _kept(fit, [base for _, base, _ in some], of_some, (by_score, by_promise))
        for (number, _, _), one in zip(some, kept, strict=True):
            found[number] = one
    return found


def _plain(fit: Fit, bases: Sequence[Writers]) -> list[LeadsOfOne]:
    """Who leads among the candidates that are no chains: the same, whatever chains there are."""
    leads, lines = _scan(fit, 0, bases), _WAYS * len(bases)
    by_score, by_promise = (
        least_of(own, lines, count).reshape(-1, _WAYS)
        for own, count in zip(leads, (fit.costs.kept, fit.costs.beam), strict=True)
    )
    return [
        LeadsOfOne(leads, _WAYS * number, least) for number, least in enumerate(zip(by_score, by_promise, strict=True))
    ]


def _kept(
    fit: Fit, bases: Sequence[Writers], plain: Sequence[LeadsOfOne], leads: tuple[Leads, Leads]
) -> list[Extensions]:
    """leads: by their score, and by their promise, of two lines for each hypothesis: those that write bad, and those
    that write good.
    """
    lines, size = _WAYS * len(bases), len(fit.numbers)
    by_score = trimmed(leads[0], lines, size, fit.costs.kept)
    by_promise = first(trimmed(leads[1], lines, size, fit.costs.beam), lines, fit.costs.beam)
    bounds = by_score.bounds(lines)
    best = np.append(by_score.scores, -np.inf)[bounds[:-1]]
    kept = by_score.scores > best[by_score.line] - _WORTH
    kept |= rank(by_score, lines) < _FEW
    near = by_score.only(kept)
    line = np.concatenate([near.line, by_promise.line])
    order = np.argsort(line, kind="stable")
    line, promising = line[order], order >= len(near.line)
    place = np.concatenate([near.place, by_promise.place])[order]
    scores = np.concatenate([near.scores, by_promise.others])[order]
    promise = np.concatenate([near.others, by_promise.scores])[order]
    rows = fit.found.joined(fit.found.rows(bases)[line // _WAYS], place, line % _WAYS == 1)
    ends = np.searchsorted(line, np.arange(0, lines + 1, _WAYS)).tolist()
    return [
        Extensions(
            rows[start:end],
            scores[start:end],
            promise[start:end],
            promising[start:end],
            (by_score.place[some:more], by_score.scores[some:more]),
            one,
        )
        for one, (start, end), (some, more) in zip(
            plain, pairwise(ends), pairwise(bounds[::_WAYS].tolist()), strict=True
        )
    ]


def _lines(plain: Sequence[LeadsOfOne], by: int) -> list[Leads]:
    """Of each its lines, numbered anew."""
    return [one.leads[by].lines(one.start, _WAYS, _WAYS * number) for number, one in enumerate(plain)]


def _renumbered(leads: Leads, numbers: Numbers) -> Leads:
    """With the lines of these hypotheses alone."""
    base, way = np.divmod(leads.line, _WAYS)
    return leads._replace(line=np.searchsorted(numbers, base) * _WAYS + way)


def _scan(
    fit: Fit, part: int, bases: Sequence[Writers], least: Sequence[Doubles | None] = (None, None)
) -> tuple[Leads, Leads]:
    """Those in one part of the candidates. least: [L], what scores, and promises, have to come up to."""
    worth = Worth.of(fit, part, bases)
    prior = np.array([fit.log_prior(writers) + fit.costs.another * bool(writers.all) for writers in bases])
    return worth.best(fit, np.repeat(prior, _WAYS), least)


@dataclass(frozen=True)
class Worth:
    """What the splits of some lines are worth: two lines for each hypothesis, with one more writer that writes bad, and
    one that writes good.

    named, promise: ln of the likelihood at the rates of bad and good state, and at any rates. cell: [L, C], where in
    these (flat) the candidates stand, many in one place; where nothing changes, there is minus infinity. first: the
    number of the first candidate.
    """

    named: Doubles
    promise: Doubles
    cell: Numbers
    first: int

    @staticmethod
    def of(fit: Fit, part: int, bases: Sequence[Writers]) -> Worth:
        later = np.array([fit.later.than_all(writers.all, part) for writers in bases])
        expected, room = [fit.expecting(writers) for writers in bases], np.empty_like(later)
        splits = np.array([[(own & outcome).bit_count() for outcome in fit.outcomes] for own in expected])
        changed = []
        for way in range(_WAYS):
            # A bad writer changes rows that pass, a good one rows that fail: where it wrote later than the last one.
            rows = [own if way else ~own for own in expected]
            masks = (words_of([own & outcome for own in rows], len(fit.rows)) for outcome in fit.outcomes)
            changed.append([counted(later, mask, room) for mask in masks])
        shape, first = (len(bases), _WAYS, later.shape[2]), fit.first_chain if part else 0
        wide = len(fit.rows) - fit.splits.failures + 1
        if (fit.splits.failures + 1) * wide < _TABLE:
            named, promise = fit.splits.all
            cell = np.empty(shape, dtype=np.intp)
            before = (splits @ (wide, 1))[:, None]
            for (failed, passed), change, into in zip(changed, (np.add, np.subtract), cell.swapaxes(0, 1), strict=True):
                own = failed.astype(np.uint16)
                own *= np.uint16(wide)
                own += passed
                change(before, own, out=into)
                np.copyto(into, -1, where=own == 0)
        else:
            cell = np.arange(np.prod(shape)).reshape(shape)
            counts = np.array(changed).astype(np.int64).transpose(1, 2, 0, 3)
            k, passed = splits.T[:, :, None, None] + counts * [[1], [-1]]
            named, promise = fit.splits.both(k, k + passed)
            for worth in (named, promise):
                np.copyto(worth, -np.inf, where=counts[0] + counts[1] == 0)
        return Worth(named, promise, cell.reshape(-1, shape[2]), first)

    def best(self, fit: Fit, prior: Doubles, least: Sequence[Doubles | None]) -> tuple[Leads, Leads]:
        """The leading candidates of each line by their score, and by their promise. prior: [L], ln, of the hypotheses.

        least: [L], what they have to come up to.
        """
        (lines, size), found = self.cell.shape, []
        for one, other, count, bound in (
            (self.named, self.promise, fit.costs.kept, least[0]),
            (self.promise, self.named, fit.costs.beam, least[1]),
        ):
            # In single precision, of which the rounding is allowed for, it takes half the time.
            roughly = one.astype(np.float32).take(self.cell)
            roughly += fit.rough_prior[self.first : self.first + size]
            flat = among_best(roughly, count, None if bound is None else bound - prior)
            line, place = np.divmod(flat, size)
            place += self.first
            cell, of_candidate, of_base = self.cell.take(flat), fit.prior[place], prior[line]
            scores, others = (worth.take(cell) + of_candidate + of_base for worth in (one, other))
            found.append(leading(Leads(line, place, scores, others), lines, count))
        by_score, by_promise = found
        return by_score, by_promise
