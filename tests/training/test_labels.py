"""What a machine is classified by, and which of its clips are held out of training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.artifact import read_record
from asd.clip_table import ClipTable, window_name
from asd.detection import Detector
from asd.scoring.bank import read_bank
from asd.scoring.scored import ScoresRequest, read_thresholds
from asd.scoring.thresholds import find_threshold
from asd.training.labels import held_out, label
from asd.training.transforms import TRANSFORMS
from tests.made import asd, replace_in, run_verbs


def test_several_sections():
    labels = label(["01", "00", "00"], ["source"] * 3, ["vel=1", "vel=2", ""])
    assert labels.task == "sections"
    assert labels.classes == ("00", "01")
    assert labels.primary.tolist() == [1, 0, 0]
    # The same value is another state in another section; hidden attributes are of no class.
    assert labels.attribute_classes == ("section_00 vel=2", "section_01 vel=1")
    assert labels.attribute.tolist() == [1, 0, -1]


def test_one_section_is_told_apart_by_its_states():
    labels = label(
        ["00"] * 4, ["source", "source", "target", "source"], ["a=1", "a=2", "a=1", "a=1"]
    )
    assert labels.task == "attributes"
    assert labels.classes == ("source a=1", "source a=2", "target a=1")
    assert labels.primary.tolist() == [0, 1, 2, 0]


def test_domains_alone_are_no_states():
    labels = label(["00"] * 3, ["source", "target", "source"], ["", "", ""])
    assert labels.task == "transformations"
    assert labels.attribute_classes == ()


def test_one_state_is_told_apart_by_transformations():
    labels = label(["00"] * 3, [""] * 3, [""] * 3)
    assert labels.task == "transformations"
    assert labels.classes == TRANSFORMS
    # A clip as it was recorded is of the first class, the identity.
    assert labels.primary.tolist() == [0, 0, 0]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=60),
    st.floats(0, 0.9),
    st.randoms(use_true_random=False),
)
def test_each_group_gives_its_share_and_no_class_is_lost(clips, share, random):
    groups, classes = [g for g, _ in clips], np.array([c for _, c in clips], int)
    content = [f"{n:04x}" for n in range(len(clips))]
    random.shuffle(content)
    names = [f"{digest}.wav" for digest in content]
    table = ClipTable.of_columns({"name": names, "recording": names, "content": content})
    chosen = held_out(groups, classes, table, share)
    for group in set(groups):
        rows = np.array(groups) == group
        assert chosen[rows].sum() <= int(share * rows.sum() + 0.5)
    for one in set(classes.tolist()):
        of_class = classes == one
        assert (of_class & ~chosen).sum() >= min(2, of_class.sum())
    order = np.random.default_rng(0).permutation(len(clips))
    moved = held_out([groups[i] for i in order], classes[order], table.only(order), share)
    np.testing.assert_array_equal(moved, chosen[order])


def test_windows_of_a_recording_are_taken_one_after_the_other():
    starts = (0, 100, 10, 20, 30)
    table = ClipTable.of_columns(
        {
            "name": [window_name("long.wav", seconds) for seconds in starts],
            "recording": ["long.wav"] * 5,
            "start": starts,
            "content": ["c", "a", "e", "b", "d"],
        }
    )
    chosen = held_out(["00"] * 5, np.zeros(5, int), table, 0.6)
    assert list(table.only(chosen).name) == [
        "long.wav#t=0",
        "long.wav#t=10",
        "long.wav#t=20",
    ]


@pytest.fixture(scope="module")
def project(tiny_template, tmp_path_factory):
    import shutil

    root = tmp_path_factory.mktemp("held") / "project"
    shutil.copytree(tiny_template, root)
    path = root / "pipeline/params.yaml"
    replace_in(path, "train: {", "train: {held_out: 0.34, ")
    run_verbs(root, "train", "embed", "score")
    return root


def test_thresholds_are_found_from_the_held_out_clips(project):
    bank = read_bank(project / "data/banks/both/pump/train.h5")
    kept = bank.arrays["held_out"] > 0
    sections = np.array(bank.clips.section)
    assert [int(kept[sections == section].sum()) for section in ("00", "02")] == [3, 3]
    detector = Detector.load(project, "pump", "cosine")
    scores = detector.fitted.training_scores()
    expected = find_threshold("quantile", scores[kept & (sections == "02")], 0.2)
    assert expected.count == 3
    assert detector.thresholds["02"] == expected
    record = read_record(project / "data/scores/cosine/pump.json", ScoresRequest)
    stored = {section: of[1] for section, of in read_thresholds(record).items()}
    assert stored == detector.thresholds


def test_the_network_does_not_learn_from_them(project, tiny_template):
    """Another training, and an epoch of fewer clips."""
    weights = [
        (root / "data/models/both/pump/weights.safetensors").read_bytes()
        for root in (project, tiny_template)
    ]
    assert weights[0] != weights[1]
    for record in (project / "data/models/both").rglob("record.json"):
        record.unlink()
    assert "trained 2 epochs on 12 clips" in asd(project, "train", "--model", "both").out
    assert (project / "data/models/both/pump/weights.safetensors").read_bytes() == weights[0]
