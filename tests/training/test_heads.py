"""Every head trains, with mixup too, comes back and embeds; the default is what it always was."""

import csv

import numpy as np
import pytest

from asd.artifact import RECORD
from asd.config import LossWeights, ModelConfig
from asd.errors import UsageError
from asd.models import HEADS
from asd.training.artifact import load_model
from asd.training.objectives import Classification
from tests.training.conftest import contents

SECTIONS = {"00": 8, "01": 8, "02": 8}
OWN = {"adaproj": {"subspace": 2}, "sub_cluster_adacos": {"centres": 3}}


@pytest.fixture
def run(model, fit):
    def trained(store, folder="model", **own):
        values = model.model_dump() | {"features": ("logmel",)} | own
        return fit(store, folder, model=ModelConfig.model_validate(values))

    return trained


def _losses(folder):
    with (folder / "history.csv").open() as file:
        return [float(row["cross_entropy"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("mixup", [0.0, 0.5])
@pytest.mark.parametrize("head", list(HEADS))
def test_a_head_trains_comes_back_and_embeds(head, mixup, fill, run, embedded, tmp_path):
    store = fill(SECTIONS)
    own = {
        "head": {"kind": head, **OWN.get(head, {})},
        "losses": LossWeights(triplet=0).model_dump(),
        "train": {"epochs": 12, "learning_rate": 2e-2, "mixup": mixup},
    }
    assert run(store, **own).epochs == 12
    losses = _losses(tmp_path / "model")
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    outputs = embedded(store)
    # Without margins, whatever the head was trained with.
    right = outputs.arrays["logits"].argmax(axis=1) == outputs.classes
    assert right.mean() > 0.6
    assert run(store, **own).epochs == 0


def test_the_default_in_words_is_the_default(fill, run, tmp_path):
    store = fill(SECTIONS)
    run(store)
    request = load_model(tmp_path / "model" / RECORD).request
    assert not request.model["head"]
    assert not request.train.get("mixup")
    assert request.machines == ()
    assert run(store, head={"kind": "linear"}, train={"mixup": 0}).epochs == 0


@pytest.mark.parametrize("change", [{"head": {"kind": "adacos"}}, {"train": {"mixup": 0.5}}])
def test_a_change_trains_again(change, fill, run):
    store = fill(SECTIONS)
    run(store)
    assert run(store, **change).epochs == 4


def test_a_killed_run_with_mixup_ends_in_the_same_bytes(fill, run, dying, tmp_path):
    store = fill(SECTIONS)
    own = {"head": {"kind": "arcface"}, "train": {"mixup": 0.5}}
    run(store, "whole", **own)
    with dying():
        run(store, "killed", **own)
    assert run(store, "killed", **own).resumed == 1
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_network_without_a_choice_of_heads_says_so(fill, run):
    small = {"network": "mobilenetv2", "settings": {"width": 0.1, "frames": 8}}
    store = fill(SECTIONS)
    with pytest.raises(UsageError, match=r"network 'mobilenetv2' has no head to choose"):
        run(store, head={"kind": "adacos"}, **small)
    assert run(store, head={"kind": "linear"}, train={"epochs": 1}, **small).epochs == 1


BRANCHES = {
    "features": ("spectrum", "spectrogram"),
    "network": "branches",
    "settings": {
        "spectrum": {"channels": 16, "embedding": 6},
        "spectrogram": {"channels": [2, 4], "blocks": 1, "embedding": 6},
    },
}
SHAPES = {"spectrum": ((700,), "float16"), "spectrogram": ((12, 9), "float16")}
RECIPES = {name: {"extractor": name, "config": {}} for name in SHAPES}


def test_branches_train_on_spectra(fill, run, embedded):
    store = fill(SECTIONS, shapes=SHAPES, recipes=RECIPES)
    run(store, train={"epochs": 20, "learning_rate": 1e-2, "mixup": 0.5}, **BRANCHES)
    outputs = embedded(store)
    assert outputs.arrays["embedding"].shape == (24, 12)
    right = outputs.arrays["logits"].argmax(axis=1) == outputs.classes
    assert right.mean() > 0.6


def test_ripples_leave_a_spectrum_alone(fill, config):
    from asd.training.data import StoredClips
    from asd.training.labels import label

    store = fill({"00": 6}, attributes=("",), shapes=SHAPES, recipes=RECIPES)
    clips = StoredClips(store, "fan", list(SHAPES), "train")
    assert clips.spectra == ("spectrum",)
    labels = label(clips.table.section, clips.table.domain, clips.table.attributes)
    chosen = ModelConfig.model_validate(BRANCHES)
    (batch, *_) = Classification(clips, labels, chosen, config).batches(0)
    whole = {name: clips.batch(np.arange(6))[name].flatten(1) for name in SHAPES}
    for name, plain in (("spectrum", True), ("spectrogram", False)):
        rows = batch.inputs[name].flatten(1)
        is_there = (rows[:, None] == whole[name][None]).all(dim=2).any(dim=1)
        assert bool(is_there.all()) is plain


def test_a_spectrum_alone_has_no_ripples(fill, run):
    shapes = {"spectrum": SHAPES["spectrum"]}
    store = fill({"00": 6}, attributes=("",), shapes=shapes, recipes=RECIPES)
    with pytest.raises(UsageError, match=r"fan: its clips are of one class.*such as logmel"):
        run(store, **BRANCHES | {"features": ("spectrum",)})
