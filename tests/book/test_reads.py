"""Which names reach `published`, and where the text does not tell."""

from __future__ import annotations

import pytest

from book.reads import Reads, Unknown
from book.syntax import parsed

HELPERS = """
from lib.rows import published
SHARED = ("first", "second")
MADE = {"a": 1}


def rows_of(*experiments, more=()):
    return [published(path) for name in experiments for path in (name, *SHARED)] + [published(x) for x in more]


def frame(experiment="default"):
    return published(experiment).frame()
"""


def reads(*cells: str) -> Reads:
    return Reads(cells, [parsed(HELPERS)] if "helpers" in "".join(cells) else [])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("published('a')", "a"),
        ("lib.rows.published('a').frame()", "a"),
        ("published(experiment='a')", "a"),
        ("published('a' if big else 'b')", "a b"),
        ("name = 'a'\npublished(name)", "a"),
        ("name = 'a'\nname = 'b'\npublished(name)", "a b"),
        ("name: str = 'a'\npublished(name)", "a"),
        ("for name in ('a', 'b'):\n    published(name)", "a b"),
        ("for name in ['a', 'b']:\n    published(name)", "a b"),
        ("NAMES = ('a', 'b')\n[published(n) for n in NAMES if n]", "a b"),
        ("NAMES = ['a', 'b']\n[published(n) for n in NAMES]\nlen(NAMES)", "a b"),
        ("MORE = ('b',)\nfor n in sorted({*MORE, 'a'}):\n    published(n)", "a b"),
        ("{n: published(n) for n in ('a',)}", "a"),
        ("def f(n):\n    return published(n)\nf('a'), f(n='b')", "a b"),
        ("def f(n='a'):\n    return published(n)\nf()", "a"),
        ("def f(*, n='a'):\n    return published(n)\nf(n='b')", "a b"),
        ("def f(names):\n    for n in names:\n        published(n)\nf(('a', 'b'))", "a b"),
        ("def f(*names):\n    return [published(n) for n in names]\nT = ('b',)\nf('a', *T)", "a b"),
        ("def f(n):\n    n = n\n    return published(n)\nf('a')", "a"),
        ("def f():\n    names = ('a',)\n    return [published(n) for n in names]\nnames = other()", "a"),
        ("from helpers import rows_of\nrows_of('a', more=('b',))", "a b default first second"),
        ("from helpers import frame\nframe()", "default first second"),
        ("from helpers import SHARED\nfor n in SHARED:\n    published(n)", "default first second"),
        ("print('nothing')", ""),
        ("%matplotlib inline\npublished('a')", "a"),
    ],
)
def test_names_are_followed_to_their_literals(source, names):
    assert reads(source).names("published") == set(names.split())
    assert reads(source).files() == set()


@pytest.mark.parametrize(
    "source",
    [
        "published()",
        "published(*names)",
        "published(**names)",
        "published(f'paper-{n}')",
        "published('paper-' + n)",
        "published('abc'[:2])",
        "for n in 'abc':\n    published(n)",
        "for n in sorted('abc'):\n    published(n)",
        "word = 'abc'\nfor n in word:\n    published(n)",
        "published(unbound)",
        "width: int = 3\npublished(width)",
        "for n in {'a': 1}:\n    published(n)",
        "NAMES = ['a']\nNAMES.append('b')\nfor n in NAMES:\n    published(n)",
        "NAMES = ['a']\nother = NAMES\nother.append('b')\nfor n in NAMES:\n    published(n)",
        "NAMES = ('a',)\nNAMES += ('b',)\nfor n in NAMES:\n    published(n)",
        "def f(names):\n    names.append('b')\n    for n in names:\n        published(n)\nf(['a'])",
        "def f(n):\n    return published(n)\nlist(map(f, names))",
        "list(map(published, ('a',)))",
        "from lib.rows import published as rows\nrows('a')",
        "rows = published\nrows('a')",
        "class A:\n    def f(self, n):\n        return published(n)\nA().f('a')",
        "def f(n):\n    return published(n)\nf(*names)",
        "def f(n):\n    return published(n)\nf(**names)",
        "def f(*names):\n    return published(names)\nf('a')",
        "f = lambda n: published(n)\nf('a')",
        "def f():\n    global n\n    n = other()\nn = 'a'\npublished(n)",
        "with other() as n:\n    published(n)",
        "for n, label in (('a', 'b'),):\n    published(n)",
        "from helpers import MADE\nfor n in MADE:\n    published(n)",
        "from elsewhere import NAMES\nfor n in NAMES:\n    published(n)",
    ],
)
def test_what_the_text_does_not_tell_is_unknown(source):
    with pytest.raises(Unknown):
        reads(source).names("published")


@pytest.mark.parametrize(
    "source",
    [
        "Store('results/pilot.jsonl')",
        "open('./results/pilot.jsonl')",
        "open(f'results/{name}.jsonl')",
        "path = root / 'results'",
        "!cat results/pilot.jsonl",
        "%run results/show.py",
        "list(RESULTS.glob('*.jsonl'))",
        "folder = RESULTS",
        "open(RESULTS / f'{name}.jsonl')",
        "published('a') +",
    ],
)
def test_files_read_otherwise_are_unknown(source):
    with pytest.raises(Unknown):
        reads(source).files()


def test_a_file_named_beside_the_folder_of_results_is_found():
    assert reads("text = (RESULTS / 'verdicts.json').read_text()\nprint('rows lie in results/.')").files() == {
        "verdicts.json"
    }
