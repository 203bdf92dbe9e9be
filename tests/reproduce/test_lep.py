"""What `reproduce lep` stores, prints and draws, from pieces made by hand."""

import numpy as np

import hadtutor as ht
from hadtutor import homer
from hadtutor.homer.rebase import MOST
from hadtutor.reproduce import lep, results


def pieces():
    chi2 = dict.fromkeys(lep.ALL, (10.0, 20))
    fit = {
        "names": ["a", "b", "sigma_pt"], "values": [0.6, 0.95, 0.305], "errors": [0.05, 0.05, 0.003], "chi2": 300.0,
        "ndf": 312, "fresh": {"Monash": chi2, "tune": chi2},
    }  # fmt: skip
    shape = (4, len(lep.Z))
    learned = {
        "z": lep.Z.tolist(), "mt2": [0.05, 0.1, 0.3, 1.0], "ratio": np.ones(shape).tolist(),
        "sigma": np.full(shape, 0.03).tolist(), "chi2": 20.0, "ndf": 21, "fitted": ["thrust"], "before": chi2,
        "after": chi2, "departure": [30.0, 12.0],
    }  # fmt: skip
    names = [
        f"learned{name}{error}" for name in ("", *(f"_{n}" for n in lep.BY_EXPERIMENT)) for error in ("", "_theory")
    ]
    rows = {"Monash 2013": dict.fromkeys(lep.ALL, 1.5)}
    showers = {"Monash's shower": {"values": [0.6, 0.95, 0.305], "chi2": 300.0}}
    found = {"tunes": {"0": rows, "0.05": rows}, "fit": fit, "fit_theory": fit, "showers": showers}
    return found | dict.fromkeys(names, learned)


def test_numbers_become_a_table_and_a_figure(tmp_path):
    numbers = lep.numbers(pieces())
    text = "\n".join(lep.table(numbers))
    assert "a = 0.6000 ± 0.0500" in text
    assert all(name in text for name in ("Monash 2013", "ALEPH", "OPAL_theory", "eight figures"))
    results.draw(numbers, tmp_path / "lep.png")
    assert (tmp_path / "lep.png").stat().st_size > 10_000


def test_a_lund_function_is_no_departure():
    """Of a simulation by weights: χ² of a Lund function is that of itself, and nothing is left beside it."""
    rng = np.random.default_rng(1)
    sim, data = (ht.hadronize_strings(4000, ht.LundParams(a=a), rng=rng) for a in (0.68, 0.60))
    result = homer.fit(sim, data.hadrons, iterations=1, progress=False)
    far, near = lep.departure(result, ht.LundMixture((ht.LundParams(a=0.3), ht.LundParams(a=0.3)), (0.5, 0.5)))
    assert near < 1e-2 * far
    far, near = lep.departure(result, lep.MIXED)
    assert 0.1 < near < far


def test_all_that_is_to_be_done_has_a_name():
    wanted = set(lep.parts(2000, 1, {"threads": 1, "rng": 1, "progress": False}, None))
    assert wanted == set(pieces())


def test_the_stored_run_meets_its_bars():
    """New events at the tune are at least 100 nearer to LEP than Monash's; what was not fitted improves as well."""
    result = results.stored("lep")
    numbers = result["numbers"]
    assert result["provenance"]["n_events"] >= 200_000
    fresh = {name: sum(chi2[f][0] for f in lep.EIGHT) for name, chi2 in numbers["fit"]["fresh"].items()}
    assert fresh["Monash"] - fresh["tune"] > 100
    lists = [numbers[f"learned{name}_theory"] for name in ("", *(f"_{name}" for name in lep.BY_EXPERIMENT))]
    settled = [learned for learned in lists if len(learned["bases"]) < MOST]
    assert len(settled) >= 3, "DELPHI's list has neither multiplicity nor ξ, and does not tell"
    for learned in settled:
        others = [f for f in learned["before"] if f not in learned["fitted"]]
        assert sum(learned["after"][f][0] - learned["before"][f][0] for f in others) < 0, learned["fitted"]
    for learned in lists:
        assert learned["departure"][1] < learned["departure"][0]
    assert "f learned from" in results.summary(result)
