"""The source of a function, folded, where a chapter wants to show it."""

import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown


def show_source(function: Callable) -> Markdown:
    """Show the source of a `function` or a numba kernel, so that a chapter and the code cannot drift apart."""
    source = textwrap.dedent(inspect.getsource(getattr(function, "py_func", function)))
    return Markdown(f"```python\n{source}```")
