"""Every kind of encoder by OpenVINO, against torch, and what is kept beside a checkpoint."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.clips.audio import Signal
from asd.device import cpu_is_fast_in_bfloat16
from asd.errors import UsageError
from asd.features import checkpoint as checkpoints
from asd.features import frozen
from asd.features.base import mean_cosine
from asd.features.ptm import Ptm, PtmConfig
from asd.progress import _print_once

SIGNAL = Signal(sample_rate=16000, length=12000, channel=0)
WAVES = np.random.default_rng(0).integers(-9000, 9000, (4, 12000)).astype(np.int16)


@pytest.fixture
def folder(small_model, write_head, tmp_path, monkeypatch):
    """A checkpoint that counts as large."""
    small_model().save_pretrained(tmp_path / "ptm")
    write_head(tmp_path / "ptm")
    monkeypatch.setattr(frozen, "_SMALL", 0)
    return tmp_path / "ptm"


def build(folder, precision="float32", **values):
    return Ptm(PtmConfig(checkpoint=str(folder), precision=precision, **values), SIGNAL)


def kept(folder):
    return sorted(path.name for path in (folder.parent / ".ptm.openvino").iterdir())


@pytest.mark.parametrize("layer", [None, 0, 3])
def test_agrees_with_torch(layer, folder, monkeypatch):
    by_openvino = build(folder, layer=layer)(WAVES)
    assert len(kept(folder)) == 1
    monkeypatch.setattr(frozen, "_SMALL", 2**40)
    # float16 has 11 bits.
    np.testing.assert_allclose(build(folder, layer=layer)(WAVES), by_openvino, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_same_bytes_whatever_the_batch_and_the_threads(precision, folder, monkeypatch):
    if precision == "int8":
        pytest.importorskip("nncf")
        # So few units average little of the rounding away, and the first batch is compared.
        monkeypatch.setattr(Ptm, "_compare", lambda *_: None)
    rows = build(folder, precision)(WAVES)
    assert mean_cosine(rows, build(folder)(WAVES)) > (0.97 if precision == "int8" else 0.9995)
    if precision != "bfloat16" or cpu_is_fast_in_bfloat16():  # else its products are float32's
        same = rows.tobytes() == build(folder)(WAVES).tobytes()
        assert same is (precision == "float32")
    order = [2, 0, 3, 1]
    for threads in (1, 2):
        torch.set_num_threads(threads)
        extractor = build(folder, precision)
        assert extractor(WAVES[order]).tobytes() == rows[order].tobytes()
        alone = np.concatenate([WAVES[:1], np.zeros((3, 12000), np.int16)])
        assert extractor(alone)[0].tobytes() == rows[0].tobytes()


def test_what_is_converted_once_is_read_again(folder, monkeypatch):
    rows, before = build(folder)(WAVES), kept(folder)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "load_model", lambda *_: pytest.fail("converted again"))
        assert build(folder)(WAVES).tobytes() == rows.tobytes()
    place = folder.parent / ".ptm.openvino" / before[0]
    (place / "model.xml").write_text("damaged")
    assert build(folder)(WAVES).tobytes() == rows.tobytes()
    assert kept(folder) == before
    (place / "model.bin").write_bytes(b"damaged")
    assert build(folder)(WAVES).tobytes() == rows.tobytes()


def test_what_is_kept_of_other_weights_goes(folder, write_head):
    build(folder)(WAVES)
    before = kept(folder)
    write_head(folder, seed=1)  # another projection, so another checkpoint
    rows = build(folder)(WAVES)
    assert len(kept(folder)) == 1
    assert kept(folder) != before
    shutil.rmtree(folder.parent / ".ptm.openvino")
    (folder.parent / ".ptm.openvino").write_text("a folder that cannot be written")
    assert build(folder)(WAVES).tobytes() == rows.tobytes()


def test_int8_without_its_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UsageError, match="needs the package nncf; pip install 'machine-asd.int8.'"):
        build(folder, "int8")(WAVES)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("native", [True, False])
def test_a_precision_that_gains_nothing_here_is_told(
    native, precision, folder, monkeypatch, capsys
):
    monkeypatch.setattr(frozen, "_is_faster", lambda *_: native)
    _print_once.cache_clear()
    frozen._Converted(pytest.fail, precision, folder, ["digest"])
    said = capsys.readouterr().err
    assert said.startswith(f"note: {precision} is no faster than float32") is not native


def test_another_process_gives_the_same_bytes(folder, tmp_path):
    """What is converted in memory and what is read from the folder are one network."""
    rows = build(folder)(WAVES)
    np.save(tmp_path / "waves.npy", WAVES)
    code = (
        "import sys, numpy as np; from asd.features import frozen; frozen._SMALL = 0;"
        "from asd.features.ptm import *; from asd.clips.audio import Signal;"
        f"p = Ptm(PtmConfig(checkpoint={str(folder)!r}), Signal(16000, 12000, 0));"
        f"sys.stdout.buffer.write(p(np.load({str(tmp_path / 'waves.npy')!r})).tobytes());"
        "assert 'transformers' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == rows.tobytes()
