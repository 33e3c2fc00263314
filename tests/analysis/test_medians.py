"""Medians of what is known, against numpy's own."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from flakediag.analysis.medians import median, medians

KNOWN = st.floats(0, 1e6, width=32)


@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7), elements=KNOWN | st.just(np.nan))
)
def test_medians_are_those_of_numpy(table: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of rows without any number
        expected = np.nanmedian(table, axis=1)
    assert np.array_equal(medians(table), expected, equal_nan=True)


@given(arrays(np.float64, st.integers(1, 9), elements=KNOWN))
def test_a_median_is_that_of_numpy(values: np.ndarray) -> None:
    assert median(values) == np.median(values)
