"""A twentieth of `make torture`."""

from __future__ import annotations

import builds
import pytest


@pytest.mark.nightly
def test_a_killed_build_leaves_no_stale_page_that_is_called_current(tmp_path):
    assert builds.torture(builds.COUNT // 20, tmp_path, seed=1, say=print) == []
