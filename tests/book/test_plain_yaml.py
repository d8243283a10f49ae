"""Values as a person writes them, and one sentence in bounded memory for what is none."""

from __future__ import annotations

import math
import resource
import subprocess
import sys

import pytest

from book.plain_yaml import parse_yaml
from book.profiles import parse_overrides, read_profile, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("064", 64),
        ("-08", -8),
        ("+7", 7),
        ("[016, 032]", [16, 32]),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b101", 5),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000.5", 1000.5),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("!!str 5", "5"),
        ("!!int 064", 64),
        ("!!float 1", 1.0),
        ("'064'", "064"),
        ("{a: 1, 2: b}", {"a": 1, 2: "b"}),
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("0x_", "0x_"),
        ("0b2", "0b2"),
        ("1__0", "1__0"),
        ("1_", "1_"),
        ("2024-13-45", "2024-13-45"),
        ("2024-02-28", "2024-02-28"),
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("=", "="),
        ("<<", "<<"),
        ("１２", "１２"),
        ("inf", "inf"),
    ],
)
def test_a_value_is_what_a_person_wrote(text, value):
    read = parse_yaml(text, "-p x")
    assert read == value and type(read) is type(value)


HOSTILE = {
    "no integer": "!!int foo",
    "no integer in base 60": "!!int 1:30",
    "no number": "!!float 0x_",
    "no truth": "!!bool maybe",
    "a date": "!!timestamp 2024-13-45",
    "bytes": "!!binary '!'",
    "a set": "!!set {a}",
    "an object": "!!python/object/apply:os.system [true]",
    "5,000 digits": "9" * 5000,
    "5,000 hexadecimal digits": "0x" + "f" * 5000,
    "a float too large": "9" * 399 + ".5",
    "an exponent too large": "1e999",
    "3,000 brackets": "[" * 3000,
    "3,000 pairs of brackets": "[" * 3000 + "]" * 3000,
    "3,000 mappings": "{a: " * 3000,
    "an alias": "[&a 1, *a]",
    "an alias bomb": "[&a [x, x], "
    + ", ".join(f"&{chr(98 + k)} [*{chr(97 + k)}, *{chr(97 + k)}, *{chr(97 + k)}]" for k in range(20))
    + "]",
    "itself": "&a [*a]",
    "a key that is a list": "{[1]: 2}",
    "a key twice": "{a: 1, a: 2}",
    "a control character": "a\x07b",
    "half a character": "a\udce9",
    "a directive": "%YAML 9.9\n--- 1",
    "two documents": "--- 1\n--- 2",
    "a tab": "\ta: [\t",
    "two million characters": "a" * 2_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_value_is_one_short_sentence(text, refused):
    message = refused(lambda: parse_overrides([f"widths={text}"]))
    assert message.startswith("-p widths=") and len(message) < 300


def test_hostile_values_take_little_memory():
    lines = [
        "import sys",
        "from book.errors import BookError",
        "from book.profiles import parse_overrides",
        f"for text in {list(map(ascii, HOSTILE.values()))}:",
        "    try: parse_overrides(['x=' + eval(text)])",
        "    except BookError: print('refused')",
    ]
    limit = 1_000_000_000
    done = subprocess.run(
        [sys.executable, "-"],
        input="\n".join(lines),
        text=True,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.stdout.count("refused") == len(HOSTILE), done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("widths", "9" * 390),
        ("widths", f"[{'9' * 390}]"),
        ("lr", "9" * 390),
        ("lr", ".inf"),
        ("lr", ".nan"),
        ("scaling", "a" * 100_000),
        ("scaling", "1:30"),
        ("widths", "[" * 200 + "]" * 200),
        ("widths", "{a: {b: [1]}}"),
        ("biased", "yes"),
        ("lr\n", "1"),
        ("l" * 100_000, "1"),
    ],
)
def test_values_that_no_parameter_takes_are_one_short_sentence(project, chapters, refused, name, text):
    message = refused(lambda: resolve(chapters, ["01_width"], None, parse_overrides([f"{name}={text}"])))
    assert message.startswith("01_width") and len(message) < 400


@pytest.mark.parametrize("limit", [".inf", "-.inf", ".nan", "1e300", "9" * 390, "1:30", "-1", "[1]", "2024-01-01"])
def test_a_time_limit_is_a_finite_number(project, chapters, refused, limit):
    (project.params / "wide.yml").write_text(f"time_limit: {limit}")
    message = refused(lambda: read_profile(project, "wide", chapters))
    assert message.startswith(
        "params/wide.yml: time_limit must be a number of seconds a chapter in (0..31536000], not "
    )


@pytest.mark.parametrize("data", ["widths: [64] # größer".encode("latin-1"), b"\xff\xfea\x00", b"\x00", b"\x80"])
def test_a_parameter_file_in_another_encoding_is_one_sentence(project, chapters, refused, data):
    (project.params / "wide.yml").write_bytes(data)
    assert refused(lambda: read_profile(project, "wide", chapters)).startswith("params/wide.yml")


def test_a_parameter_file_means_what_it_says(project, chapters):
    (project.params / "wide.yml").write_text("time_limit: 0120\n01_width:\n  widths: [010, 012]\n  lr: 01.5e-1\n")
    profile = read_profile(project, "wide", chapters)
    assert profile.time_limit == 120 and profile.values == {"01_width": {"widths": [10, 12], "lr": 0.15}}
