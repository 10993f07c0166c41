"""Supplemental clips in training (as clips, mixed in, as a class), and pseudo-labels."""

import numpy as np
import pytest
import torch

from asd.artifact import RECORD
from asd.config import LossWeights, ModelConfig, PseudoLabels, TrainConfig
from asd.errors import JobError, UsageError
from asd.params import parse_params
from asd.store import ShardSpec, ShardWriter
from asd.training import pseudo
from asd.training.artifact import load_model
from asd.training.data import StoredClips
from asd.training.examples import noisy
from asd.training.pseudo import attributes_of, clusters
from asd.training.train import make_plan

SMALL = {"channels": [8, 12], "kernels": [3, 1], "dilations": [1, 1], "embedding": 6}
LOGMEL = {"logmel": {"extractor": "logmel", "config": {"log": "db", "power": 2}}}
CONFIG = TrainConfig(
    epochs=2, learning_rate=2e-3, classes_per_batch=3, clips_per_class=4, precision="float32"
)
RULE = PseudoLabels(model="pooled", share=0.25, features=("logmel",))


def model(*supplemental, **given):
    return ModelConfig(
        features=("logmel",),
        settings=SMALL,
        losses=LossWeights(cross_entropy=1, triplet=0, auxiliary=0),
        supplemental=supplemental,
        **given,
    )


@pytest.fixture
def store(fill):
    """Section 00: 12 training clips of two states, 5 of noise alone; valve: 4 of it alone."""
    fill({"00": 12}, recipes=LOGMEL)
    fill({"00": 5}, ("",), split="supplemental", label="noise", recipes=LOGMEL)
    fill({"00": 8}, machine="valve", recipes=LOGMEL)
    return fill({"00": 4}, ("",), "supplemental", machine="valve", recipes=LOGMEL)


def planned(store, machine, given, **config):
    return make_plan(store, machine, "m", given, CONFIG.model_copy(update=config))


def test_without_a_word_they_are_not_there(store):
    plan = planned(store, "fan", model())
    assert len(plan.objective.clips) == 12
    assert plan.request.further == {}
    assert plan.supplement == 0
    assert not {"supplemental", "pseudo"} & plan.request.model.keys()
    assert not {"noise_share", "noise_snr_db"} & plan.request.train.keys()


def test_clean_clips_are_further_training_clips(store):
    plan = planned(store, "valve", model("clips"))
    assert plan.clips == 8
    assert len(plan.objective.clips) == 12
    assert plan.request.classes == ("source", "source speed=1", "source speed=2")
    assert list(plan.request.further["supplemental"]["logmel"]) == ["00"]
    assert plan.supplement == 4
    # Noise is none of them.
    without = planned(store, "fan", model("clips"))
    assert (len(without.objective.clips), without.supplement) == (12, 0)


def test_a_class_of_its_own(store, fill):
    plan = planned(store, "fan", model("class"))
    assert plan.request.classes == ("source speed=1", "source speed=2", "supplemental")
    assert np.bincount(plan.objective.labels.primary).tolist() == [6, 6, 5]
    both = planned(store, "valve", model("clips", "class")).request.classes
    assert "supplemental" not in both  # all of them are taken as clips
    fill({"00": 6, "01": 6}, root="two", recipes=LOGMEL)
    two = fill({"00": 5}, ("",), "supplemental", "two", label="noise", recipes=LOGMEL)
    assert planned(two, "fan", model("class")).request.classes == ("00", "01", "supplemental")


def test_one_network_over_machines_of_which_some_have_none(store, fill):
    fill({"00": 6}, machine="bearing", recipes=LOGMEL)
    machines = ("bearing", "fan", "valve")
    plan = planned(store, machines, model("class", "mix"))
    assert "fan 00 supplemental" in plan.request.classes
    assert set(plan.request.further["supplemental"]["logmel"]) == {"fan/00", "valve/00"}
    assert set(plan.objective.noise.machines) == {"fan"}
    coarse = planned(store, machines, model("class", classes=("machine", "section")))
    assert "valve supplemental" in coarse.request.classes


def test_noise_is_mixed_in_at_the_ratio_and_labels_are_kept(store):
    plain, mixing = planned(store, "fan", model()), planned(store, "fan", model("mix"))
    assert mixing.request.train["noise_snr_db"] == [5.0, 20.0]
    assert mixing.supplement == 5
    assert planned(store, "valve", model("mix")).supplement == 0
    assert len(mixing.objective.clips) == 12
    for without, within in zip(
        plain.objective.batches(0), mixing.objective.batches(0), strict=True
    ):
        assert torch.equal(without.targets["classes"], within.targets["classes"])
        changed = (without.inputs["logmel"] != within.inputs["logmel"]).flatten(1).any(1)
        assert 0 < changed.float().mean() < 1
    again = next(mixing.objective.batches(0)).inputs["logmel"]
    assert torch.equal(again, next(mixing.objective.batches(0)).inputs["logmel"])


