"""Fine-tuning from clips to a checkpoint that the extractor reads."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from asd.clips.audio import Signal
from asd.errors import JobError
from asd.features.ptm import Ptm, PtmConfig
from asd.training.artifact import read_checkpoint_record
from asd.training.pretrained import find_base, load_base
from tests.training.conftest import contents

WHOLE = {
    "asd_head.safetensors",
    "config.json",
    "history.csv",
    "model.safetensors",
    "preprocessor_config.json",
    "record.json",
}


def losses(folder, objective):
    with (folder / "history.csv").open() as file:
        return [float(r["loss"]) for r in csv.DictReader(file) if r["objective"] == objective]


def test_the_checkpoint_is_whole(run, folder, config):
    account = run(config(steps=30, learning_rate=1e-3))
    assert (account.clips, account.machines, account.updates) == (24, 2, 30)
    assert {path.name for path in folder.iterdir()} == WHOLE
    assert not (folder.parent / "train" / "ptm").exists()  # no state is left
    history = losses(folder, "classify")
    assert len(history) == 30
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:5])
    record = read_checkpoint_record(folder).check()
    assert set(record.files) == WHOLE - {"record.json"}
    facts = record.facts
    assert (facts["layer"], facts["projection"], facts["quantizer"]) == (3, "trained", None)
    assert len(facts["classes"]["attributes"]) == 6
    assert str(folder.parents[1]) not in (folder / "record.json").read_text()


def test_the_contrastive_loss_falls_below_chance(run, folder, config):
    rates = {"learning_rate": 1e-3, "head_learning_rate": 5e-3}
    run(config(objectives="contrastive", steps=70, batch_size=4, **rates))
    with (folder / "history.csv").open() as file:
        history = [float(row["contrastive_loss"]) for row in csv.DictReader(file)]
    # One of 101 by chance: the hidden frame itself, and 100 others.
    assert np.mean(history[:10]) > np.log(101) - 0.05
    assert np.mean(history[-10:]) < np.log(101) - 0.12


def test_frozen_and_trained_weights(run, folder, config):
    from transformers import AutoModel

    run(config(steps=3))
    before = load_base("builtin:tiny", find_base("builtin:tiny"), 0)[0].state_dict()
    after = load_file(folder / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith("feature_extractor.")]
    assert "encoder.layers.2.attention.k_proj.weight" in changed
    # The last layer lies above the one that is projected.
    assert not [name for name in changed if name.startswith("encoder.layers.3.")]
    library = AutoModel.from_pretrained(folder).state_dict()
    assert all(torch.equal(after[name], library[name]) for name in after)


def test_a_killed_run_ends_with_the_same_bytes(run, folder, config, killed_at):
    both = config(objectives=["contrastive", "classify"], steps=6, accumulate=2)
    run(both, "undisturbed")
    killed_at(4, 11)
    for _ in range(2):  # once in each objective
        with pytest.raises(KeyboardInterrupt):
            run(both)
        assert not list(folder.iterdir())
    account = run(both)
    assert 0 < account.resumed < 12
    assert account.resumed + account.updates == 12
    assert contents(folder) == contents(folder.with_name("undisturbed"))


def test_nothing_is_done_twice(run, folder, config):
    assert not run(config(steps=2)).reused
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert run(config(steps=2, device="auto")).reused
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    whole = contents(folder)
    (folder / "asd_head.safetensors").write_bytes(b"damaged")
    assert not run(config(steps=2)).reused
    assert contents(folder) == whole
    assert not run(config(steps=3)).reused


def test_without_objectives_the_weights_stay(run, folder, config, clips, raw):
    account = run(config(objectives="none"))
    assert (account.updates, account.objectives) == (0, ())
    before = load_base("builtin:tiny", find_base("builtin:tiny"), 0)[0].state_dict()
    after = load_file(folder / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    rows = _features(folder, raw, clips)
    # The principal components of the frames have variances that add up to their number.
    assert 0.5 < rows.var(axis=(0, 2)).mean() < 1.5
    assert (rows == _features(folder, raw, clips, projection="pca")).all()


@pytest.mark.parametrize("layer", [1, "mix"])
def test_the_extractor_reads_what_was_learned(layer, run, folder, config, clips, raw):
    run(config(steps=40, learning_rate=1e-3, layer=layer))
    rows = _features(folder, raw, clips)
    assert rows.shape == (12, 16, 16)
    pooled = np.concatenate([rows.mean(axis=2), rows.std(axis=2)], axis=1)
    distance = np.linalg.norm(pooled[:, None] - pooled[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    kinds = [clip.section for clip in clips[:12]]
    nearest = [kinds[i] for i in distance.argmin(axis=1)]
    assert nearest == kinds


def _features(folder, raw, clips, **values):
    import soundfile

    waves = [soundfile.read(raw / clip.path, dtype="int16")[0] for clip in clips[:12]]
    extractor = Ptm(PtmConfig(checkpoint=str(folder), **values), Signal(16000, 8000, 0))
    return extractor(np.stack(waves)).astype(float)


def test_a_checkpoint_can_be_tuned_again(run, folder, config):
    run(config(objectives="contrastive", steps=2))
    run(config(base=str(folder), steps=2), "again")
    request = read_checkpoint_record(folder.with_name("again")).request
    assert request["base"]["name"] == "ptm"
    assert "base" not in request["params"]


def test_a_quantizer_is_continued(run, folder, config, tmp_path):
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

    from asd.training.pretrained import BUILTIN

    tiny = {k: v for k, v in BUILTIN["builtin:tiny"].items() if k != "model_type"}
    Wav2Vec2ForPreTraining(Wav2Vec2Config(**tiny)).save_pretrained(tmp_path / "base")
    run(config(base=str(tmp_path / "base"), objectives="contrastive", steps=1))
    assert read_checkpoint_record(folder).facts["quantizer"] == "continued"


def test_a_loss_that_is_not_finite_is_an_error(run, folder, config):
    with pytest.raises(JobError, match="classify: the loss is not finite in update"):
        run(config(learning_rate=1e30, head_learning_rate=1e30))
    assert not list(folder.iterdir())
