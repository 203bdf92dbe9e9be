"""What every fit answers with."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from hadtutor.estimates import Estimate
from hadtutor.files import DataFileError, write_arrays
from hadtutor.params import LundMixture, LundParams


def estimate(**quality):
    return Estimate(("a", "b"), np.array([0.68, 0.98]), np.array([[1e-4, 1e-5], [1e-5, 4e-4]]), **quality)


def test_errors_are_roots_of_the_diagonal():
    assert estimate().errors == pytest.approx([0.01, 0.02])
    assert np.isnan(Estimate(("a",), [1.0], [[-1.0]]).errors).all()


def test_the_p_value_is_that_of_chi2():
    assert estimate(chi2=12.0, ndf=10).p_value == pytest.approx(stats.chi2.sf(12.0, 10))
    for without in ({}, {"ndf": 10}, {"chi2": 1.0}, {"chi2": 1.0, "ndf": 0}):
        assert np.isnan(estimate(**without).p_value)


def test_all_that_is_known_is_said():
    text = str(estimate(chi2=12.0, ndf=10, n_eff=4321.0, message="take care: b < 1"))
    assert text == (
        "a = 0.6800 ± 0.0100, b = 0.9800 ± 0.0200; χ² 12 for 10 degrees of freedom, p = 0.285; n_eff 4321; "
        "take care: b < 1"
    )
    assert str(estimate()) == "a = 0.6800 ± 0.0100, b = 0.9800 ± 0.0200"
    table = estimate(message="b < 1")._repr_html_()
    assert table.count("<tr>") == 3
    assert "b &lt; 1" in table


def test_a_file_holds_values_and_quality(tmp_path):
    path = tmp_path / "fit.npz"
    for one in (
        estimate(chi2=12.0, ndf=10, n_eff=4321.0, message="take care"),
        estimate(),
        Estimate((), [], np.empty((0, 0))),
    ):
        one.save(path)
        again = Estimate.load(path)
        assert str(again) == str(one)
        assert np.array_equal(again.covariance, one.covariance)
        assert (again.names, again.message, again.ndf) == (one.names, one.message, one.ndf)
    write_arrays(path, {"values": np.zeros(2)}, {"kind": "other"})
    with pytest.raises(DataFileError, match="no estimate, but other"):
        Estimate.load(path)


def test_a_file_holds_what_else_a_fit_knows(tmp_path):
    """All but what lives on events: parameters of either kind, further numbers and arrays."""

    @dataclass(eq=False, kw_only=True)
    class Fit(Estimate):
        params: LundParams | LundMixture
        loss: float
        bootstraps: np.ndarray
        log: list

    for params in (LundParams(a=0.3), LundMixture((LundParams(), LundParams(a=0.3)), (0.25, 0.75))):
        fit = Fit(
            names=("a",),
            values=[0.3],
            covariance=[[1e-4]],
            params=params,
            loss=0.5,
            bootstraps=np.ones((3, 1)),
            log=[1],
        )
        fit.save(tmp_path / "fit.npz")
        again = Estimate.load(tmp_path / "fit.npz")
        assert (again.params, again.loss) == (params, 0.5)
        assert np.array_equal(again.bootstraps, fit.bootstraps)
        assert np.isnan(again.chi2)
        assert not hasattr(again, "log")


def test_no_parameter_is_no_error():
    assert str(Estimate((), [], np.empty((0, 0)), chi2=3.0, ndf=2)).startswith("no parameters; χ² 3 for 2")


@pytest.mark.parametrize(
    ("values", "covariance"), [([1.0], np.eye(2)), ([1.0, 2.0], np.eye(1)), ([1.0, 2.0], np.ones(2))]
)
def test_shapes_must_fit(values, covariance):
    with pytest.raises(ValueError, match="2 names want values and a covariance"):
        Estimate(("a", "b"), values, covariance)


def test_directions_are_independent_and_the_least_known_comes_first():
    """The variance of Σ c ln p by the covariance is what is said, and two directions have none in common."""
    root = np.array([[0.2, 0.0, 0.0], [0.5, 0.1, 0.0], [-0.1, 0.3, 0.02]])
    values, log_covariance = np.array([0.7, 1.0, -3.0]), root @ root.T
    fit = Estimate(("a", "b", "c"), values, log_covariance * np.outer(values, values))
    errors, axes = zip(*fit.directions(), strict=True)
    c = np.array([list(axis.values()) for axis in axes])
    np.testing.assert_allclose(c @ log_covariance @ c.T, np.diag(np.square(errors)), atol=1e-12)
    assert list(errors) == sorted(errors, reverse=True)
    assert [list(axis) for axis in axes] == [["a", "b", "c"]] * 3
    assert Estimate((), np.empty(0), np.empty((0, 0))).directions() == []
    for wrong in (np.array([0.7, 0.0, 1.0]), values):
        covariance = np.full((3, 3), np.nan) if wrong is values else np.eye(3)
        with pytest.raises(ValueError, match="directions want a finite covariance"):
            Estimate(("a", "b", "c"), wrong, covariance).directions()
