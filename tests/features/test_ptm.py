"""The pre-trained feature: values, time axis, what it depends on, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.clips.audio import Signal
from asd.errors import JobError, UsageError
from asd.features import EXTRACTORS, build_extractor
from asd.features.logmel import LogMel, LogMelConfig
from asd.features.ptm import Ptm, PtmConfig
from tests.features.test_encoder import library_states

SIGNAL = Signal(sample_rate=16000, length=16000, channel=0)
WAVES = np.random.default_rng(0).integers(-9000, 9000, (8, 16000)).astype(np.int16)


@pytest.fixture
def checkpoint(small_model, write_head, tmp_path):
    folder = tmp_path / "ptm"
    small_model().save_pretrained(folder)
    write_head(folder)
    return folder


def build(checkpoint, signal=SIGNAL, **values):
    return Ptm(PtmConfig(checkpoint=str(checkpoint), **values), signal)


def reference(folder, waves, weights, projection):
    """The feature by NumPy from the library's own input and hidden layers (no float16)."""
    states = library_states("wav2vec2", folder, waves)
    frames = sum(w * s[:, :, 0] for w, s in zip(weights, states, strict=True))
    rows = frames @ projection[0].T + projection[1]
    centres = 200 + 320 * np.arange(rows.shape[1])
    times = 512 * np.arange(1 + waves.shape[1] // 512)
    return np.stack([[np.interp(times, centres, row) for row in clip.T] for clip in rows])


@pytest.mark.parametrize("layer", [None, 0, 2, 3])
@pytest.mark.parametrize("projection", ["auto", "pca"])
@pytest.mark.parametrize("stable", [False, True])
def test_values(layer, projection, stable, small_model, write_head, tmp_path):
    small_model(do_stable_layer_norm=stable).save_pretrained(tmp_path)
    head = write_head(tmp_path)  # trained for layer 2
    chosen = 2 if layer is None else layer
    tuned = chosen == 2 and projection == "auto"
    used = (
        (head.tuned.weight, head.tuned.bias)
        if tuned
        else (head.pca_weight[chosen], head.pca_bias[chosen])
    )
    rows = build(tmp_path, layer=layer, projection=projection)(WAVES)
    assert rows.shape == (8, 10, 32)
    assert rows.dtype == np.float16
    wanted = reference(tmp_path, WAVES, np.eye(4)[chosen], used)
    np.testing.assert_allclose(rows, wanted, rtol=2e-3, atol=2e-3)


def test_a_learned_mix(small_model, write_head, tmp_path):
    small_model().save_pretrained(tmp_path)
    tuned = write_head(tmp_path, layer=None).tuned
    weights = np.exp(tuned.mix) / np.exp(tuned.mix).sum()
    wanted = reference(tmp_path, WAVES, weights, (tuned.weight, tuned.bias))
    np.testing.assert_allclose(build(tmp_path)(WAVES), wanted, rtol=2e-3, atol=2e-3)
    with pytest.raises(UsageError, match="a mix has no principal components"):
        build(tmp_path, projection="pca")


@pytest.mark.parametrize("length", [513, 16000, 64000, 160_000])
def test_row_shape_is_known_before(length, checkpoint):
    signal = Signal(sample_rate=16000, length=length, channel=0)
    extractor = build(checkpoint, signal)
    assert extractor.row_shape == (10, 1 + length // 512)
    assert extractor.row_shape[1] == LogMel(LogMelConfig(), signal).row_shape[1]
    assert extractor(np.zeros((1, length), np.int16)).shape == (1, *extractor.row_shape)


@pytest.mark.parametrize("frame", [10, 40, 77])
def test_a_burst_is_heard_in_the_frame_of_the_logmel(frame, small_model, write_head, tmp_path):
    # Attention and the positions look around; without them, time is that of the convolutions.
    small_model(num_conv_pos_embeddings=1).save_pretrained(tmp_path)
    write_head(tmp_path)
    signal = Signal(sample_rate=16000, length=48000, channel=0)
    wave = np.random.default_rng(0).normal(0, 30, 48000)
    around = np.arange(-256, 256)
    tone = 12000 * np.sin(2 * np.pi * 2000 / 16000 * around) * np.hanning(512)
    wave[512 * frame + around] += tone
    waves = wave.astype(np.int16)[None]
    logmel = LogMel(LogMelConfig(), signal)(waves)[0].astype(float)
    rows = build(tmp_path, signal, layer=0)(waves)[0].astype(float)
    assert logmel.max(axis=0).argmax() == frame
    change = np.linalg.norm(rows - np.median(rows, axis=1, keepdims=True), axis=0)
    assert change.argmax() == frame


def test_int8_is_for_cpus(checkpoint):
    exact, quantised = build(checkpoint), build(checkpoint, precision="int8")
    assert exact.recipe != quantised.recipe
    quantised.device = "cuda"
    with pytest.raises(UsageError, match="int8 is for CPUs and the device is cuda"):
        quantised(WAVES)


def test_values_beyond_float16_are_an_error(small_model, tmp_path, write_head):
    small_model().save_pretrained(tmp_path)
    head = write_head(tmp_path)
    head.tuned.bias[0] = 1e6
    head.write(tmp_path / "asd_head.safetensors")
    with pytest.raises(JobError, match="values beyond float16; choose another features.ptm.layer"):
        build(tmp_path)(WAVES)


def test_recipe_holds_the_checkpoint_and_not_its_path(checkpoint, write_head):
    recipe = build(checkpoint).recipe
    (checkpoint / "history.csv").write_text("step,loss\n")
    moved = checkpoint.rename(checkpoint.with_name("elsewhere"))
    assert build(moved).recipe == recipe
    assert str(moved.parent) not in json.dumps(recipe)
    assert build(moved, layer=1).recipe != recipe
    write_head(moved, seed=1)
    assert build(moved).recipe != recipe


def test_building_imports_no_torch(checkpoint):
    code = (
        "import sys; from asd.clips.audio import Signal; from asd.features.ptm import *;"
        f"extractor = Ptm(PtmConfig(checkpoint={str(checkpoint)!r}), Signal(16000, 16000, 0));"
        "assert extractor.row_shape == (10, 32) and extractor.recipe['checkpoint'];"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_bad_input_is_refused_at_once(checkpoint, write_head):
    def refused(message, signal=SIGNAL, **values):
        own = {"checkpoint": str(checkpoint)} | values
        with pytest.raises(UsageError, match=message) as error:
            build_extractor(EXTRACTORS, "ptm", own, signal)
        assert "\n" not in str(error.value)

    refused("nowhere: no checkpoint", checkpoint=str(checkpoint / "nowhere"))
    refused("no layer 4; layers are 0 to 3", layer=4)
    refused("layer", layer=-1)
    refused("precision", precision="float16")
    refused("wants 16000 Hz and the clips have 8000 Hz", Signal(8000, 16000, 0))
    refused("399 samples are shorter than the receptive field of 400", Signal(16000, 399, 0))
    config = json.loads((checkpoint / "config.json").read_text())
    changed = config | {"num_hidden_layers": 2}
    (checkpoint / "config.json").write_text(json.dumps(changed))
    refused("belongs to another checkpoint")
    (checkpoint / "config.json").write_text(json.dumps(config))
    (checkpoint / "model.safetensors").rename(checkpoint / "other")
    refused("model.safetensors: no such file")
    (checkpoint / "other").rename(checkpoint / "model.safetensors")
    (checkpoint / "asd_head.safetensors").write_bytes(b"damaged")
    refused("asd_head.safetensors: damaged")
    (checkpoint / "asd_head.safetensors").unlink()
    refused("no projection for this checkpoint; run 'asd finetune'")


def test_multiply_accumulates_are_those_of_the_layers_that_run(checkpoint, small_model):
    """Counted by hooks at every linear map and convolution, and the two products of attention."""
    model, counted = small_model(), 0

    def add(module, given, out):
        nonlocal counted
        counted += out.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
            module.register_forward_hook(add)
    with torch.inference_mode():
        states = model(torch.zeros(1, 16000), output_hidden_states=True).hidden_states
    frames, units = states[0].shape[1:]
    layers = len(states) - 1
    whole = counted + layers * 2 * frames**2 * units
    assert build(checkpoint, layer=layers).macs() == whole
    # Layers after the one that is read do not run.
    a_layer = (
        frames
        * sum(
            one.weight.numel()
            for one in model.encoder.layers[0].modules()
            if isinstance(one, torch.nn.Linear)
        )
        + 2 * frames**2 * units
    )
    assert build(checkpoint, layer=1).macs() == whole - (layers - 1) * a_layer
