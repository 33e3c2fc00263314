"""In which order tests ran."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.ordering import in_order


@given(st.lists(st.integers(-3, 9) | st.integers(-(1 << 17), 1 << 17)))
def test_the_first_comes_first_and_equal_ones_as_they_stand(positions: list[int]) -> None:
    expected = sorted(range(len(positions)), key=positions.__getitem__)
    assert in_order(np.array(positions, dtype=np.int32)).tolist() == expected
