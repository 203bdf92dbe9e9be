"""What is imported only when it is asked for: optional packages, and the modules that need torch."""

import importlib
from collections.abc import Callable
from types import ModuleType


def need(name: str, extra: str, what: str = "this") -> ModuleType:
    """Import the module `name`; if its package is missing, say that `what` needs the `extra` of hadtutor."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing, install = name.partition(".")[0], f"pip install 'hadtutor[{extra}]'"
        raise ImportError(f"{missing} is missing; {what} needs the extra `{extra}`: {install}") from error


def submodules(package: str, *names: str) -> Callable[[str], ModuleType]:
    """A ``__getattr__`` for `package` that imports the submodules `names` when they are first used."""

    def __getattr__(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
