"""Stochastic gradient descent and gradient flow of a stack of replicas, with the gradient of Eq. (2) written out."""

from lib.training.flow import Flow, FlowState, gradient_flow
from lib.training.history import History, Moment
from lib.training.loop import check_options, train
from lib.training.losses import LOSSES, evaluate
from lib.training.schedule import SCHEDULES, learning_rate

__all__ = [
    "LOSSES",
    "SCHEDULES",
    "Flow",
    "FlowState",
    "History",
    "Moment",
    "check_options",
    "evaluate",
    "gradient_flow",
    "learning_rate",
    "train",
]
