"""What the chapters share: a check with its reason, and tables."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def check(holds: Any, reason: str) -> None:
    """Go on if a law holds, and stop with the reason if it does not.

    Parameters
    ----------
    holds : bool or array of bool
        All of it must be true.
    reason : str
        What is wrong if not, and where to look.

    Raises
    ------
    AssertionError
        With `reason`.
    """
    if not np.all(np.asarray(holds)):
        raise AssertionError(reason)


class Table:
    """Columns side by side: HTML in a notebook, aligned text elsewhere.

    Parameters
    ----------
    columns : mapping of str to sequence
        Head and entries of each column, all of one length. Text stays, numbers are formatted.
    formats : mapping of str to str, optional
        Format specification by column, such as ``{"p": ".3f"}``; else four significant digits, and whole numbers whole.
    caption : str
        A line above the table.

    Raises
    ------
    ValueError
        If the columns differ in length.

    Examples
    --------
    >>> print(Table({"observable": ["thrust", "C"], "p": [0.52, 0.0061]}, {"p": ".3f"}))
    observable      p
    thrust      0.520
    C           0.006
    """

    def __init__(
        self, columns: Mapping[str, Sequence], formats: Mapping[str, str] | None = None, caption: str = ""
    ) -> None:
        lengths = {head: len(entries) for head, entries in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of a table have one length, got {lengths}")
        self.caption = caption
        formats = formats or {}
        self.columns = {head: [_entry(x, formats.get(head)) for x in entries] for head, entries in columns.items()}
        self._text = {head: any(isinstance(x, str) for x in entries) for head, entries in columns.items()}

    def __str__(self) -> str:
        columns = []
        for head, entries in self.columns.items():
            width = max(map(len, [head, *entries]))
            columns.append([x.ljust(width) if self._text[head] else x.rjust(width) for x in [head, *entries]])
        lines = ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
        return "\n".join([self.caption] * bool(self.caption) + lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        align = [f"text-align:{'left' if text else 'right'}" for text in self._text.values()]

        def row(tag: str, entries: Sequence[str]) -> str:
            cells = "".join(f'<{tag} style="{a}">{html.escape(x)}</{tag}>' for a, x in zip(align, entries, strict=True))
            return f"<tr>{cells}</tr>"

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(row("td", entries) for entries in zip(*self.columns.values(), strict=True))
        return f"<table>{caption}<thead>{row('th', list(self.columns))}</thead><tbody>{body}</tbody></table>"


def _entry(x: Any, spec: str | None) -> str:
    """One entry as text."""
    if isinstance(x, str):
        return x
    if spec is None:
        spec = "d" if isinstance(x, (int, np.integer)) and not isinstance(x, bool) else ".4g"
    return f"{x:{spec}}".replace("-", "\N{MINUS SIGN}", 1) if np.isfinite(x) else "–"
