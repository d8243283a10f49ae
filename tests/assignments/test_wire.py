"""Values cross between a submission's process and the grader as data, and only as data."""

import json

import numpy as np
import pytest
import torch

from assignments.confinement.inside.wire import decode, encode


def through(value):
    return decode(json.loads(json.dumps(encode(value))))


@pytest.mark.parametrize("value", [None, True, 3, -2.5, "κ", [1, [2.0, "x"]], {"a": [1, None]}])
def test_plain_values_come_back(value):
    assert through(value) == value


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8", "float16", "float32", "float64"])
def test_arrays_come_back_in_their_type_and_shape(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array.T, np.asarray(array[0, 0])):
        back = through(value)
        assert back.dtype == value.dtype and back.shape == value.shape and np.array_equal(back, value)


def test_tensors_and_numbers_of_numpy_become_arrays():
    assert np.array_equal(through(torch.ones(2, 3, requires_grad=True)), np.ones((2, 3)))
    assert through(np.float32(0.5)) == 0.5


@pytest.mark.parametrize("value", [object(), {1: 2}, {1, 2}, 1j, np.array(["a"]), np.array([object()]), lambda: 0])
def test_anything_else_is_refused(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        3, [], {}, {"plain": [1]}, {"array": "", "dtype": "O", "shape": [0]},
        {"array": "AA==", "dtype": "<f8", "shape": [1]},
        {"array": "", "dtype": "<f8", "shape": [-1, 0]}, {"array": "", "dtype": "<f8", "shape": [True]},
        {"array": "", "dtype": "<f8", "shape": [0] * 40}, {"array": "!", "dtype": "|u1", "shape": [1]}, {"list": 3},
        {"array": "", "dtype": "<f8", "shape": [10**30, 0.0]},
    ],
)  # fmt: skip
def test_forged_data_are_refused(data):
    with pytest.raises(ValueError):
        decode(data)
