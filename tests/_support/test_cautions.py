import warnings

import pytest

from hadtutor._support import cautions
from hadtutor._support.checks import takes_rng


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_warning_points_at_the_line_outside_of_the_package_whatever_its_depth(depth):
    scope = {"__name__": "hadtutor.somewhere", "cautions": cautions}
    exec("def inner(n):\n    inner(n - 1) if n else cautions.warn('too few', UserWarning)", scope)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        takes_rng(scope["inner"])(depth)
    assert [(w.filename, w.category, str(w.message)) for w in caught] == [(__file__, UserWarning, "too few")]


def test_a_warning_of_the_outermost_line_points_at_it():
    with pytest.warns(RuntimeWarning, match="alone") as caught:
        cautions.warn("alone")
    assert caught[0].filename == __file__
