"""Every network has an objective, and every objective gives what the loop asks for."""

import csv
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.config import TrainConfig
from asd.device import choose_compute
from asd.errors import UsageError
from asd.models import NETWORKS
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.training import objectives
from asd.training.aims import aim_of
from asd.training.artifact import ModelRequest, build_network
from asd.training.data import StoredClips
from asd.training.labels import label
from asd.training.objectives import CLIPS_TOGETHER, shuffled_windows
from asd.training.transforms import TRANSFORMS
from tests.training.conftest import contents

SECTIONS = {"00": 8, "01": 7}
# What a network needs to learn quickly from the small clips of these tests; one that is not named
# here reads log-mels with its default settings.
OWN = {
    "tdnn": {},
    "ecapa": {
        "settings": {"channels": 8, "aggregated": 12, "attention": 4, "squeeze": 4, "embedding": 6}
    },
    "branches": {
        "features": ("logmel",),
        "settings": {"spectrogram": {"channels": [2, 4], "blocks": 1, "embedding": 6}},
    },
    "autoencoder": {"features": ("logmel",), "settings": {"frames": 3, "hidden": [8, 2, 8]}},
    "mobilenetv2": {
        "features": ("logmel",),
        "settings": {"width": 0.1, "frames": 8, "hop": 1},
    },
}
PLAIN = {"features": ("logmel",), "settings": {}}
WINDOWED = ["autoencoder", "mobilenetv2"]
LEARNING = [name for name in NETWORKS if aim_of(name).objective]


@pytest.fixture
def of(model):
    """Return the model of a network."""
    return lambda network: model.model_copy(
        update={"network": network, "train": {"batch_size": 12}, **OWN.get(network, PLAIN)}
    )


@pytest.fixture
def make(fill, of, config):
    def run(network, sections, attributes):
        chosen = of(network)
        clips = StoredClips(fill(sections, attributes), "fan", chosen.features, "train")
        labels = label(clips.table.section, clips.table.domain, clips.table.attributes)
        kind = getattr(objectives, aim_of(network).objective)
        return kind(clips, labels, chosen, config.model_copy(update={"batch_size": 12}))

    return run


@pytest.fixture
def run(of, config, fit):
    def trained(store, network, folder="model", train_as=config, **own):
        chosen = of(network)
        chosen = chosen.model_copy(update={"train": {**chosen.train, **own}})
        return fit(store, folder, model=chosen, config=train_as)

    return trained


@pytest.mark.parametrize("network", LEARNING)
@pytest.mark.parametrize("attributes", [("speed=1", "speed=2"), ("",)])
def test_a_step_gives_a_loss_and_measures(network, attributes, make):
    objective = make(network, {"00": 9}, attributes)
    built = build_network(
        ModelRequest(
            version=0,
            machine="fan",
            machines=(),
            model=objective.model.model_dump(mode="json"),
            train={},
            inputs={},
            shapes=objective.clips.shapes,
            recipes=objective.clips.recipes,
            **aim_of(network).facts(objective.labels, objective.model),
        )
    )
    compute = choose_compute("cpu", "float32", "test")
    loss, measures = objective.step(built, next(objective.batches(0)), compute)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert all(value.shape == () for value in measures.values())
    loss.backward()
    moved = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in built.parameters()]
    # Every part of the network that the loss reaches is trained, TgramNet among them.
    assert np.mean(moved) > 0.9


@pytest.mark.parametrize("network", LEARNING)
@pytest.mark.parametrize("attributes", [("speed=1", "speed=2"), ("",)])
def test_batches_follow_the_seed_and_the_epoch(network, attributes, make):
    objective = make(network, {"00": 9}, attributes)

    def drawn(epoch):
        return torch.cat([batch.inputs["logmel"] for batch in objective.batches(epoch)])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(0), drawn(1))


@pytest.mark.parametrize("network", list(NETWORKS))
def test_it_reads_settings_that_there_are(network):
    reads = aim_of(network).reads
    assert set(reads) <= set(TrainConfig.model_fields)


def test_one_state_becomes_every_transformation(make):
    objective = make("tdnn", {"00": 15}, ("",))
    seen = torch.cat([batch.targets["classes"] for batch in objective.batches(0)])
    assert sorted(set(seen.tolist())) == list(range(len(objective.labels.classes)))
    # An epoch is every clip as every class, to half a batch of 3 classes x 4 clips.
    whole = len(objective.clips) * len(objective.labels.classes)
    assert abs(len(seen) - whole) <= 6


def test_every_window_is_taken_once_as_every_transformation(make):
    objective = make("mobilenetv2", {"00": 5}, ("",))
    seen = torch.cat([batch.targets["classes"] for batch in objective.batches(0)])
    # Clips of 11 frames have 4 windows of 8.
    assert Counter(seen.tolist()) == dict.fromkeys(range(len(TRANSFORMS)), 5 * 4)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2, 200), windows=st.integers(1, 6), size=st.integers(2, 40))
