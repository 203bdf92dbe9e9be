"""A check stops with its reason, a table is the same in text and in HTML."""

import numpy as np
import pytest

from hadtutor.widgets import Table, check


def test_a_check_that_holds_is_silent_and_one_that_fails_says_why():
    check(np.array([True, True]), "never")
    for fails in (False, np.array([True, False]), np.bool_(False)):
        with pytest.raises(AssertionError, match="is the energy the same"):
            check(fails, "is the energy the same?")


def test_a_table_aligns_text_left_and_numbers_right():
    table = Table({"model": ["string", "cluster"], "n": [15, 1234], "p": [0.5, 0.00613]}, {"p": ".3f"}, caption="All")
    assert str(table).splitlines() == ["All", "model       n      p", "string     15  0.500", "cluster  1234  0.006"]
    assert repr(table) == str(table)
    html = table._repr_html_()
    assert html.count("<tr>") == 3
    assert '<td style="text-align:right">0.006</td>' in html


def test_what_is_no_number_and_what_is_html_is_shown_as_text():
    table = Table({"a<b": ["x & y"], "v": [np.nan], "w": [-2.5]})
    assert "a&lt;b" in table._repr_html_()
    assert "x &amp; y" in table._repr_html_()
    assert str(table).splitlines()[1].split() == ["x", "&", "y", "–", "−2.5"]


def test_columns_of_a_table_have_one_length():
    with pytest.raises(ValueError, match="one length"):
        Table({"a": [1, 2], "b": [1]})
