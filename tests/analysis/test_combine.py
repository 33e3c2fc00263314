import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.combine import combine, combine_test, probabilities
from flakediag.analysis.weights import weights
from flakediag.model import Category, Evidence, Partner

ORDER, T, P, U = Category.ORDER, Category.TIMING, Category.PORT, Category.UNKNOWN
KNOWN = [c for c in Category if c is not U]

some_evidence = st.builds(
    Evidence,
    kind=st.sampled_from(["words", "words-comparison", "timing-plateau", "ports", "last-writer"]),
    category=st.sampled_from(KNOWN),
    weight=st.floats(-8, 8),
    summary=st.just("so"),
)


def speaks(category, weight, kind="words", **rest):
    return Evidence(kind, category, weight, f"{kind} says {category}", **rest)


def test_the_prior_is_a_distribution_with_a_real_share_for_unknown():
    prior = weights("combine")["prior"]
    assert set(prior) == {c.value for c in Category}
    assert sum(prior.values()) == pytest.approx(1)
    assert prior["unknown"] >= 0.2


def test_no_evidence_is_unknown():
    found = combine([])
    assert found.category is U
    assert found.probability == pytest.approx(weights("combine")["prior"]["unknown"])
    assert found.partners == () == found.ports


def test_one_category_is_called():
    found = combine([speaks(T, 4.0, "timing-plateau")])
    assert found.category is T
    assert found.probability > 0.9
    assert found.alternatives[0].probability < 0.1


def test_what_stays_below_the_bar_is_unknown_with_alternatives():
    found = combine([speaks(T, 0.6), speaks(ORDER, 0.6)])
    assert found.category is U
    assert {a.category for a in found.alternatives[:2]} == {T, ORDER}


@given(st.lists(some_evidence, max_size=12))
def test_probabilities_sum_to_one(evidence):
    found = probabilities(evidence)
    assert set(found) == set(Category)
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in found.values())
    diagnosis = combine(evidence)
    listed = [diagnosis.probability, *(a.probability for a in diagnosis.alternatives)]
    assert sum(listed) <= 1 + 1e-9
    assert diagnosis.category not in {a.category for a in diagnosis.alternatives}


@given(st.lists(some_evidence, max_size=8), st.sampled_from(KNOWN), st.floats(0, 5))
def test_evidence_for_a_category_never_lowers_it(evidence, category, weight):
    before = probabilities(evidence)[category]
    assert probabilities([*evidence, speaks(category, weight)])[category] >= before - 1e-12


@given(st.lists(some_evidence, max_size=8))
def test_the_order_of_evidence_does_not_matter(evidence):
    assert probabilities(evidence) == pytest.approx(probabilities(evidence[::-1]))


def test_saying_the_same_again_counts_less():
    once = probabilities([speaks(T, 1.0)])[T]
    twice = probabilities([speaks(T, 1.0), speaks(T, 1.0, "words-comparison")])[T]
    apart = probabilities([speaks(T, 1.0), speaks(T, 1.0, "timing-plateau")])[T]
    assert once < twice < apart


def test_words_are_capped_and_measurements_are_not():
    words = probabilities([speaks(ORDER, 50.0)])[ORDER]
    measured = probabilities([speaks(ORDER, 50.0, "last-writer")])[ORDER]
    assert words < 0.999 < measured


def test_partners_and_ports_come_from_the_winner():
    polluter = Partner("a::b", "test", "polluter", 0.4)
    again = Partner("a::b", "test", "polluter", 0.9)
    process = Partner("PostgreSQL", "service", "port-user", 0.4)
    evidence = [
        speaks(P, 6.0, "ports", partners=(process,), ports=(5432, 80)),
        speaks(P, 1.0, "ports-beside", ports=(80,)),
        speaks(ORDER, 1.0, "last-writer", partners=(polluter, again)),
    ]
    found = combine(evidence)
    assert found.category is P
    assert found.ports == (5432, 80)
    assert found.partners == (process,)
    assert found.evidence[0].kind == "ports"
    found = combine([speaks(ORDER, 6.0, "last-writer", partners=(polluter, again)), evidence[0]][:1])
    assert found.partners == (again,)
    assert found.ports == ()


def test_a_test_is_what_its_signatures_are():
    timing, order = combine([speaks(T, 5.0, "timing-plateau")]), combine([speaks(ORDER, 5.0, "last-writer")])
    assert combine_test([(9, timing), (1, order)]).category is T
    assert combine_test([(1, timing), (9, order)]).category is ORDER
    assert combine_test([(9, timing), (1, order)]).probability < timing.probability
    assert combine_test([(3, timing)]).probability == pytest.approx(timing.probability, abs=0.02)
    assert combine_test([]).category is U
    both = combine_test([(2, timing), (1, order)])
    assert {e.kind for e in both.evidence} == {"timing-plateau", "last-writer"}


@given(st.lists(st.tuples(st.integers(1, 50), st.lists(some_evidence, max_size=4)), min_size=1, max_size=5))
def test_a_test_is_never_surer_than_its_surest_signature(parts):
    diagnoses = [(count, combine(evidence)) for count, evidence in parts]
    whole = combine_test(diagnoses)
    if whole.category is not U:
        surest = max(_share(diagnosis, whole.category) for _, diagnosis in diagnoses)
        assert whole.probability <= surest + 1e-9


def _share(diagnosis, category):
    """The probability that a diagnosis gives to a category; too small alternatives are not listed."""
    if diagnosis.category is category:
        return diagnosis.probability
    return next((a.probability for a in diagnosis.alternatives if a.category is category), 0.0)
