"""What a sweep computes: settings that have a key and a seed, and become rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, ClassVar


class Task:
    """Describe one replica's computation; two equal tasks give equal results on one kind of device.

    A subclass is a frozen dataclass of plain values, one of which is `seed`, and registers what it computes with
    `lib.experiments.rows.outcome`.

    Attributes:
        kind: names the subclass in rows and keys; empty for `Configuration`, the training of a network of Eq. (2).

    Used by: `lib.experiments.sweep`.
    """

    kind: ClassVar[str] = ""
    seed: int  # no field yet: the subclass, a dataclass, says where it stands

    @property
    def key(self) -> str:
        """Return the hash that names the task in a store."""
        text = json.dumps(self.asdict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def cell(self) -> tuple[Any, ...]:
        """Return everything but the seed: consecutive seeds of one cell are computed as one stack."""
        return tuple(value for name, value in self.asdict().items() if name != "seed")

    def asdict(self) -> dict[str, Any]:
        """Return the settings as plain values, in the order of the fields, after the kind where there is one."""
        return ({"kind": self.kind} if self.kind else {}) | dataclasses.asdict(self)

    def seconds(self, replicas: int) -> float:
        """Return a guess of what a stack takes on one thread: it orders a sweep and prices it beforehand."""
        raise TypeError(f"{type(self).__name__} does not say what it costs; give it a method `seconds(replicas)`.")