def test_an_epoch_has_every_window_once(count, windows, size):
    # The value of a window tells which one it is.
    numbers = torch.arange(count * windows, dtype=torch.float32).reshape(count, windows, 1, 1)
    read = []

    def clips(rows):
        read.append(len(rows))
        return numbers[torch.from_numpy(rows)]

    batches = list(shuffled_windows(count, clips, size, np.random.default_rng(0)))
    values = torch.cat([found.flatten() for found, _ in batches]).int()
    assert sorted(values.tolist()) == list(range(count * windows))
    rows = np.concatenate([rows for _, rows in batches])
    np.testing.assert_array_equal(rows, values.numpy() // windows)
    assert max(read) < 2 * CLIPS_TOGETHER
    for found, _ in batches:
        assert min(size, 2 * windows) <= len(found) < 2 * size


@pytest.mark.parametrize("network", LEARNING)
def test_a_network_trains_comes_back_and_embeds(network, fill, run, embedded):
    store = fill(SECTIONS)
    result = run(store, network, epochs=1)
    assert (result.epochs, result.clips) == (1, 15)
    assert run(store, network, epochs=1).epochs == 0
    outputs = embedded(store)
    assert outputs.arrays
    for values in outputs.arrays.values():
        assert values.dtype == np.float32
        assert len(values) == 15
        assert np.isfinite(values).all()
    again = embedded(store)
    for name, values in outputs.arrays.items():
        np.testing.assert_array_equal(values, again.arrays[name])


@pytest.mark.parametrize("network", WINDOWED)
def test_the_loss_falls(network, fill, run, tmp_path):
    run(fill({"00": 8, "05": 7}), network, epochs=24, learning_rate=5e-3)
    with (tmp_path / "model" / "history.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 24
    # Over eight seeds at most 0.12 and 0.39; the last bits of a processor move it as a seed does.
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


@pytest.mark.parametrize("network", LEARNING)
def test_a_killed_run_ends_in_the_same_bytes(network, fill, run, dying, tmp_path):
    store = fill(SECTIONS)
    run(store, network, "whole", epochs=3)
    with dying():
        run(store, network, "killed", epochs=3)
    assert not any((tmp_path / "killed").glob("*"))
    result = run(store, network, "killed", epochs=3)
    assert (result.resumed, result.epochs) == (1, 2)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not (tmp_path / "killed.state").exists()


@pytest.mark.parametrize("network", LEARNING)
def test_only_settings_that_are_read_decide(network, fill, run, config):
    store = fill(SECTIONS)
    run(store, network, epochs=1)
    other = config.model_copy(update={"epochs": 7, "clips_per_class": 2, "device": "cpu"})
    again = run(store, network, train_as=other, epochs=1)
    reads = aim_of(network).reads
    # The model's own number of epochs stands; the batches are another matter.
    assert again.epochs == ("clips_per_class" in reads)


def test_a_mistake_in_a_models_own_training_is_one_line(fill, run):
    with pytest.raises(UsageError, match=r"models.m.train: unknown key 'epoch' .*'epochs'"):
        run(fill(SECTIONS), "autoencoder", epoch=1)


def test_reconstruction_knows_no_classes(fill, run, embedded):
    store = fill(SECTIONS)
    result = run(store, "autoencoder", epochs=1)
    assert (result.task, result.classes, result.attribute_classes) == ("reconstruction", 0, 0)
    outputs = embedded(store)
    assert set(outputs.arrays) == {"error"}
    assert outputs.arrays["error"].shape == (15,)
    assert set(outputs.classes.tolist()) == {-1}
    scores = build("error", {}).fit(_bank(outputs)).score(outputs.arrays, outputs.clips.section)
    np.testing.assert_array_equal(scores, outputs.arrays["error"])


def test_windows_of_a_clip_are_scored_by_their_mean_doubt(fill, run, embedded):
    store = fill(SECTIONS)
    assert run(store, "mobilenetv2", epochs=2, learning_rate=1e-3).task == "sections"
    outputs = embedded(store)
    logits = outputs.arrays["logits"]
    assert logits.shape == (15, 4, 2)
    scores = build("posterior", {}).fit(_bank(outputs)).score(outputs.arrays, outputs.clips.section)
    powers = np.exp(logits.astype(np.float64))
    shares = powers / powers.sum(axis=2, keepdims=True)
    own = shares[np.arange(15), :, outputs.classes]
    np.testing.assert_allclose(scores, np.log((1 - own) / own).mean(axis=1), rtol=1e-9)


def test_one_section_is_classified_by_what_labels_say(fill, run, embedded):
    states = run(fill({"00": 8}), "mobilenetv2", "states", epochs=1)
    assert (states.task, states.classes) == ("attributes", 2)
    store = fill({"00": 8}, attributes=("",), root="store of likes")
    alike = run(store, "mobilenetv2", "alike", epochs=1)
    assert (alike.task, alike.classes) == ("transformations", len(TRANSFORMS))
    outputs = embedded(store, "alike")
    assert outputs.arrays["logits"].shape == (8, 4, len(TRANSFORMS))
    assert outputs.classes.tolist() == [0] * 8


def _bank(outputs):
    return Bank(outputs.clips, outputs.classes, outputs.arrays)
