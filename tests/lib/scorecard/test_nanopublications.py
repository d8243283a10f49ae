"""Drafts of nanopublications: whole, in FORRT's terms, true to verdicts.json, and marked where a premise has fallen."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
import rdflib
from rdflib import RDF, Dataset, Namespace, URIRef

from lib.scorecard.__main__ import main
from lib.scorecard.dependencies import resting_on_contradicted
from lib.scorecard.nanopublications import nanopublications
from lib.verdicts.multiverse import LEVELS
from lib.verdicts.outline import outline
from lib.verdicts.published import published_content, published_verdicts
from lib.verdicts.table import standing

# rdflib calls names of its own that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")

NP = Namespace("http://www.nanopub.org/nschema#")
FORRT = Namespace("https://w3id.org/sciencelive/o/terms/")
CITO = Namespace("http://purl.org/spar/cito/")
DCT = Namespace("http://purl.org/dc/terms/")
STATUSES = {"Validated", "PartiallySupported", "Contradicted", "Inconclusive", "NotTested"}
# Parsing all takes seconds: computed and sampled ones, one with no address for its source, and chains of premises.
CHOSEN = {2, 5, 24, 65, 70}


def content() -> dict:
    return published_content()


@pytest.fixture(scope="module")
def drafts() -> list[str]:
    return list(nanopublications(content(), "https://example.org/book", "2026-01-31"))


def read(draft: str) -> Dataset:
    dataset = Dataset(default_union=True)
    dataset.parse(data=draft, format="trig")
    return dataset


def of_claim(draft: str) -> int:
    return int(re.search(r"robustness-book-[a-z]+-(\d+)>", draft)[1])


@pytest.fixture(scope="module")
def parsed(drafts) -> list[Dataset]:
    return [read(draft) for draft in drafts if of_claim(draft) in CHOSEN]


def thing(kind: str, number: int) -> URIRef:
    return URIRef(f"http://purl.org/nanopub/temp/robustness-book-{kind}-{number}#{kind}")


def facts(parsed: list[Dataset]) -> rdflib.Graph:
    """All assertions in one graph."""
    found = rdflib.Graph()
    for dataset in parsed:
        for subject, predicate, value, graph in dataset.quads():
            if str(graph).endswith("#assertion"):
                found.add((subject, predicate, value))
    return found


def test_each_draft_is_a_nanopublication_of_four_linked_graphs(parsed):
    for dataset in parsed:
        (this,) = set(dataset.subjects(RDF.type, NP.Nanopublication))
        graphs = {str(graph.identifier) for graph in dataset.graphs() if str(graph.identifier).startswith(this)}
        parts = {str(dataset.value(this, p)) for p in (NP.hasAssertion, NP.hasProvenance, NP.hasPublicationInfo)}
        assert len(parts) == 3 and graphs == {f"{this}#Head", *parts}
        assertion = dataset.value(this, NP.hasAssertion)
        provenance, about = (dataset.graph(dataset.value(this, p)) for p in (NP.hasProvenance, NP.hasPublicationInfo))
        assert set(provenance.subjects()) == {assertion} and set(about.subjects()) == {this}


def test_every_claim_has_its_chain_and_names_are_given_once(drafts):
    names = [re.search(r"@prefix this: <(\S+)>", draft)[1] for draft in drafts]
    assert len(set(names)) == len(names)
    for number in published_verdicts():
        kinds = {name.rsplit("-", 2)[-2] for name in names if name.endswith(f"-{number}")}
        assert kinds - {"citation"} == {"sentence", "claim", "study", "outcome"}


def test_status_and_confidence_are_two_things_and_say_what_stands(parsed):
    assertions, claims = facts(parsed), published_verdicts()
    pairs = set()
    for number in CHOSEN:
        outcome = thing("outcome", number)
        status = str(assertions.value(outcome, FORRT.hasValidationStatus)).removeprefix(FORRT)
        level = str(assertions.value(outcome, FORRT.hasConfidenceLevel)).removeprefix(FORRT)
        assert status in STATUSES and level in LEVELS
        assert standing(claims[number]).verdict in str(assertions.value(outcome, FORRT.hasConclusionDescription))
        assert assertions.value(outcome, FORRT.isOutcomeOf) == thing("study", number)
        assert assertions.value(thing("study", number), FORRT.targetsClaim) == thing("claim", number)
        pairs.add((status, level))
    assert len({level for _, level in pairs}) > 1 and len({status for status, _ in pairs}) > 1


def test_where_round_2_has_judged_the_draft_says_what_verdicts_json_says(drafts):
    judged = [c for c in published_verdicts().values() if not standing(c).waits]
    assert judged
    for claim in judged:
        (outcome,) = (
            draft for draft in drafts if f"book-outcome-{claim['number']}>" in draft and "Outcome for" in draft
        )
        assert f"hasValidationStatus forrt:{claim['replication']['status']} ;" in outcome
        assert f"hasConfidenceLevel forrt:{claim['replication']['confidence']} ;" in outcome


def test_the_sentence_comes_back_from_its_address(parsed):
    assertions = facts(parsed)
    for number in CHOSEN:
        address = str(assertions.value(thing("claim", number), FORRT.asAidaStatement))
        sentence = unquote(address.removeprefix("http://purl.org/aida/"))
        assert sentence == published_verdicts()[number]["statement"] and sentence.endswith(".")


def test_a_claim_requires_its_premises_and_a_fallen_one_marks_all_that_rests_on_it(parsed):
    assertions, fallen = facts(parsed), resting_on_contradicted(published_verdicts())
    assert set(fallen) & CHOSEN
    for number in CHOSEN:
        premises = outline().rests_on[number].claims if number in outline().rests_on else ()
        assert set(assertions.objects(thing("claim", number), DCT.requires)) == {thing("claim", n) for n in premises}
        marks = set(assertions.objects(thing("outcome", number), CITO.isQualifiedBy))
        assert marks == {thing("outcome", n) for n in fallen.get(number, ())}


def test_a_premise_that_falls_in_another_world_marks_another_claim():
    changed = content()
    by_number = {claim["number"]: claim for claim in changed["claims"]}
    for claim in by_number.values():
        for judgement in filter(None, (claim, claim["first_round"], claim["meanwhile"])):
            judgement["verdict"] = "contradicted" if claim["number"] == 38 else "supported"
    marked = {of_claim(draft) for draft in nanopublications(changed) if "cito:isQualifiedBy" in draft}
    assert marked == {39, 40, 41, 42, 44, 45, 47}


def test_words_are_escaped():
    changed = content()
    changed["claims"][0]["reading"] = 'a "quote", a \\ and a\nline } GRAPH <x>'
    (study,) = (draft for draft in nanopublications(changed) if "book-study-1> ." in draft)
    assert str(read(study).value(thing("study", 1), FORRT.hasScopeDescription)) == changed["claims"][0]["reading"]


@pytest.mark.parametrize("wrong", [{"repository": "http://x"}, {"repository": "https://x> ."}, {"completed": "today"}])
def test_an_address_or_a_day_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        list(nanopublications(content(), **wrong))


def test_the_command_prints_them_and_tells_a_fault_in_a_sentence(capsys):
    assert main(["--repository", "nowhere"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert main([]) == 0
    assert capsys.readouterr().out == "\n".join(nanopublications(content()))