def test_the_power_of_what_is_mixed_in(store):
    clips = StoredClips(store, "fan", ["logmel", "wave"], "train")
    noise = StoredClips(store, "fan", ["logmel", "wave"], "supplemental")
    own = clips.batch(np.arange(6))
    for ratio in (0.0, 10.0):
        random = np.random.default_rng(1)
        found = noisy(own, noise, ["fan"] * 6, 1.0, (ratio, ratio), random)
        powers = [10 ** (one["logmel"].double() / 10) for one in (own, found)]
        added = (powers[1] - powers[0]).sum((1, 2)) / powers[0].sum((1, 2))
        assert torch.allclose(10 * added.log10(), torch.tensor(-ratio).double(), atol=0.01)
        more = (found["wave"] - own["wave"]).square().mean(1) / own["wave"].square().mean(1)
        assert torch.allclose(10 * more.log10(), torch.tensor(-ratio), atol=0.01)
    kept = noisy(own, noise, ["other"] * 6, 1.0, (0.0, 0.0), np.random.default_rng(1))
    assert torch.equal(kept["logmel"], own["logmel"])


def test_a_trained_model_has_no_supplemental_clip_in_its_bank(store, fit, embedded):
    fit(store, model=model("class", "mix"), config=CONFIG)
    outputs = embedded(store)
    assert set(outputs.clips.split) == {"train"}
    assert sorted(set(outputs.classes.tolist())) == [0, 1]


@pytest.fixture
def hidden(tmp_path, fill):
    """Section 00: 24 clips without attributes at three levels in turn, every sixth a target."""
    store = fill({"00": 24}, ("",), recipes=LOGMEL, domains=("source",) * 5 + ("target",))
    path = store.path("fan", "logmel", "00", "train")
    shard = store.open("fan", "logmel", "00", "train")
    rows = np.array(shard.features) * 0.05 + 30 * (np.arange(24) % 3)[:, None, None]
    recipe = dict(LOGMEL["logmel"]) | {"levels": 3}
    spec = ShardSpec("fan", "logmel", "00", "train", recipe, shard.row_shape, shard.dtype.name)
    with ShardWriter(path, spec, shard.clips) as writer:
        writer.write(range(24), rows.astype(shard.dtype))
        writer.finish()
    return store


@pytest.mark.parametrize(("count", "found"), [(990, 8), (100, 2), (20, 2), (3000, 24)])
def test_how_many_clusters(count, found):
    assert clusters(count, 0.008) == found


def test_pseudo_labels_are_of_source_clips_and_tell_what_is_there(hidden):
    clips = StoredClips(hidden, "fan", ["logmel"], "train")
    rule = RULE.model_copy(update={"share": 0.15})  # 3 of 20
    found = attributes_of(clips, hidden, rule)
    targets = np.array(clips.table.domain) == "target"
    assert {found[row] for row in np.flatnonzero(targets)} == {""}
    levels = {(row % 3, found[row]) for row in np.flatnonzero(~targets)}
    assert len(levels) == 3
    assert {name for _, name in levels} == {"pseudo=0", "pseudo=1", "pseudo=2"}
    pseudo._of_store.cache_clear()
    assert attributes_of(clips, hidden, rule) == found
    assert attributes_of(clips, hidden, None) == [""] * 24


def test_told_attributes_are_left_as_they_are(store):
    clips = StoredClips(store, "fan", ["logmel"], "train")
    assert attributes_of(clips, store, RULE) == list(clips.table.attributes)


def test_they_are_classes_and_stand_in_the_request(hidden, fit, embedded, tmp_path):
    given = model(pseudo=RULE)
    done = fit(hidden, model=given, config=CONFIG)
    assert done.task == "attributes"
    request = load_model(tmp_path / "model" / RECORD).request
    assert request.classes == (*(f"source pseudo={n}" for n in range(5)), "target")
    assert request.pseudo == RULE
    assert request.further["pseudo"]["logmel"] == request.inputs["logmel"]
    plan = planned(hidden, "fan", given)
    assert embedded(hidden).classes.tolist() == plan.objective.labels.primary.tolist()


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"network": "tdnn"}, UsageError, "pseudo.model: 'pooled' learns"),
        ({"embedding": "loud"}, UsageError, "gives none of the name 'loud'; known: mean"),
        ({"features": ("wave",)}, UsageError, "reads \\(F, T\\)"),
        ({"features": ("other",)}, UsageError, "no train shard"),
    ],
)
def test_what_cannot_be_clustered(hidden, change, error, complaint):
    with pytest.raises(error, match=complaint):
        planned(hidden, "fan", model(pseudo=RULE.model_copy(update=change)))


def test_other_clips_are_not_clustered(hidden, fill):
    fill({"00": 3}, ("",), shapes={"short": ((4, 20), "float16")})
    with pytest.raises(JobError, match="holds other training clips"):
        planned(hidden, "fan", model(pseudo=RULE.model_copy(update={"features": ("short",)})))


PARAMS = """
dataset: {name: tiny, raw: raw, machines: [pump]}
features: {logmel: {extractor: logmel, mels: 16}}
networks: {pooled: {poolings: {loud: {pooling: max}}}}
models:
  pooled: {features: [logmel], network: pooled}
  states: {features: [logmel], pseudo: {model: MODEL, embedding: loud}}
systems: {one: {model: states, scorer: cosine}}
"""


def test_params_fill_in_what_is_clustered():
    params = parse_params(PARAMS.replace("MODEL", "pooled").encode(), "params")
    rule = params.model("states").pseudo
    assert rule is not None
    assert (rule.features, rule.network) == (("logmel",), "pooled")
    assert rule.settings == {"poolings": {"loud": {"pooling": "max"}}}
    for other, complaint in (("pooling", "pseudo.model: unknown model"), ("states", "itself")):
        with pytest.raises(UsageError, match=complaint):
            parse_params(PARAMS.replace("MODEL", other).encode(), "params")
