import functools
import io
import itertools
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from trainings import (
    EPOCHS,
    EVENTS,
    KINDS,
    PLAYERS,
    STEPS,
    assert_same_training,
    assert_same_weights,
    fit,
    held_out_loss,
    loss_d,
    loss_g,
    make,
    scripted,
    spread,
    stopping,
    table,
    weights_of,
)

from hadtutor import files, training
from hadtutor.files import DataFileError
from hadtutor.nets import MLP, DeepSets, torch_seed
from hadtutor.training import Table, classifier_loss

# --- Interruptions ---------------------------------------------------------------------------------

STOPS = {"first epoch": 1, "first step": 2 * STEPS, "middle": 2 * STEPS + 2, "last step": EPOCHS * STEPS - 1}


@pytest.mark.parametrize("place", STOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_goes_on_from_its_checkpoint_to_the_same_end(device, whole, tmp_path, kind, place):
    """To the last bit, whatever the weights are when it goes on; also in the middle of the step of two players."""
    path = tmp_path / "run.ckpt"
    last = list(PLAYERS)[-1]
    loss = PLAYERS | {last: stopping(loss_g, STOPS[place])} if kind == "players" else None
    validate = spread if kind == "players" else None
    if kind == "single":
        calls = itertools.count()

        @functools.wraps(classifier_loss)
        def loss(model, batch):
            if model.training and next(calls) == STOPS[place]:
                raise KeyboardInterrupt
            return classifier_loss(model, batch)

        validate = table(device, 30, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, device, loss=loss, validate=validate, checkpoint=path)
    assert path.exists() == (place != "first epoch")
    model = make(kind, device, seed=1 if place == "first epoch" else 77)
    assert_same_training(fit(kind, device, model=model, checkpoint=str(path)), whole[kind])
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_interrupted_after_each_epoch_comes_to_the_same_end(whole, tmp_path, kind):
    judge = spread if kind == "players" else held_out_loss
    for _ in range(EPOCHS - 1):
        with pytest.raises(ZeroDivisionError):
            fit(kind, validate=stopping(judge, 1, ZeroDivisionError), checkpoint=tmp_path / "run")
    done = fit(kind, validate=judge, checkpoint=tmp_path / "run")
    if whole[kind][1].loss and next(whole[kind][0].parameters()).device.type == "cpu":
        assert_same_training(done, whole[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_whose_process_was_killed_comes_to_the_same_end(tmp_path, kind):
    """Both processes on the CPU, and the first without a chance to clean up."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import trainings as t\n"
        "judge = t.spread if sys.argv[2] == 'players' else t.held_out_loss\n"
        "t.fit(sys.argv[2], validate=t.killed(judge, 3), checkpoint=sys.argv[3])\n"
    )
    path = tmp_path / "run"
    here = str(pathlib.Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code, here, kind, str(path)], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    judge = spread if kind == "players" else held_out_loss
    assert_same_training(fit(kind, model=make(kind, seed=77), validate=judge, checkpoint=path), fit(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_training_returns_at_once(device, whole, tmp_path, kind):
    """Neither loss nor validation is asked again."""
    first = fit(kind, device, checkpoint=tmp_path / "run")
    assert_same_training(first, whole[kind])

    never = functools.partial(stopping, call=0, error=AssertionError)
    loss = {name: never(loss) for name, loss in PLAYERS.items()} if kind == "players" else never(classifier_loss)
    validate = never(spread) if kind == "players" else table(device, 30, seed=5)
    model, log = fit(
        kind, device, model=make(kind, device, 77).train(), loss=loss, validate=validate, checkpoint=tmp_path / "run"
    )
    assert_same_training((model, log), first)
    assert log.seconds == pytest.approx(first[1].seconds)
    assert not model.training


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_patience_survives_an_interruption(tmp_path, stop):
    """Without one it stops after epoch 5 and returns to epoch 3."""
    values, states = [5, 3, 4, 2, 3, 4, 1, 0], []
    settings = {"patience": 2, "epochs": len(values)}
    whole = fit("single", validate=scripted(values, states), **settings)
    with pytest.raises(KeyboardInterrupt):
        fit("single", validate=stopping(scripted(values), stop), checkpoint=tmp_path / "run", **settings)
    rest = scripted(values[stop:])
    done = fit("single", model=make("single", seed=77), validate=rest, checkpoint=tmp_path / "run", **settings)
    assert_same_training(done, whole)
    assert_same_weights(done[0], states[3])
    again = fit("single", model=make("single", seed=77), validate=rest, checkpoint=tmp_path / "run", **settings)
    assert_same_training(again, whole)


def test_time_is_counted_over_all_sessions(tmp_path, monkeypatch):
    """On a clock that ticks once per look, time only goes on while a training runs."""
    clock = itertools.count()
    monkeypatch.setattr(training.loop.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(KeyboardInterrupt):
        fit("single", validate=stopping(scripted([1] * EPOCHS), 2), checkpoint=tmp_path / "run")
    raw = (tmp_path / "run").read_bytes()[len(training.checkpoint.MAGIC) + 65 :]
    before = torch.load(io.BytesIO(raw))
    for _ in range(100_000):
        next(clock)
    _, log = fit("single", validate=scripted([1] * EPOCHS), checkpoint=tmp_path / "run")
    assert before["log"]["seconds"] < log.seconds < 100_000


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_network_has_the_best_weights_so_far(kind):
    states, model = [], make(kind)
    values = scripted([3, 1, 2, 0], states)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, model=model, validate=stopping(values, 3))
    assert_same_weights(model, states[1])
    assert not model.training


# --- Checkpoints -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A checkpoint, and the arguments it belongs to."""
    path = tmp_path_factory.mktemp("checkpoint") / "run"
    fit("players", checkpoint=path)
    return path.read_bytes()


def assert_damaged(path, raw):
    path.write_bytes(raw)
    with pytest.raises(DataFileError, match=f"^{re.escape(str(path))} is not a checkpoint, or damaged; delete it"):
        fit("players", checkpoint=path)
    assert path.read_bytes() == raw


def positions(n):
    """Every byte of the header, and 150 of the rest."""
    return sorted({*range(len(training.checkpoint.MAGIC) + 80), *range(0, n, n // 150), n - 1})


def test_a_single_changed_byte_is_noticed(file, tmp_path):
    for k, bit in zip(positions(len(file)), itertools.cycle(range(8))):
        assert_damaged(tmp_path / "run", file[:k] + bytes([file[k] ^ (1 << bit)]) + file[k + 1 :])


def test_missing_and_additional_bytes_are_noticed(file, tmp_path):
    header = len(training.checkpoint.MAGIC)
    for n in (0, 1, header - 1, header, header + 10, header + 64, header + 65, header + 66, len(file) // 2):
        assert_damaged(tmp_path / "run", file[:n])
    assert_damaged(tmp_path / "run", file[:-1])
    assert_damaged(tmp_path / "run", file + b"\0")
    assert_damaged(tmp_path / "run", file[:100] + file[101:])


@pytest.mark.parametrize("raw", [b"hello\n", b"\x00" * 5000, b"hadtutor checkpoint 2\n" + b"a" * 200], ids=len)
def test_other_files_are_not_taken_for_checkpoints(tmp_path, raw):
    assert_damaged(tmp_path / "run", raw)


def test_files_of_torch_alone_are_not_taken_for_checkpoints(tmp_path):
    torch.save({"model": make("players").state_dict()}, tmp_path / "net.pt")
    assert_damaged(tmp_path / "run", (tmp_path / "net.pt").read_bytes())


def wide():
    with torch_seed(1):
        return nn.Sequential(MLP(1, 9, 1), nn.Dropout(0.1))


def other_activation():
    return nn.Sequential(MLP(1, 8, 1, activation=nn.Tanh), nn.Dropout(0.1))


def frozen():
    model = make("single")
    model[0][0].requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rng": 3}, r"rng = 2 \(now 3\)"),
        ({"lr": 0.02}, r"lr = 0.01 \(now 0.02\)"),
        ({"lr_end": 0.001}, r"lr_end = None \(now 0.001\)"),
        ({"betas": (0.5, 0.999)}, r"betas = \[0.9, 0.999\] \(now \[0.5, 0.999\]\)"),
        ({"average": 0.9}, r"average = None \(now 0.9\)"),
        ({"batch_size": 8}, r"batch_size = 16 \(now 8\)"),
        ({"epochs": 6}, r"epochs = 5 \(now 6\)"),
        ({"data": table(n=48)}, r"events = 50 \(now 48\), data = \w+ \(now \w+\)"),
        ({"data": table(seed=9)}, r"data = \w+ \(now \w+\)"),
        ({"validate": table(n=30, seed=9)}, r"validate = \w+ \(now \w+\)"),
        ({"validate": None}, r"validate = \w+ \(now \w+\)"),
        ({"keep_best": False}, r"keep_best = True \(now False\)"),
        ({"patience": 3}, r"patience = None \(now 3\)"),
        ({"loss": lambda model, batch: 2 * classifier_loss(model, batch)}, r"loss = \w+ \(now \w+\)"),
        ({"model": other_activation()}, r"network = \w+ \(now \w+\)"),
        ({"model": frozen()}, r"frozen = \[\] \(now \['0.0.weight', '0.0.bias'\]\)"),
        ({"model": wide()}, r"network = \w+ \(now \w+\), shapes = .*8.*\(now .*9.*\)"),
        ({"rng": 3, "epochs": 6}, r"epochs = 5 \(now 6\), rng = 2 \(now 3\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_a_checkpoint_of_another_training_is_refused_and_says_what_differs(tmp_path, changes, says):
    path = tmp_path / "run"
    fit("single", checkpoint=path)
    raw = path.read_bytes()
    model = changes.pop("model", None) or make("single", seed=77)
    start = weights_of(model)
    with pytest.raises(DataFileError, match=f"^{re.escape(str(path))} belongs to another training, with {says}; "):
        fit("single", model=model, checkpoint=path, **changes)
    assert path.read_bytes() == raw
    assert_same_weights(model, start)


@pytest.mark.parametrize(
    "players", [{"generator": loss_g}, {"discriminator": loss_d}], ids=["generator", "discriminator"]
)
def test_a_checkpoint_of_other_players_is_refused(tmp_path, players):
    settings = {"lr": 0.01, "checkpoint": tmp_path / "run"}
    fit("players", **settings)
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("players", loss=players, **settings)


def test_a_checkpoint_of_fewer_players_is_refused(tmp_path):
    settings = {"lr": 0.01, "checkpoint": tmp_path / "run"}
    fit("players", loss={"generator": loss_g}, **settings)
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("players", **settings)


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    fit("single", checkpoint=tmp_path / "run")
    x, label = table()[torch.arange(EVENTS)]
    held_out = table(n=30, seed=5).columns
    changes = {"data": Table(x.double(), label), "validate": Table(held_out[0].double(), held_out[1])}
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("single", model=make("single").double(), checkpoint=tmp_path / "run", **changes)


def test_settings_may_be_numbers_of_numpy(tmp_path):
    """The same training as with Python's numbers, whose checkpoint can be read."""
    settings = {"rng": np.int64(2), "lr": np.float64(0.01), "betas": tuple(np.array([0.9, 0.999]))}
    first = fit("single", checkpoint=tmp_path / "run", **settings)
    assert_same_training(fit("single", checkpoint=tmp_path / "run", **settings), first)
    assert_same_training(fit("single", checkpoint=tmp_path / "run"), first)


def test_a_checkpoint_survives_an_interruption_while_the_next_is_written(tmp_path, monkeypatch, whole):
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", stopping(os.replace, 2))
        with pytest.raises(KeyboardInterrupt):
            fit("single", checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_training(fit("single", model=make("single", seed=77), checkpoint=path), fit("single"))


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run"
    write = pathlib.Path.write_bytes

    def half(self, raw):
        write(self, raw[: len(raw) // 2])
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        calls = itertools.count()
        patch.setattr(pathlib.Path, "write_bytes", lambda self, raw: (write, write, half)[next(calls)](self, raw))
        with pytest.raises(OSError, match="no space left"):
            fit("single", checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_training(fit("single", model=make("single", seed=77), checkpoint=path), fit("single"))


def test_a_checkpoint_is_there_after_every_epoch(tmp_path):
    path, there = tmp_path / "run", []

    def validate(model):
        there.append([p.name for p in tmp_path.iterdir()])
        return 1.0

    fit("single", validate=validate, checkpoint=path)
    assert there == [[], *[["run"]] * (EPOCHS - 1)]


def fingerprints(*things):
    found = [training.checkpoint.fingerprint(thing) for thing in things]
    return len(set(found))


def test_a_function_is_known_by_its_code_and_by_the_numbers_it_holds():
    """Such as the penalty of an adversarial loss; not by what it writes down, and not by wrappers that say so."""

    def loss_with(penalty, record):
        def loss(model, batch):
            record.append(1)
            return penalty * classifier_loss(model, batch)

        return loss

    assert fingerprints(loss_with(0.1, []), loss_with(0.1, [1, 2])) == 1
    assert fingerprints(loss_with(0.1, []), loss_with(0.2, []), classifier_loss, lambda model, batch: 0.0) == 4
    assert fingerprints(spread, stopping(spread, 1)) == 1

    def recursive(model, n=2):
        return recursive(model, n - 1) if n else 0.0

    assert fingerprints(recursive, recursive) == 1


class Judge:
    def __init__(self, data, seen):
        self.data, self.seen = data, seen

    def __call__(self, model):
        return 1.0


def test_the_numbers_that_a_judge_keeps_may_change():
    """Such as how often it was asked, or when it is to give up."""

    def judge(give_up, data):
        return lambda model: give_up if len(data) == 0 else 1.0

    marks = [
        training.checkpoint.fingerprint(judge(*held), training.checkpoint.DATA)
        for held in ((None, table()), (2, table()), (2, table(seed=9)))
    ]
    assert marks[0] == marks[1] != marks[2]


def test_a_judge_is_known_by_its_data():
    a, b = table(), table(seed=9)
    assert fingerprints(Judge(a, []), Judge(a, [1])) == 1
    assert fingerprints(Judge(a, []), Judge(b, []), a, b) == 4


def test_a_network_is_known_by_its_settings_and_not_by_its_weights():
    """Which no weight shows, such as the pooling of a set."""
    one, same, other = (
        training.checkpoint.of_network(DeepSets(2, phi=(4,), rho=(4,), pooling=pooling))
        for pooling in ("sum", "sum", "mean")
    )
    assert one == same != other


def test_a_checkpoint_in_the_home_folder_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    first = fit("single", checkpoint="~/run")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_training(fit("single", model=make("single", seed=77), checkpoint="~/run"), first)


def test_a_checkpoint_behind_a_link_is_written_where_the_link_points(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    fit("single", checkpoint=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "run").is_file()
