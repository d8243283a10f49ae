"""The learning rate of each epoch."""

from __future__ import annotations

SCHEDULES = ("paper", "proportional", "constant")


def learning_rate(epoch: int, lr: float, schedule: str = "paper", epochs: int = 50) -> float:
    """Return the learning rate of an epoch (counted from 1).

    "paper": lr in epochs 1–25, lr/10 from 26, lr/100 from 36, lr/1000 from 46. "proportional": the same drops after
    50, 70 and 90 % of a training of any length. "constant": lr.

    Raises:
        ValueError: the schedule is unknown.

    Source: Zhu et al. 2022, §5.1.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}.")
    if schedule == "constant":
        return lr
    passed = (epoch - 1) if schedule == "paper" else (epoch - 1) * 50 / epochs
    return lr if passed < 25 else lr * 0.1 ** (1 + (passed - 25) // 10)
