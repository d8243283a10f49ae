"""Declarations of parameters, what they accept, and the sentence for everything else."""

from __future__ import annotations

import pytest

from book.errors import BookError
from book.parameters import fill, parse_cell

CELL = """\
epochs: int = 5  # training epochs [1..500]
lr: float = 1e-3  # learning rate (0..10]
margin: float = 1  # any number above zero (0..inf)
scaling: str = "unit"  # input scaling [unit | raw | standard]
widths: list[int] = [16, 32]  # widths of the hidden layers [2..16384]
names: list[str] = ["he"]  # initializers [he | lecun | power-2]
biased: bool = False  # whether layers have a bias
seeds: int = 3  # how many seeds [3 | 5 | 10]"""


@pytest.fixture
def parameters():
    return parse_cell(CELL, "09_width")


def test_declarations_are_read_in_order_with_help_and_defaults(parameters):
    assert list(parameters) == ["epochs", "lr", "margin", "scaling", "widths", "names", "biased", "seeds"]
    assert parameters["epochs"].help == "training epochs"
    assert parameters["widths"].default == [16, 32]
    assert parameters["margin"].default == 1.0 and type(parameters["margin"].default) is float


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("epochs", 1, 1),
        ("epochs", 500, 500),
        ("lr", 10, 10.0),
        ("lr", 1e-9, 1e-9),
        ("margin", 1e300, 1e300),
        ("scaling", "raw", "raw"),
        ("widths", [2, 16384], [2, 16384]),
        ("names", ["power-2", "he"], ["power-2", "he"]),
        ("biased", True, True),
        ("seeds", 10, 10),
    ],
)
def test_allowed_values_are_accepted_in_their_type(parameters, name, value, accepted):
    result = parameters[name].accept(value, "09_width")
    assert result == accepted and type(result) is type(accepted)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("epochs", 0, "the parameter epochs cannot be 0; it must be an integer in [1..500]."),
        ("epochs", 501, "cannot be 501"),
        ("epochs", 5.0, "cannot be 5.0; it must be an integer"),
        ("epochs", True, "cannot be true; it must be an integer"),
        ("epochs", "5", 'cannot be "5"; it must be an integer'),
        ("epochs", None, "cannot be null"),
        ("lr", 0, "it must be a number in (0..10]."),
        ("lr", 10.5, "in (0..10]."),
        ("lr", float("nan"), "in (0..10]."),
        ("margin", float("inf"), "in (0..inf)."),
        ("scaling", "unti", 'must be a string one of unit | raw | standard; did you mean "unit"?'),
        ("scaling", 1, "must be a string"),
        ("widths", [], "cannot be []; it must be a list that is not empty"),
        ("widths", 16, "cannot be 16; it must be a list"),
        ("widths", [16, 1], "each value an integer in [2..16384]."),
        ("widths", [16, 32.0], "cannot be [16, 32.0]"),
        ("names", ["he", "lecum"], 'did you mean "lecun"?'),
        ("biased", 1, "must be true or false."),
        ("seeds", 4, "must be an integer one of 3 | 5 | 10."),
    ],
)
def test_other_values_are_refused_in_one_sentence(parameters, name, value, sentence):
    with pytest.raises(BookError) as error:
        parameters[name].accept(value, "09_width")
    assert str(error.value).startswith("09_width: ")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("epochs = 5  # training epochs [1..500]", "is no typed assignment"),
        ("import lib", "is no typed assignment"),
        ("epochs: int", "is no typed assignment"),
        ("epochs: int = 5", "has no comment"),
        ("epochs: int = 5  # training epochs", "does not end with the allowed values"),
        ("epochs: int = 5  # training epochs [1..many]", "are not numbers"),
        ("seeds: int = 5  # seeds [3 | many]", "are not of type int"),
        ("epochs: Int = 5  # training epochs [1..500]", "the types are int, float, bool, str"),
        ("epochs: int = 2 + 3  # training epochs [1..500]", "is not a literal"),
        ("epochs: int = 0  # training epochs [1..500]", "(default): the parameter epochs cannot be 0"),
        ("epochs: list[int] = []  # training epochs [1..500]", "(default): the parameter epochs cannot be []"),
        ("lr: float = 'small'  # learning rate (0..1]", 'cannot be "small"'),
        ("widths: list[int] = [\n    16]  # widths [2..64]", "runs over several lines"),
        ("epochs: int = 5  # a [1..9]\nepochs: int = 6  # b [1..9]", "declares epochs twice"),
        ("epochs: int = = 5", "is not valid Python (line 1)"),
    ],
)
def test_malformed_cells_are_refused_in_one_sentence(cell, sentence):
    with pytest.raises(BookError) as error:
        parse_cell(cell, "09_width")
    assert str(error.value).startswith("09_width") and sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_fill_replaces_values_and_keeps_everything_else(parameters):
    values = {name: parameter.default for name, parameter in parameters.items()}
    assert fill(CELL, parameters, values) == CELL
    filled = fill(CELL, parameters, values | {"epochs": 50, "widths": [2], "scaling": "raw", "biased": True})
    changed = [pair for pair in zip(CELL.splitlines(), filled.splitlines(), strict=True) if pair[0] != pair[1]]
    assert [after for _, after in changed] == [
        "epochs: int = 50  # training epochs [1..500]",
        'scaling: str = "raw"  # input scaling [unit | raw | standard]',
        "widths: list[int] = [2]  # widths of the hidden layers [2..16384]",
        "biased: bool = True  # whether layers have a bias",
    ]


def test_fill_counts_columns_in_bytes_as_python_does():
    cell = 'law: str = "β=½"  # the law of β [β=½ | β=m]'
    parameters = parse_cell(cell, "09_width")
    assert fill(cell, parameters, {"law": "β=m"}) == 'law: str = "β=m"  # the law of β [β=½ | β=m]'
