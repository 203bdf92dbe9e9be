"""Rewrite notebooks in place so that JupyterLab shows words where only the built book can resolve a role.

Citations become names and years, references the title of what they refer to, figures get their captions as text; each
with a link to the notebook or to the book's site. Binder does this once, when its image is built; the files in git stay
as they are.

    python tools/for_lab.py book/*.ipynb
"""

import re
import sys
from pathlib import Path

import nbformat

SITE = "https://hadtutor.github.io/hadtutor/book"


def citations(bibliography):
    """Key → "Andersson et al., 1983" for a BibTeX file."""
    found = {}
    for key, entry in re.findall(r"@\w+\{([\w-]+),(.*?)\n\}", bibliography, flags=re.S):
        field = dict(re.findall(r"(\w+)\s*=\s*\{(.*)\}", entry))
        names = [name.split(",")[0].strip("{} ") for name in re.split(r"\s+and\s+", field.get("author", key))]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
        found[key] = f"{who}, {field.get('year', '')}"
    return found


def places(book):
    """Label → (title, address) of chapters, sections and pages; figures by their name."""
    found = {}
    for path in sorted(book.glob("*.ipynb")):
        number = 0
        for cell in nbformat.read(path, 4).cells:
            found |= {
                label: (title.strip(), path.name)
                for label, title in re.findall(r"^\(([\w-]+)\)=\s*\n+#+ (.*)", cell.source, flags=re.M)
            }
            names = re.findall(r"^:name: (fig-[\w-]+)", cell.source, flags=re.M)
            names += [name] if (name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name")) else []
            for name in names:
                number += 1
                found[name] = (f"Figure {number}", f"{SITE}/{path.stem}.html#{name}")
            for title, label in re.findall(r"\{exercise-start\} (.*)\n:label: (ex-[\w-]+)", cell.source):
                found[label] = (f"exercise “{title}”", f"{SITE}/{path.stem}.html#{label}")
    for path in sorted(book.glob("*.md")):
        for label, title in re.findall(r"^\(([\w-]+)\)=\s*\n+#+ (.*)", path.read_text(encoding="utf-8"), flags=re.M):
            found[label] = (title.strip(), f"{SITE}/{path.stem}.html")
    return found


def in_words(text, cited, placed):
    """The Markdown ``text`` with its roles as words and links."""

    def cite(match):
        links = [f"[{cited.get(key.strip(), key.strip())}]({SITE}/bibliography.html)" for key in match[2].split(",")]
        return "; ".join(links) if match[1] == "t" else f"({'; '.join(links)})"

    def refer(match):
        shown, label = re.fullmatch(r"(?:(.*?) *<)?([^<>]*)>?", match[1]).groups()
        title, address = placed.get(label, (label, SITE + "/introduction.html"))
        return f"[{shown or title}]({address})"

    text = re.sub(r"\{cite:([pt])\}`([^`]*)`", cite, text)
    text = re.sub(r"\{(?:ref|numref|doc)\}`([^`]*)`", refer, text)
    text = re.sub(r"\{term\}`(?:([^`<]*?) *<[^`]*>|([^`]*))`", lambda m: m[1] or m[2], text)
    return re.sub(r"\{(?:py:)?(?:mod|func|class|meth)\}`([^`]*)`", r"`\1`", text)


def convert(notebook, cited, placed):
    """Change the cells of ``notebook`` in place, and put each figure's caption below it."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = in_words(cell.source, cited, placed)
        elif figure := cell.metadata.get("mystnb", {}).get("figure"):
            number = placed.get(figure.get("name"), ("Figure", ""))[0]
            caption = in_words(figure.get("caption", ""), cited, placed)
            cells.append(nbformat.v4.new_markdown_cell(f"*{number}.* {caption}"))
    notebook.cells = cells


def main(paths):
    """Rewrite the files."""
    book = Path(paths[0]).parent
    cited, placed = citations((book / "references.bib").read_text(encoding="utf-8")), places(book)
    for path in paths:
        notebook = nbformat.read(path, 4)
        convert(notebook, cited, placed)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
