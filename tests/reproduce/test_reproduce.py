"""Experiments of paper size, small; and the bars that the stored ones must meet."""

import json

import numpy as np
import pytest
import torch
from checks import ALPHA

from hadtutor import __main__
from hadtutor.files import DataFileError
from hadtutor.reproduce import (
    EXPERIMENTS,
    closure,
    figure,
    homer,
    ihomer,
    published,
    reproduce,
    results,
    run,
    stored,
    summary,
)  # fmt: skip


# So few events are worth few at the best f; whether errors hold there is not asked here.
@pytest.mark.filterwarnings("ignore:the weighted simulation is worth:RuntimeWarning")
def test_an_experiment_runs_and_goes_on(tmp_path, monkeypatch):
    real, calls = ihomer.learn, []

    def once(target, *args, **options):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(target, *args, **options)

    monkeypatch.setattr(ihomer, "learn", once)
    for module in (closure, published):
        monkeypatch.setattr(module, "BOOTSTRAPS", 3)
    monkeypatch.setattr(published, "ITERATIONS", 2)
    monkeypatch.setattr(published, "EPOCHS", {"classifier": 4, "regression": 3})
    monkeypatch.setattr(results, "data_folder", lambda: tmp_path.parent)
    tmp_path = tmp_path.rename(tmp_path.parent / "results")
    settings = {"n_events": 4000, "out": tmp_path, "threads": 1, "experiments": 1, "progress": False}
    with pytest.raises(FileNotFoundError, match="reproduce ihomer"):
        stored("ihomer")
    with pytest.raises(KeyboardInterrupt):
        reproduce("ihomer", **settings)
    result = reproduce("ihomer", **settings)
    assert calls == ["mixture", "mixture_b", "mixture_b", "mixture"], "what was done was done again"
    of_networks = result["numbers"]["table_published"][-1]
    assert sum(of_networks["pull_shares"]) == pytest.approx(1.0, abs=1e-4)
    assert of_networks["seconds_of_fit"] > 0
    assert stored("ihomer") == json.loads(json.dumps(result))
    assert [row["what"] for row in result["numbers"]["table"]][0] == "HOMER, 1 iteration"
    assert {path.name for path in tmp_path.iterdir()} == {"ihomer.json", "ihomer.png"}
    assert "exact weights" in summary(result)
    assert figure("ihomer").endswith("ihomer.png")
    (tmp_path / "ihomer.json").write_text("{")
    with pytest.raises(DataFileError, match="damaged"):
        stored("ihomer")


def test_experiments_have_names_and_sizes():
    with pytest.raises(ValueError, match="unknown experiment"):
        reproduce("omnifold")
    with pytest.raises(ValueError, match="at least 2000"):
        reproduce("homer", n_events=10)


@pytest.mark.parametrize("name", ["homer", "ihomer", "gluons"])
def test_stored_results_meet_the_bars(name):
    """Of the packaged run with a million events of each; data of LEP have no truth to meet."""
    assert name in EXPERIMENTS
    result = stored(name)
    numbers = result["numbers"]
    assert result["provenance"]["n_events"] == 1_000_000
    for table in [key for key in numbers if key.startswith("table") and key != "table_published"]:
        rows = {row["what"]: row for row in numbers[table]}
        first = rows["HOMER, 1 iteration"]
        for last in (rows["with posterior"], rows["with new simulations"]):
            assert len(last["aucs"]) >= 2, "one held-out set is not enough"
            assert all(abs(area - 0.5) < 0.003 for area in last["aucs"]), table
            assert last["least_p_value"] > ALPHA / 13, table
            assert first["auc"] > last["auc"] + 0.003, "one iteration leaves no bias to remove"
            assert max(last["f_bias"][:3]) < max(0.02, 0.5 * max(first["f_bias"][:3])), table
    if name == "ihomer":
        first, last = numbers["table_published"]
        assert last["auc"] < first["auc"], "iterations of the published networks do nothing"
        assert len(numbers["curves_published"]["auc_of_iterations"]) == 6
        assert numbers["naive"]["p_value"] < 1e-3
        pulls = (np.array(numbers["mixture"]["values"]) - numbers["mixture"]["truth"]) / numbers["mixture"]["errors"]
        assert np.all(np.abs(pulls) < 2)
        found = numbers["coverage"]
        assert found["experiments"] == 20
        assert 0.58 < found["fraction"] < 0.78
        assert abs(found["event_mean"]) < 0.2
        assert 0.8 < found["event_width"] < 1.2


