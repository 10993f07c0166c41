"""What fine-tuning refuses before it touches anything."""

import json
from dataclasses import replace

import pytest

from asd.errors import JobError, UsageError
from asd.training.finetune import finetune, make_plan, middle_layer, training_recordings
from asd.training.pretrained import BUILTIN


def test_training_clips_are_normal_usable_and_ordered(raw, clips):
    mixed = list(reversed(clips))
    mixed[3] = replace(mixed[3], status="silent")
    mixed[4] = replace(mixed[4], label="anomaly")
    mixed[5] = replace(mixed[5], label="")
    chosen = training_recordings(raw, mixed, 16000, 0).clips
    assert len(chosen) == 22
    assert {clip.split for clip in chosen} == {"train"}
    assert chosen == sorted(chosen, key=lambda clip: (clip.machine, clip.section, clip.name))


def test_layers():
    assert [middle_layer(n) for n in (1, 4, 12, 24)] == [1, 3, 9, 18]


def test_identity_is_what_decides_the_result(raw, clips, config):
    def identity(rows=clips, **changes):
        return make_plan(training_recordings(raw, rows, 16000, 0), config(**changes)).request.digest

    same = identity()
    assert identity(list(reversed(clips))) == same
    assert identity(revision="other", device="auto") == same
    assert identity([replace(c, path=f"elsewhere/{c.path}") for c in clips]) == same
    moved = [replace(c, attributes="speed=9") if c.name == "00.wav" else c for c in clips]
    changed = [replace(c, digest="0" * 64) if c.name == "00.wav" else c for c in clips]
    different = [identity(moved), identity(changed), identity(seed=1), identity(steps=13)]
    assert len({same, *different}) == 5


def test_cut_is_no_longer_than_the_shortest_clip(raw, clips, config):
    recordings = training_recordings(raw, clips, 16000, 0)
    assert make_plan(recordings, config()).cut == 7200
    assert make_plan(recordings, config(seconds=0.25)).cut == 4000


def write_config(folder, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(BUILTIN["builtin:tiny"] | changes))
    return str(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": 5}, "no layer 5; layers are 0 to 4"),
        ({"layer": "mix", "objectives": "none"}, "a mix is learned by the objective 'classify'"),
        ({"objectives": ["classify", "contrastive"]}, "'classify' must come last"),
        ({"base": "data/none/here"}, "no such checkpoint folder"),
    ],
)
def test_parameters_that_do_not_go_together(changes, message, raw, clips, config):
    refused(UsageError, message, raw, clips, config(**changes))


def refused(kind, message, raw, clips, config, rate=16000):
    folder = raw.parent / "checkpoints" / "ptm"
    with pytest.raises(kind, match=message) as error:
        finetune(training_recordings(raw, clips, rate, 0), config, folder, folder.parent / "work")
    assert "\n" not in str(error.value)
    assert not [path for path in folder.parent.rglob("*") if path.is_file()]


def test_clips_that_do_not_fit(raw, clips, config):
    refused(UsageError, "wants 16000 Hz and the clips have 8000", raw, clips, config(), 8000)
    tests = [replace(clip, split="test") for clip in clips]
    refused(JobError, "no usable training clip", raw, tests, config())
    short = [replace(clip, length=399) for clip in clips]
    refused(UsageError, "399 samples are shorter than the receptive field", raw, short, config())
    alike = [replace(c, attributes="", section="00") for c in clips if c.machine == "fan"]
    refused(UsageError, "needs two machines, sections or attributes", raw, alike, config())
    few = [replace(clip, length=2500) for clip in clips]
    contrastive = config(objectives="contrastive")
    refused(
        UsageError, "'contrastive' needs 8 frames, and 2500 samples give 7", raw, few, contrastive
    )


def test_bases_that_do_not_fit(raw, clips, config, tmp_path):
    other = write_config(tmp_path / "other", model_type="whisper")
    refused(
        UsageError,
        "'whisper' is no encoder that can be read here; known: .*wavlm",
        raw,
        clips,
        config(base=other),
    )
    hubert = config(base=write_config(tmp_path / "base", model_type="hubert"))
    refused(UsageError, "model.safetensors is missing", raw, clips, hubert)
    contrastive = hubert.model_copy(update={"objectives": ("contrastive",)})
    refused(UsageError, "'contrastive' is that of wav2vec2", raw, clips, contrastive)
    (tmp_path / "base" / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    refused(UsageError, "wants 8000 Hz", raw, clips, hubert)
