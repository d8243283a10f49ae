"""The table of claims that all chapters share: every claim that was asked for, escaped, with what it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from lib.verdicts.published import published_content
from lib.verdicts.table import chip, claim_table, count_of_verdicts, effect_text, verdict_chips


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return published_content()


def test_the_table_of_claims_is_escaped_and_complete(content: dict[str, Any]) -> None:
    html = claim_table(56, 33, 12)
    assert html.count("<tr>") == 4 and html._repr_html_() == html
    assert "m &lt; L³/2" in claim_table(4)
    assert chip("not testable", reason='a "reason" <b>') == (
        '<span class="chip chip-not-testable" title="a &quot;reason&quot; &lt;b&gt;">not testable</span>'
    )
    assert "claim 12: contradicted" in verdict_chips(12)
    assert chip("supported", True, first=True).endswith(
        'supported <span class="fragile">round 1</span> <span class="fragile">fragile</span></span>'
    )
    assert count_of_verdicts().startswith(f"{len(content['claims']) + len(content['later'])} claims: ")
    with pytest.raises(ValueError, match="numbers must be those of registered claims, got 99"):
        claim_table(1, 99)


def test_effects_of_logarithms_are_factors_and_correlations_are_correlations() -> None:
    curve = {"where": {"depth": 6}, "effect": 0.6931, "low": 0.0, "high": 1.0986, "p_for": 0.01}
    test = {"statistic": "t", "effect": "change", "transform": "log", "column": "P", "axis": "log2_width"}
    test |= {"center": 0.5, "curves": [curve]}
    assert effect_text({"tests": [test]}) == "×2.00 [1.00, 3.00], L = 6"
    assert effect_text({"tests": [{**test, "effect": "slope"}]}).startswith("slope 0.693 [0, 1.10]")
    assert effect_text({"tests": [{**test, "effect": "spearman"}]}).startswith("ρ 0.600 [0, 0.800]")
    assert effect_text({"tests": [{**test, "effect": "crossing"}]}).startswith("zero 0.693")
    assert effect_text({"tests": [{**test, "effect": "crossing", "center": 0}]}).startswith("zero off by 0.693")
    where = {"arms": "he minus power-1.5", "gamma_prime": -0.2, "width": 1024}
    place = {**curve, "where": where, "effect": 4.0, "low": 4, "high": 10}
    peak = {**test, "statistic": "inverted_u", "curves": [place]}
    assert effect_text({"tests": [peak]}) == "peak at m = 16 [16, 1,024], He less m⁻¹·⁵, γ′ = −0.2, m = 1,024"
    assert effect_text({"tests": [{**peak, "axis": "depth"}]}).startswith("peak at L = 4 [4, 10]")
    share = {**test, "transform": "none", "effect": "change", "column": "robust_accuracy"}
    share["curves"] = [
        {"effect": -0.0962, "low": -0.26, "high": 0.0677, "p_for": 0.1, "where": {"strength": 3}, "seeds": [8, 9]}
    ]
    assert effect_text({"tests": [share]}) == "robust accuracy −9.6 [−26.0, +6.8] points, λ = 3"
    # The place of a peak is a width, whatever has the peak.
    shares = {**peak, "transform": "none", "column": "robust_accuracy"}
    assert effect_text({"tests": [shares]}).startswith("peak at m = 16 [16, 1,024]")
    assert effect_text({"tests": []}) == ""
