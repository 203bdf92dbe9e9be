"""The chapters keep the shape that CONTRIBUTING.md asks for; executing them is nbval's job."""

import pathlib

import nbformat
import pytest

CHAPTERS = sorted((pathlib.Path(__file__).resolve().parents[1] / "book").glob("[0-9][0-9]-*.ipynb"))


def cells_of(path):
    return nbformat.read(path, 4).cells


def setup_of(path):
    return [c.source for c in cells_of(path) if "setup" in c.metadata.get("tags", [])]


def test_all_chapters_share_one_setup_cell():
    setups = [setup_of(path) for path in CHAPTERS]
    assert all(len(s) == 1 for s in setups)
    assert len({s[0] for s in setups}) == 1


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_has_exercises_with_executed_solutions(path):
    text = "\n".join(c.source for c in cells_of(path))
    exercises = [line.split()[-1] for line in text.splitlines() if line.startswith(":label: ex-")]
    assert len(exercises) >= 5
    assert all(f"{{solution-start}} {label}" in text for label in exercises)
    inside, asserts = None, {}
    for cell in cells_of(path):
        if "{solution-start}" in cell.source:
            inside = cell.source.split()[1]
            asserts[inside] = 0
        elif "{solution-end}" in cell.source:
            inside = None
        elif inside and cell.cell_type == "code":
            asserts[inside] += cell.source.count("assert ")
    assert min(asserts.values()) >= 1, asserts


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_check_says_why(path):
    for cell in cells_of(path):
        if cell.cell_type == "code":
            compile(cell.source, str(path), "exec")
            for statement in cell.source.split("\nassert ")[1:]:
                assert '"' in statement.split("\n\n")[0], f"an assert without a reason: {statement[:60]}"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_figure_has_caption_name_and_alt_text(path):
    for cell in cells_of(path):
        if cell.cell_type == "code" and "plt.subplots" in cell.source and "def draw" not in cell.source:
            figure = cell.metadata["mystnb"]
            assert figure["image"]["alt"]
            assert figure["figure"]["caption"]
            assert figure["figure"]["name"].startswith("fig-")
