"""The published matrix of modules and estimators is what its proofs give, cell by cell."""

import json

import pytest
from module_matrix import FILE, IN_WEIGHTS, POINTWISE, TWO_LAYERS, row
from zoo import ZOO

PUBLISHED = {cells["module"]: cells for cells in json.loads(FILE.read_text())}
# A few of each verdict; the rest is slow.
QUICK = ("fully connected, ReLU", "GRU, sequence first", "detached in part", "custom function")


def test_every_kind_is_published_with_every_estimator():
    assert list(PUBLISHED) == list(ZOO)
    assert len(PUBLISHED) >= 40
    for cells in PUBLISHED.values():
        assert set(cells) == {"module", *POINTWISE, *IN_WEIGHTS, *TWO_LAYERS}
        assert all(c in ("exact", "sampled") or c.startswith("refused: ") for k, c in cells.items() if k != "module")


@pytest.mark.parametrize("name", QUICK)
def test_a_row_is_proved(name):
    assert row(name) == PUBLISHED[name]


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in ZOO if name not in QUICK])
def test_every_row_is_proved(name):
    assert row(name) == PUBLISHED[name]
