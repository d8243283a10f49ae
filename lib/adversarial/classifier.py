"""A network as what is attacked: it takes points and has an output for each of two or more classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

from lib.estimators.measuring import measured
from lib.labels import check_classes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from lib.estimators.subject import Subject


@contextmanager
def classifier(network: nn.Module, x: Float[Tensor, "n ..."]) -> Iterator[tuple[Subject, int]]:
    """Give a network as `lib.estimators.measuring.measured` does, with the number of its classes.

    Raises:
        ValueError: as there, or points interact in the network, or it has one output.
    """
    with measured(network, x) as subject:
        subject.check(x.detach())
        outputs = subject.values(x[:1].detach()).shape[-1]
        check_classes(outputs)
        yield subject, outputs
