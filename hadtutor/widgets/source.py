"""The source of a function, folded, where a chapter wants to show it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from IPython.display import Markdown


def show_source(function: Callable) -> Markdown:
    """Show the package's own source of a function, so that a chapter and the code cannot drift apart.

    Parameters
    ----------
    function : callable
        A function or a numba kernel.
    """
    source = inspect.getsource(getattr(function, "py_func", function))
    return Markdown(f"```python\n{source}```")
