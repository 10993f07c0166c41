"""Back ends on genuine features of full size, where they lie beside the repository."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asd.scoring import build
from asd.scoring.bank import Bank

FILE = Path(__file__).resolve().parents[2] / "../shared/real/dcase2020_modspec.h5"
# AUCs that came with the data: log10(x + 1e-10), standardised, Euclidean nearest neighbour.
PUBLISHED = {
    "slider": {"id_00": 0.987, "id_02": 0.862, "id_04": 0.990, "id_06": 0.848},
    "fan": {"id_00": 0.619, "id_02": 0.848, "id_04": 0.680, "id_06": 0.835},
}


@pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not beside the repository")
@pytest.mark.parametrize("machine", PUBLISHED)
def test_standardised_nearest_neighbour_reaches_the_published_aucs(machine: str) -> None:
    train, test, sections, labels = [], [], [], []
    with h5py.File(FILE, "r") as file:
        for section in PUBLISHED[machine]:
            group = file[machine][section]
            train.append(np.log10(group["train"][()] + 1e-10).reshape(len(group["train"]), -1))
            test.append(np.log10(group["test"][()] + 1e-10).reshape(len(group["test"]), -1))
            sections += [section] * len(test[-1])
            labels.append(group["label"][()])
    embedding = np.concatenate(train).astype(np.float32)
    of_training = [s for s, part in zip(PUBLISHED[machine], train, strict=True) for _ in part]
    none = ("",) * len(embedding)
    bank = Bank(
        name=none,
        section=tuple(of_training),
        domain=none,
        label=none,
        attributes=none,
        content=none,
        classes=np.full(len(embedding), -1, np.int32),
        arrays={"embedding": embedding},
        provenance={},
    )
    fitted = build("neighbours", {"distance": "standardised"}).fit(bank)
    scores = fitted.score({"embedding": np.concatenate(test).astype(np.float32)}, sections)
    truth, of = np.concatenate(labels), np.array(sections)
    for section, auc in PUBLISHED[machine].items():
        found = roc_auc_score(truth[of == section], scores[of == section])
        assert found == pytest.approx(auc, abs=0.0006)  # published with three digits