def quick(monkeypatch, tmp_path, parts):
    """Parts that are done at once, and draw nothing."""
    monkeypatch.setattr(
        homer, "parts", lambda *settings: {name: (lambda value=value: value) for name, value in parts.items()}
    )
    monkeypatch.setattr(homer, "numbers", lambda done: dict(done))
    monkeypatch.setattr(run, "draw", lambda numbers, path: None)
    return {"n_events": 2000, "out": tmp_path, "threads": 1, "progress": False}


@pytest.mark.parametrize("content", ['{"settings": {"n_ev', "", "[]", '{"done": {}}', "null"])
def test_a_half_written_state_does_not_lock(tmp_path, monkeypatch, content):
    settings = quick(monkeypatch, tmp_path, {"one": 1})
    (tmp_path / ".homer.partial.json").write_text(content)
    assert reproduce("homer", **settings)["numbers"] == {"one": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["homer.json"]


def test_the_first_part_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    settings = quick(monkeypatch, tmp_path, {})

    def interrupted():
        (tmp_path / ".homer.checkpoint.npz").write_text("half way")
        raise KeyboardInterrupt

    seen = []
    monkeypatch.setattr(homer, "parts", lambda *settings: {"one": interrupted})
    with pytest.raises(KeyboardInterrupt):
        reproduce("homer", **settings)
    look = lambda: seen.append((tmp_path / ".homer.checkpoint.npz").exists())
    monkeypatch.setattr(homer, "parts", lambda *settings: {"one": look})
    reproduce("homer", **settings)
    assert seen == [True]


def test_another_run_starts_from_the_beginning(tmp_path, monkeypatch):
    settings = quick(monkeypatch, tmp_path, {})
    for rng, version in ((1, run.__version__), (2, run.__version__), (2, "99.0")):
        monkeypatch.setattr(run, "__version__", version)
        seen = []

        def interrupted(seen=seen):
            seen.append((tmp_path / ".homer.checkpoint.npz").exists())
            (tmp_path / ".homer.checkpoint.npz").write_text("half way")
            raise KeyboardInterrupt

        monkeypatch.setattr(homer, "parts", lambda *settings, work=interrupted: {"one": work})
        with pytest.raises(KeyboardInterrupt):
            reproduce("homer", rng=rng, **settings)
        assert seen == [False], (rng, version)


def test_threads_of_torch_are_set_back(tmp_path, monkeypatch):
    before, seen = torch.get_num_threads(), []
    settings = quick(monkeypatch, tmp_path, {}) | {"threads": before + 1}
    monkeypatch.setattr(homer, "parts", lambda *settings: {"one": lambda: seen.append(torch.get_num_threads())})
    reproduce("homer", **settings)
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_the_command_line_names_options_as_it_did(tmp_path, monkeypatch, capsys):
    found = {}
    monkeypatch.setattr(__main__, "reproduce", lambda name, **options: found.update(options, name=name))
    monkeypatch.setattr(__main__, "summary", lambda result: "a table")
    __main__.main(["reproduce", "homer", "--events", "4000", "--seed", "3", "--out", str(tmp_path), "--quiet"])
    assert found == {
        "name": "homer", "n_events": 4000, "out": str(tmp_path), "threads": 2, "rng": 3, "experiments": 20,
        "progress": False,
    }  # fmt: skip
    assert capsys.readouterr().out == "a table\n"


def test_equal_samples_have_no_chi2_and_what_is_undefined_is_in_no_bin(rng):
    x, y = rng.normal(size=(2, 5000))
    chi2, ndf, p = closure.chi2(x, y, np.zeros(5000))
    assert ndf == 49
    assert p > ALPHA
    x[:20] = np.nan
    assert np.allclose(closure.chi2(x, y, np.zeros(5000))[0], chi2, rtol=0.5)
