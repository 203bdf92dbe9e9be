"""Checkpoints: the state of a training in a file, and what the file must belong to."""

import hashlib
import inspect
import io
import os
import pathlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..files import DataFileError, reading, replacing
from .batches import Clouds, Data, Table
from .state import Log, Run

MAGIC = b"hadtutor checkpoint 1\n"
PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, np.generic)
DATA = (tuple, Tensor, Table, Clouds)


def fingerprint(thing: Any, held: tuple[type, ...] = (*PLAIN, *DATA)) -> str:
    """A short name for data or a function, which another one does not have.

    A function is known by its code, and by what it holds of the types `held`; the rest, such as lists, may change while
    a training runs.
    """
    return hashlib.sha256("\n".join(_words(thing, held)).encode()).hexdigest()[:12]


def of_data(data: Data) -> str:
    """The fingerprint of everything that is in the batches."""
    with torch.random.fork_rng():  # for data that add noise
        torch.manual_seed(0)
        return fingerprint([data[index] for index in torch.arange(len(data)).split(4096)])


def of_network(model: nn.Module) -> dict:
    """What a network is besides its weights, each part of it with its type, settings, and places for weights."""
    parts = {
        name: [type(part).__name__, part.extra_repr(), {k: v for k, v in vars(part).items() if _is_setting(k, v)}]
        for name, part in model.named_modules()
    }
    return {
        "network": fingerprint(parts),
        "shapes": {name: list(tensor.shape) for name, tensor in model.state_dict().items()},
        "dtypes": sorted({str(tensor.dtype) for tensor in model.state_dict().values()}),
        "frozen": [name for name, weight in model.named_parameters() if not weight.requires_grad],
    }


def _is_setting(name, value):
    return isinstance(value, PLAIN) and name != "training" and not name.startswith("_")


def _words(thing, held, within=()):
    """What tells a thing from others of its kind."""
    yield type(thing).__name__
    if isinstance(thing, (Table, Clouds)):
        yield of_data(thing)
    elif isinstance(thing, PLAIN):
        yield repr(thing)
    elif isinstance(thing, Tensor):
        flat = thing.detach().cpu().contiguous().reshape(-1)
        yield f"{thing.dtype} {tuple(thing.shape)} {hashlib.sha256(flat.view(torch.uint8).numpy()).hexdigest()}"
    elif isinstance(thing, (tuple, list)):
        for part in thing:
            yield from _words(part, held, within)
    elif isinstance(thing, dict):
        yield from _words([*thing.items()], held, within)
    elif inspect.isroutine(thing) and thing not in within:
        function = inspect.unwrap(getattr(thing, "__func__", thing))
        yield function.__qualname__
        if inspect.isfunction(function):
            yield from _words_of_code(function.__code__)
            seen = inspect.getclosurevars(function).nonlocals.values()
            for part in (*seen, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
                if isinstance(part, held) or inspect.isroutine(part):
                    yield from _words(part, held, (*within, thing))
    elif hasattr(thing, "__dict__"):
        for part in vars(thing).values():
            if isinstance(part, DATA):
                yield from _words(part, held, within)


def _words_of_code(code):
    yield code.co_code.hex()
    yield from code.co_names
    for constant in code.co_consts:
        yield from _words_of_code(constant) if inspect.iscode(constant) else _words(constant, DATA)


def save(path: str | os.PathLike, run: Run, settings: dict) -> None:
    """Write a training to a file, in place of the one of the epoch before."""
    state = {
        "settings": settings, "log": vars(run.log), "model": run.model.state_dict(), "best": run.best,
        "averaged": run.averaged.state_dict(), "n_steps": run.n_steps,
        "optimisers": {name: o.state_dict() for name, o in run.optimisers.items()},
    }  # fmt: skip
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    with replacing(path) as part:
        part.write_bytes(_head(payload) + payload)


def restore(path: str | os.PathLike, run: Run, settings: dict) -> None:
    """Bring a training to where it was when the file was written; a file of another training is refused."""
    raw = pathlib.Path(path).expanduser().read_bytes()
    payload = raw[len(MAGIC) + 65 :]
    if raw != _head(payload) + payload:
        raise DataFileError(f"{path} is not a checkpoint, or damaged; delete it to start again from the beginning")
    with reading(path, "checkpoint"):
        # Always to the CPU first: load_state_dict brings each tensor to the device of its place. A training may go on
        # on another device, then not to the same last bit.
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    differ = [name for name in settings if state["settings"].get(name) != settings[name]]
    if differ:
        was = ", ".join(f"{name} = {state['settings'].get(name)} (now {settings[name]})" for name in differ)
        raise DataFileError(f"{path} belongs to another training, with {was}; give another file, or delete it")
    run.model.load_state_dict(state["model"])
    run.averaged.load_state_dict(state["averaged"])
    for name, optimiser in run.optimisers.items():
        optimiser.load_state_dict(state["optimisers"][name])
    run.best, run.n_steps, run.log = state["best"], state["n_steps"], Log(**state["log"])


def _head(payload):
    return MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
