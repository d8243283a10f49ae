"""The cards behind the links of a page."""

from __future__ import annotations

from pathlib import Path

from book.cards import Article, cards_of, put_cards

WORDS = """<html><body><nav><a href="#term-cell">cell</a></nav><article>
<dl class="glossary"><dt id="term-kappa">κ<a class="headerlink" href="#term-kappa">#</a></dt>
<dt id="term-lazy">lazy ratio</dt><dd><p>How far &amp; <a href="x.html">what</a> moved: \\(a &lt; b\\).</p></dd></dl>
<div class="theorem proof admonition" id="thm-a"><p class="admonition-title">
<span class="caption-number">Theorem 2.1 </span> (Law)</p><section class="theorem-content" id="proof-content">
<p>Let <span class="math notranslate">\\(x &gt; 0\\)</span>.<br>Then</p><img src="a.png" alt="no">
<div class="math notranslate" id="equation-eq-a"><span class="eqno">(2.1)<a class="headerlink" href="#e">#</a></span>
\\[x\\]</div></section></div>
<div class="note admonition" id="aside"><p>Aside.</p></div>
<table><tbody id="claim-3"><tr><th><a href="#claim-3">3</a></th><td>
<span class="chip chip-supported">supported</span></td><td>P falls.</td><td>1.0</td></tr>
<tr><td>rule</td></tr></tbody></table>
</article></body></html>"""
LINKS = """<html><body><nav><a href="words.html#thm-a">outside</a></nav><article><p>
<a href="words.html#term-kappa">κ</a> <a href="words.html#thm-a">Theorem</a>
<a href="words.html#equation-eq-a">(2.1)</a>
<a href="words.html#claim-3">3</a> <a href="words.html#aside">aside</a> <a href="words.html">page</a>
<a href="https://example.org/#x">far</a> <a href="words.html#gone">gone</a></p>
</article><footer>f</footer></body></html>"""


def _cards() -> dict[str, str]:
    articles = {"chapters/words.html": Article(WORDS), "chapters/links.html": Article(LINKS)}
    return cards_of("chapters/links.html", articles)


def test_a_page_holds_what_its_article_links_to_and_nothing_else() -> None:
    names = ["term-kappa", "thm-a", "equation-eq-a", "claim-3"]
    assert list(_cards()) == [f"words.html#{name}" for name in names]


def test_a_word_stands_over_its_definition_and_links_give_their_words() -> None:
    card = _cards()["words.html#term-kappa"]
    assert card == '<p class="admonition-title">κ</p><p>How far &amp; what moved: \\(a &lt; b\\).</p>'


def test_a_statement_keeps_its_formulas_and_loses_names_links_and_pictures() -> None:
    card = _cards()["words.html#thm-a"]
    assert "Theorem 2.1 " in card
    assert '<span class="math">\\(x &gt; 0\\)</span>.<br>Then</p>' in card
    assert '<span class="eqno">(2.1)</span>' in card
    assert not [part for part in ("id=", "href", "<img", "<section", "caption-number", "#") if part in card]


def test_a_claim_is_its_number_its_verdict_and_its_words() -> None:
    assert _cards()["words.html#claim-3"] == (
        '<p class="admonition-title">Claim 3 \n<span class="chip chip-supported">supported</span></p><p>P falls.</p>'
    )


def test_a_claim_on_its_own_page_has_no_card() -> None:
    assert list(cards_of("words.html", {"words.html": Article(WORDS)})) == []


def test_cards_lie_in_a_template_at_the_end_of_the_article(tmp_path: Path) -> None:
    (tmp_path / "chapters").mkdir()
    for name, text in {"words": WORDS, "links": LINKS}.items():
        (tmp_path / "chapters" / f"{name}.html").write_text(text, encoding="utf-8")
    put_cards(tmp_path)
    page = (tmp_path / "chapters" / "links.html").read_text(encoding="utf-8")
    before, template = page.split('<template class="cards">')
    assert before == LINKS.partition("</article>")[0]
    assert template.count("data-for=") == 4
    assert template.endswith("</template>\n</article><footer>f</footer></body></html>")
    assert (tmp_path / "chapters" / "words.html").read_text(encoding="utf-8") == WORDS
