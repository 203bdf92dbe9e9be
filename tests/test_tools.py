"""What keeps notebooks and pages in shape does its work."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import check_pages
import for_lab
import nbclean


def page(text="", *printed, html=None):
    outputs = [new_output("stream", text=line) for line in printed]
    outputs += [new_output("display_data", {"text/html": html})] if html else []
    return new_notebook(cells=[new_markdown_cell(text), new_code_cell("x", outputs=outputs)])


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        ("x" * 89, "89 characters"),
        (" 8%|8         | 4.10k/50.0k [00:00<?, ?event/s]", "progress bar"),
        ("np.float64(0.0366)", "raw representation"),
        ("<hadtutor.rsa.Fit object at 0x7f>", "raw representation"),
        (r"mean of $n_\mathrm{f}$", "formula"),
    ],
)
def test_what_jars_on_a_page_is_found(printed, fault):
    assert fault in next(check_pages.faults(page("", printed)))


@pytest.mark.parametrize("number", ["3.58", "-0.21", "−0.21", "12,345", "8 %", "2e-5"])
def test_numbers_of_the_text_are_those_that_cells_print(number):
    text = f"slope {number}<!--=--> as predicted"
    assert not list(check_pages.faults(page(text, "3.5822 -0.2121 12345 0.0803 1.97e-05")))
    assert "no cell prints it" in next(check_pages.faults(page(text, "3.59 0.22 12346 0.09 2.6e-5")))


def test_what_training_decides_is_true_within_a_quarter():
    text = "falls to about 0.06<!--~-->, by a factor of 6<!--~-->"
    assert not list(check_pages.faults(page(text, "0.0742 4.6")))
    assert len(list(check_pages.faults(page(text, "0.0760 4.4")))) == 2


def test_tables_count_as_printed_and_markup_does_not():
    assert not list(check_pages.faults(page("p is 0.52<!--=-->", html="<td>0.522</td>")))
    assert list(check_pages.faults(page("p is 0.52<!--=-->", html='<td style="width:0.52">1</td>')))


def test_lab_folds_what_the_book_folds_and_solutions():
    notebook = new_notebook(
        cells=[
            new_code_cell("draw()", metadata={"tags": ["hide-input"]}),
            new_code_cell("compute()"),
            new_markdown_cell("```{solution-start} ex-a\n```"),
            new_code_cell("solve()"),
            new_markdown_cell("```{solution-end}\n```"),
            new_code_cell("go_on()"),
        ]
    )
    nbclean.clean(notebook)
    hidden = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in notebook.cells]
    assert hidden == [True, False, False, True, False, False]
    again = nbformat.from_dict(notebook)
    nbclean.clean(again)
    assert again == notebook


def test_citations_become_names_and_years():
    bib = "@article{a1,\n  author = {Ito, K. and Doob, J. and Lévy, P.},\n  year = {1957},\n}\n"
    cited = for_lab.citations(bib)
    assert for_lab.in_words("{cite:p}`a1`", cited, {}) == f"([Ito et al., 1957]({for_lab.SITE}/bibliography.html))"
    assert for_lab.in_words("{term}`weights <weight>`", {}, {}) == "weights"
    assert for_lab.in_words("{ref}`ch-a`", {}, {"ch-a": ("A", "a.ipynb")}) == "[A](a.ipynb)"
