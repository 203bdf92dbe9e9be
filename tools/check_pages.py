"""Read the executed chapters of a built book as a reader would, and say what jars.

    python tools/check_pages.py [_build/.jupyter_cache]

Output wider than the column, debris of progress bars, raw representations and formulas that nobody set are faults. So
are numbers in the text, marked by a comment ``<!--=-->`` right behind them, that no cell of the chapter prints.

Training is chaotic: another processor rounds otherwise, and a network ends up as with another seed. A number that comes
from one, and that the text calls "about", has the mark ``<!--~-->``: some printed number must lie within 25 % of it.
The exit code is 1 if there are faults.
"""

import html
import re
import sys
from pathlib import Path

import nbformat
from jupyter_cache import get_cache

WIDTH = 88
MARKS = {"<!--=-->": 0.0, "<!--~-->": 0.25}  # relative distance that is allowed besides rounding
NUMBER = r"(?<![\d.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+−]?\d+)?(?!\.?\d)"  # no version, no list
DEBRIS = {
    "a progress bar": r"\d+%\||it/s\]|event/s\]|\?it/s",
    "a raw representation": r"np\.(float|int)|<[\w.]+ (object )?at 0x|array\(\[|\bdtype=|<Axes|<Figure|\bNone\b",
    "a formula that is not set": r"\$[^$\n]*\\[a-z]+|\\mathrm",
}


def outputs_of(cell):
    """Text that a reader sees below a cell; of HTML the words."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text, True
        elif "data" in output:
            data = output.data
            if "text/html" in data:
                yield (
                    html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", data["text/html"], flags=re.S)),
                    False,
                )
            elif not {"image/png", "image/svg+xml", "text/markdown"} & set(data):
                yield data.get("text/plain", ""), True


def value(text):
    """Number and half a unit of its last digit."""
    text = text.replace("−", "-").replace(",", "")
    mantissa, _, power = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(text), 0.5001 * 10.0 ** (-decimals + int(power or 0))


def faults(notebook):
    """Sentences, one for each thing that jars."""
    printed, text = [], []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text.append(cell.source)
            continue
        for words, fixed in outputs_of(cell):
            printed += [value(number)[0] for number in re.findall(NUMBER, words)]
            yield from (f"{name}: {found.group()!r}" for name, e in DEBRIS.items() if (found := re.search(e, words)))
            if fixed:
                yield from (f"{len(line)} characters: {line[:60]}…" for line in words.splitlines() if len(line) > WIDTH)
    for number, mark in re.findall(rf"({NUMBER})[\s$%\\]*({'|'.join(MARKS)})", "\n".join(text)):
        wanted, half = value(number)
        reach = max(half, MARKS[mark] * abs(wanted))
        if not any(abs(factor * x - s * wanted) <= reach for x in printed for factor in (1, 100) for s in (1, -1)):
            yield f"the text says {number}, no cell prints it"


def main(cache="_build/.jupyter_cache"):
    """Print what was found in the chapters, with the outputs of their last execution; the number of faults."""
    count, cache = 0, get_cache(cache)
    for path in sorted(Path("book").glob("*.ipynb")):
        try:
            found = faults(cache.merge_match_into_notebook(nbformat.read(path, 4))[1])
        except KeyError:
            found = ["it was not executed"]
        for fault in found:
            print(f"{path.stem}: {fault}")
            count += 1
    return count


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:])))
