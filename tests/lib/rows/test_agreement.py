"""Two trainings of one configuration on two kinds of hardware: what may differ at the end, and what may not."""

import math

import pytest

from lib.rows.agreement import differences
from lib.rows.task import never_reached


def row(hardware, losses, last=938):
    seen = [{"epoch": step / 938, "step": step, "reached": loss, "P": 0.5} for loss, step in losses.items() if step]
    never = [never_reached(loss) for loss, step in losses.items() if not step]
    end = {"epoch": last / 938, "step": last, "reached": None, "P": 0.5}
    return {"measurements": [*seen, end, *never], "provenance": {"hardware": hardware}, "failure": None}


def unbounded(one, other):
    return any(math.isinf(each.deviation) for each in differences(one, other))


@pytest.mark.parametrize("losses", [{}, {0.5: None}], ids=["left before", "never"])
def test_a_loss_crossed_a_look_before_the_end_may_be_missed_on_other_hardware_alone(losses):
    early, late = row("A", {0.5: 900}), row("A", {0.5: 400})
    for stored, again in ((early, row("B", losses)), (row("B", losses), early)):
        assert not unbounded(stored, again)
    assert unbounded(late, row("B", losses))
    assert unbounded(early, row("A", losses))


def test_an_epoch_is_never_missed():
    stored = row("A", {})
    stored["measurements"].append({"epoch": 0.95, "step": 900, "reached": None, "P": 0.5})
    assert unbounded(stored, row("B", {}))


def test_a_row_may_lack_matched_losses_altogether_where_no_row_of_its_cell_has_any_and_no_other_moment():
    again = row("A", {0.5: 400, 1.0: None})
    early = row("A", {})
    for measurement in early["measurements"]:
        del measurement["reached"]
    assert not unbounded(early, again)
    assert unbounded(row("A", {}), again)
    assert any(math.isinf(each.deviation) for each in differences(early, again, expected={"reached"}))
    again["measurements"] += [{"epoch": 0.5, "step": 469, "share": 0.5, "P": 0.5}]
    assert unbounded(early, again)


def test_the_only_measurement_of_an_epoch_is_missed_too():
    stored, again = row("A", {0.5: 400}), row("A", {0.5: 400})
    stored["measurements"] = [m for m in stored["measurements"] if m["reached"] is not None]
    assert unbounded(stored, again)


def test_what_one_calls_undefined_the_other_may_leave_out_and_nothing_else():
    stored, again = row("A", {}), row("A", {})
    del again["measurements"][0]["reached"]
    assert not unbounded(stored, again)
    again["measurements"][0]["P"] = None
    assert unbounded(stored, again)
    del again["measurements"][0]["P"]
    assert unbounded(stored, again)
