"""One network over several machines: its clips, its classes, its training and its banks."""

import numpy as np
import pytest

from asd.artifact import RECORD
from asd.clip_table import ClipTable
from asd.config import LossWeights, ModelConfig
from asd.errors import JobError, UsageError
from asd.training.artifact import load_model
from asd.training.data import StoredClips, statistics
from asd.training.labels import joint_names, label
from asd.training.train import make_plan
from asd.training.transforms import TRANSFORMS

MACHINES = ("fan", "valve")
SECTIONS = {"fan": {"00": 8, "01": 6}, "valve": {"00": 7}}


@pytest.fixture
def store(fill):
    for machine in MACHINES:
        found = fill(SECTIONS[machine], machine=machine)
    return found


def test_clips_of_machines_follow_each_other(store):
    features = ["logmel", "wave"]
    together = StoredClips(store, MACHINES, features, "train")
    alone = [StoredClips(store, machine, features, "train") for machine in MACHINES]
    assert len(together) == 21
    assert together.machine == "all"
    assert together.machines == ["fan"] * 14 + ["valve"] * 7
    assert together.table.section == ("00",) * 8 + ("01",) * 6 + ("00",) * 7
    assert together.table == ClipTable.joined([clips.table for clips in alone])
    rows = np.array([20, 0, 14, 13])
    for name, values in together.batch(rows).items():
        whole = np.concatenate([clips.batch(np.arange(len(clips)))[name] for clips in alone])
        np.testing.assert_array_equal(values, whole[rows])
    expected = {
        f"{machine}/{section}": identity
        for machine, clips in zip(MACHINES, alone, strict=True)
        for section, identity in clips.identities["logmel"].items()
    }
    assert together.identities["logmel"] == expected
    mean, _ = statistics(together)["logmel"]
    values = together.batch(np.arange(21))["logmel"].double()
    np.testing.assert_allclose(mean, values.mean(dim=(0, 2)), rtol=1e-5)


def test_classes_are_all_that_is_known():
    columns = (
        ["fan", "fan", "valve", "fan"],
        ["00", "00", "00", "00"],
        ["source", "target", "source", "source"],
        ["v=1", "v=1", "", "v=1"],
    )
    labels = label(*columns[1:], columns[0])
    assert labels.task == "joint"
    assert labels.classes == ("fan 00 source v=1", "fan 00 target v=1", "valve 00 source")
    assert labels.primary.tolist() == [0, 1, 2, 0]
    assert labels.attribute_classes == ("fan section_00 v=1",)
    assert labels.attribute.tolist() == [0, 0, -1, 0]
    assert joint_names(*columns) == [labels.classes[i] for i in labels.primary]


def test_classes_are_of_what_is_asked_for():
    columns = (["fan", "pump", "fan"], ["00", "00", "01"], ["source"] * 3, ["v=1", "v=2", "v=3"])
    assert joint_names(*columns, ["section", "machine"]) == ["fan 00", "pump 00", "fan 01"]
    assert joint_names(*columns, ["attributes"]) == ["v=1", "v=2", "v=3"]
    labels = label(*columns[1:], columns[0], ["machine"])
    assert (labels.task, labels.classes, labels.primary.tolist()) == (
        "joint",
        ("fan", "pump"),
        [0, 1, 0],
    )


def test_a_model_of_fewer_classes_embeds_by_them(store, model, fit, embedded, tmp_path):
    fit(store, "model", MACHINES, model.model_copy(update={"classes": ("machine", "section")}))
    request = load_model(tmp_path / "model" / RECORD).request
    assert request.classes == ("fan 00", "fan 01", "valve 00")
    assert embedded(store).classes.tolist() == [0] * 8 + [1] * 6


def test_one_state_in_all_is_told_apart_by_transformations():
    labels = label(["00"] * 2, ["source"] * 2, [""] * 2, ["fan"] * 2)
    assert (labels.task, labels.classes) == ("transformations", TRANSFORMS)


def test_it_is_trained_once_and_embeds_each_machine(store, fit, embedded, tmp_path):
    result = fit(store, machine=MACHINES)
    assert (result.machine, result.task, result.classes, result.clips) == ("all", "joint", 6, 21)
    assert fit(store, machine=MACHINES).epochs == 0
    request = load_model(tmp_path / "model" / RECORD).request
    assert request.machines == ("fan", "valve")
    for machine in MACHINES:
        outputs = embedded(store, machine=machine)
        clips = outputs.clips
        names = joint_names(
            [machine] * len(outputs.classes), clips.section, clips.domain, clips.attributes
        )
        assert [request.classes[i] for i in outputs.classes] == names
        assert outputs.arrays["logits"].shape == (len(names), 6)
        assert set(outputs.inputs["logmel"]) == set(SECTIONS[machine])


def test_a_machine_that_changed_is_refused(store, fit, embedded, fill):
    fit(store, machine=MACHINES)
    fill({"00": 9}, machine="valve")
    embedded(store)
    with pytest.raises(JobError, match=r"valve: the store changed since training"):
        embedded(store, machine="valve")
    assert fit(store, machine=MACHINES).epochs == 4


def test_machines_alone_and_together_are_other_models(store, fit, tmp_path):
    fit(store, "one", "fan")
    fit(store, "all", ("fan",))
    one, together = (load_model(tmp_path / name / RECORD).request for name in ("one", "all"))
    assert (one.task, one.machine, one.machines) == ("sections", "fan", ())
    assert (together.task, together.machine, together.machines) == ("joint", "all", ("fan",))


def _signal(length):
    signal = {"sample_rate": 16000, "length": length, "channel": 0}
    return {"logmel": {"extractor": "logmel", "signal": signal, "config": {"hop": length}}}


def test_clips_need_one_length(fill, config):
    for machine, length, frames in (("fan", 160_000, 11), ("valve", 96_000, 9)):
        shapes = {"logmel": ((16, frames), "float16")}
        store = fill({"00": 4}, machine=machine, shapes=shapes, recipes=_signal(length))
    chosen = ModelConfig(features=("logmel",), losses=LossWeights())
    with pytest.raises(
        UsageError,
        match=r"fan has clips of 10 s at 16000 Hz, valve of 6 s.*"
        r"set index.seconds",
    ):
        make_plan(store, MACHINES, "m", chosen, config)


def test_features_need_one_recipe(fill):
    for machine, recipe in (("fan", {"config": {"floor": 1}}), ("valve", {"config": {"floor": 2}})):
        shapes = {"logmel": ((16, 11), "float16")}
        store = fill({"00": 4}, machine=machine, shapes=shapes, recipes={"logmel": recipe})
    with pytest.raises(JobError, match=r"not computed with the same settings.*asd extract"):
        StoredClips(store, MACHINES, ["logmel"], "train")
