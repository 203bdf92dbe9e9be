"""The chapters keep the shape that CONTRIBUTING.md asks for; executing them is nbval's job."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
WIDTH = 88  # characters that the column of a page holds
WORDS, LINES = 2500, 320  # of main text, of code that is seen without unfolding
LEVELS = ("easy", "medium", "hard")

each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)


def cells_of(path):
    """Pairs of a cell and where it stands: "main", the label of its exercise, or that of its solution with a slash."""
    where, label = "main", ""
    for cell in nbformat.read(path, 4).cells:
        if start := re.search(r"\{(exercise|solution)-start\}", cell.source):
            label = re.search(r"ex-[\w-]+", cell.source).group()
            where = label if start.group(1) == "exercise" else label + "/"
        yield cell, where
        if re.search(r"\{(exercise|solution)-end\}", cell.source):
            where = "main"


def code_of(path, *, main=False):
    return [
        cell for cell, where in cells_of(path) if cell.cell_type == "code" and (where == "main" or not main)
    ]  # fmt: skip


def text_of(path, *, main=False):
    return "\n\n".join(
        cell.source for cell, where in cells_of(path) if cell.cell_type == "markdown" and (where == "main" or not main)
    )


def words_of(path):
    """Words of the main text that are read without unfolding: no formulas, no labels, no folds."""
    text = re.sub(r"^(:{3,})\{dropdown\}.*?^\1 *$", "", text_of(path, main=True), flags=re.S | re.M)
    text = re.sub(r"\$\$.*?\$\$|\$[^$]+\$|```.*?```|<!--.*?-->|\{[\w:]+\}", " ", text, flags=re.S)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def is_folded(cell):
    return bool(FOLDED & set(cell.metadata.get("tags", [])))


def visible_lines_of(path):
    return sum(len(cell.source.splitlines()) for cell in code_of(path, main=True) if not is_folded(cell))


def test_all_chapters_share_one_setup_cell():
    setups = [[c.source for c in code_of(path) if "setup" in c.metadata.get("tags", [])] for path in CHAPTERS]
    assert all(len(s) == 1 for s in setups)
    assert len({s[0] for s in setups}) == 1


def test_files_have_names_and_the_contents_give_the_order():
    assert not [path.name for path in CHAPTERS if re.match(r"\d", path.name)]
    listed = re.findall(r"file: book/([\w-]+)", (BOOK.parent / "_toc.yml").read_text(encoding="utf-8"))
    assert {path.stem for path in CHAPTERS} <= set(listed)


@each_chapter
def test_a_chapter_is_named_by_its_label(path):
    assert text_of(path).startswith(f"(ch-{path.stem})=")


@each_chapter
def test_a_chapter_is_read_in_one_sitting(path):
    assert words_of(path) <= WORDS
    assert visible_lines_of(path) <= LINES


@each_chapter
def test_nothing_is_wider_than_the_column(path):
    wide = [line for cell in code_of(path) for line in cell.source.splitlines() if len(line) > WIDTH]
    assert not wide


@each_chapter
def test_no_marks_of_tools_on_a_page(path):
    for cell in code_of(path):
        assert "fmt:" not in cell.source
        assert "noqa" not in cell.source
        assert not re.search(r"assert [^\n]*\(\n", cell.source), "an assert that a formatter has torn: use check()"


@each_chapter
def test_a_chapter_has_its_parts(path):
    text = text_of(path)
    for part in ("You will learn", "You need", "**Time**", "## Summary", "## Exercises", "## Further reading"):
        assert part in text, part
    assert text.count(":class: key") >= 1, "no key equation in a box"
    assert "assets/drawings/" in text, "no drawing"
    assert re.search(r":class: self-check", text), "no self-check"
    quiz = text[text.index(":class: self-check") :]
    assert len(re.findall(r"^\*\*\d\. ", quiz, re.M)) >= 3, "three questions at least"


@each_chapter
def test_predictions_have_their_answers_folded_below(path):
    text = text_of(path, main=True)
    assert len(re.findall(r"Predict", text)) <= len(re.findall(r"\{dropdown\}", text))


@each_chapter
def test_exercises_have_a_level_a_hint_and_an_executed_solution(path):
    text, checks = {}, {}
    for cell, where in cells_of(path):
        text[where] = text.get(where, "") + "\n" + cell.source
        if cell.cell_type == "code":
            checks[where] = checks.get(where, 0) + len(re.findall(r"\bcheck\(|\bassert ", cell.source))
    exercises = [where for where in text if where.startswith("ex-") and not where.endswith("/")]
    assert len(exercises) >= 5
    levels = []
    for label in exercises:
        title = re.search(r"\{exercise-start\} (.*)", text[label]).group(1)
        assert title.endswith(tuple(f"({level})" for level in (*LEVELS, "pencil"))), title
        levels.append(title.rsplit("(", 1)[1][:-1])
        assert "{dropdown} Hint" in text[label], f"{label} has no folded hint"
        assert label + "/" in text, f"{label} has no solution"
        assert checks.get(label + "/", 0) or levels[-1] == "pencil", f"the solution of {label} checks nothing"
    assert "pencil" in levels, "no exercise for pencil and paper"
    assert set(levels) >= {"easy", "medium"}


@each_chapter
def test_every_check_says_why(path):
    for cell in code_of(path):
        for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M))):
            if isinstance(node, ast.Assert):
                assert node.msg is not None, ast.unparse(node)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
                assert len(node.args) == 2, ast.unparse(node)


@each_chapter
def test_every_figure_has_caption_name_and_alt_text(path):
    for cell in code_of(path):
        if "plt.subplots" in cell.source and "def draw" not in cell.source:
            figure = cell.metadata["mystnb"]
            assert figure["image"]["alt"]
            assert figure["figure"]["caption"]
            assert figure["figure"]["name"].startswith("fig-")
            assert is_folded(cell), "a cell that draws is folded"


@each_chapter
def test_every_drawing_has_alt_text_and_both_sets_of_colours(path):
    for name, options in re.findall(r"\{figure\} (assets/drawings/[\w-]+\.svg)\n((?::.*\n)*)", text_of(path)):
        assert ":alt:" in options
        assert ":class: dark-light" in options
        drawing = (BOOK / name).read_text(encoding="utf-8")
        assert "prefers-color-scheme: dark" in drawing
        assert len(drawing) < 12_000


def test_binder_installs_what_the_chapters_import():
    environment = (BOOK.parent / "binder/environment.yml").read_text(encoding="utf-8")
    provides = {
        "sklearn": "scikit-learn",
        "torch": "pytorch-cpu",
        "matplotlib": "matplotlib-base",
        "IPython": "ipykernel",
    }
    imported = {"onnx", "onnxruntime", "pyhepmc", "iminuit", "awkward"}  # through the package
    for path in CHAPTERS:
        for cell in code_of(path):
            for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module.split(".")[0])
    for name in imported - set(sys.stdlib_module_names) - {"hadtutor", "mpl_toolkits"}:
        assert re.search(rf"^ +- {provides.get(name, name)}\b", environment, re.M), name


def test_the_glossary_is_sorted():
    assert ":sorted:" in (BOOK / "glossary.md").read_text(encoding="utf-8")


def test_lab_reads_words_where_the_book_has_roles(tmp_path):
    copy = shutil.copytree(BOOK, tmp_path / "book", ignore=shutil.ignore_patterns("assets"))
    notebooks = sorted(copy.glob("*.ipynb"))
    subprocess.run([sys.executable, str(BOOK.parent / "tools/for_lab.py"), *map(str, notebooks)], check=True)
    for path in notebooks:
        text = text_of(path)
        assert not re.search(r"\{(cite:[pt]|ref|numref|doc|term|mod|py:mod)\}`", text)
        assert text.count("*Figure ") >= text_of(BOOK / path.name).count("mystnb")
        for address in re.findall(r"\]\(([\w-]+\.ipynb)\)", text):
            assert (copy / address).exists(), address
