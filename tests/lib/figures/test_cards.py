"""The landing page's cards: one a claim, with its words, its picture described, and a way on."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt

from lib.figures.cards import Card, cards, depth_card, width_card


def test_a_card_has_its_words_its_described_picture_and_its_link(trainings):
    ends = trainings.query("initializer == 'he' and scaling == 'raw' and momentum == 0 and moment == 'end'")
    figure = width_card(ends)
    html = cards(
        [
            Card(
                "Good:",
                "P < 1",
                '<span class="chip">x</span>',
                "× 2",
                "Level",
                figure,
                'a "flat" curve',
                "09_width",
                "on",
            )
        ]
    )
    assert html.count('<div class="claim-card">') == 1
    assert "P &lt; 1" in html and '<span class="chip">x</span>' in html
    assert re.search('<img alt="a &quot;flat&quot; curve" src="data:image/svg[+]xml;base64,[^"]+">', html)
    assert '<a href="09_width.html">on</a>' in html
    assert not plt.fignum_exists(figure.number)


def test_the_pictures_name_their_curves(trainings):
    he = trainings.query("initializer == 'he' and scaling == 'raw' and momentum == 0 and width == 64")
    axis = depth_card(he, {"start": "before", "end": "after"}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["before", "after"]
    ends = trainings.query("initializer == 'he' and scaling == 'raw' and momentum == 0 and moment == 'end'")
    assert [text.get_text() for text in width_card(ends).axes[0].texts] == ["L = 2", "L = 10"]
