"""A model that was trained where products are in bfloat16 was stale on every other processor.

The params say "auto", so that DVC had nothing to do where `asd status` asked for a training.
"""

import pytest

from asd import device
from asd.artifact import RECORD
from asd.training import train
from asd.training.artifact import load_model
from tests.training.conftest import config as config
from tests.training.conftest import fill as fill
from tests.training.conftest import fit as fit
from tests.training.conftest import model as model


@pytest.fixture
def processor(tmp_path, monkeypatch):
    def become(maker):
        (tmp_path / "cpuinfo").write_text(f"vendor_id : {maker}\nflags : avx512_bf16\n")
        monkeypatch.setattr(device, "_CPU", tmp_path / "cpuinfo")

    return become


def test_what_is_asked_for_decides(fill, fit, config, processor, tmp_path):
    asked = config.model_copy(update={"precision": "auto"})
    store = fill({"00": 8, "01": 7})
    processor("AuthenticAMD")
    assert fit(store, config=asked).epochs == 4
    processor("GenuineIntel")
    assert fit(store, config=asked).epochs == 0
    computed = load_model(tmp_path / "model" / RECORD).record.facts["computed"]
    assert computed == {"device": "cpu", "precision": "bfloat16"}
    assert fit(store, config=config).epochs == 4  # float32 in words


def test_a_killed_training_goes_on_in_no_other_precision(fill, fit, config, processor, monkeypatch):
    asked = config.model_copy(update={"precision": "auto"})
    store = fill({"00": 8, "01": 7})
    processor("AuthenticAMD")
    with monkeypatch.context() as patch:
        patch.setattr(train, "write_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit(store, config=asked)
    processor("GenuineIntel")
    assert fit(store, config=asked).resumed == 0
