"""The claims as drafts of nanopublications in TriG: what is claimed, how it was tested and what came out.

Each claim is the chain that FORRT's templates of replications ask for: an AIDA sentence, the claim, the study, its
outcome, and the citation of the source by what came out. Status and confidence are two things. A claim requires the
claims that its argument takes for granted, and the outcome of one that is contradicted qualifies every outcome that
rests on it. Drafts have temporary names and no signature; who publishes them signs them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from lib.scorecard.dependencies import resting_on_contradicted
from lib.verdicts.multiverse import confidence, status
from lib.verdicts.outline import outline
from lib.verdicts.table import effect_text, standing

_PREFIXES = {
    "np": "http://www.nanopub.org/nschema#",
    "npx": "http://purl.org/nanopub/x/",
    "forrt": "https://w3id.org/sciencelive/o/terms/",
    "hycl": "http://purl.org/petapico/o/hycl#",
    "cito": "http://purl.org/spar/cito/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_DRAFTS = "http://purl.org/nanopub/temp/robustness-book-"
_LICENSE = "<https://spdx.org/licenses/MIT>"
# What a claim's source names first, and where that can be read.
_PAPERS = {"paper": "2209.07263", "Wu": "2010.01279"}
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5})")
# How an outcome cites what it tested; the other statuses say nothing for or against.
_CITES = {"Validated": "confirms", "PartiallySupported": "qualifies", "Contradicted": "disputes"}

Predicates = Mapping[str, str | list[str]]


def nanopublications(
    content: Mapping[str, Any], repository: str | None = None, completed: str | None = None
) -> Iterator[str]:
    """Yield the drafts as TriG documents, five a claim, and four where the source has no address.

    Args:
        content: what verdicts.json holds.
        repository: the address at which the rows can be had, if they have one.
        completed: the day of the outcomes, as 2026-01-31, if they have one.

    Raises:
        ValueError: the address or the day is none.

    Source: FORRT's templates of a claim, a replication study and its outcome; the citation typing ontology.
    """
    if repository is not None and not re.fullmatch(r"https://[^\s<>\"{}|\\^`]+", repository):
        raise ValueError(f"repository must be an address like https://example.org/book, got {repository!r}.")
    if completed is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", completed):
        raise ValueError(f"completed must be a day like 2026-01-31, got {completed!r}.")
    claims = {claim["number"]: claim for claim in content["claims"]}
    fallen = resting_on_contradicted(claims)
    for number, claim in claims.items():
        source = _source(claim)
        yield _sentence(claim, source)
        yield _claim(claim, source)
        yield _study(claim, content["registers"])
        yield _outcome(claim, content["registers"], fallen.get(number, ()), repository, completed)
        if source:
            yield _citation(claim, source)


def _sentence(claim: Mapping[str, Any], source: str | None) -> str:
    facts = {"a": "hycl:AIDA-Sentence"} | ({"cito:obtainsSupportFrom": source} if source else {})
    return _draft("sentence", claim, "hycl:AIDA-Sentence", _aida(claim), facts, source)


def _claim(claim: Mapping[str, Any], source: str | None) -> str:
    premises = outline().rests_on.get(claim["number"])
    facts: dict[str, str | list[str]] = {
        "a": ["forrt:FORRT-Claim", "forrt:descriptive_pattern-FORRT-Claim"],
        "rdfs:label": _text(f"Claim {claim['number']}: {claim['statement']}"),
        "forrt:asAidaStatement": _aida(claim),
        "dct:bibliographicCitation": _text(claim["source"]),
    }
    if source:
        facts["dct:source"] = source
    if premises:
        facts["dct:requires"] = [_thing("claim", number) for number in premises.claims]
        facts["rdfs:comment"] = _text(f"It rests on {_numbers(premises.claims)}: {premises.because}.")
    return _draft("claim", claim, "forrt:FORRT-Claim", _thing("claim", claim["number"]), facts, source)


def _study(claim: Mapping[str, Any], registers: Mapping[str, str]) -> str:
    judged = standing(claim).judgement
    rules = [
        f"{test['statistic']} of {test['column']} at {test['moment']}: supported if {test['supported_if']}; "
        f"contradicted if {test['contradicted_if']}."
        for test in judged["tests"]
    ]
    facts = {
        "a": "forrt:FORRT-Replication-Study",
        "rdfs:label": _text(f"Test of claim {claim['number']}, round {judged['round']}"),
        "forrt:targetsClaim": _thing("claim", claim["number"]),
        "forrt:hasScopeDescription": _text(claim["reading"] or claim["statement"]),
        "forrt:hasMethodologyDescription": _text(" ".join(rules) or "It is computed; no sampled test decides it."),
    }
    of = _digest(registers[str(judged["rules"])])
    return _draft("study", claim, "forrt:FORRT-Replication-Study", _thing("study", claim["number"]), facts, of)


def _outcome(
    claim: Mapping[str, Any],
    registers: Mapping[str, str],
    fallen: tuple[int, ...],
    repository: str | None,
    completed: str | None,
) -> str:
    stands = standing(claim)
    judged = stands.judgement
    universes = claim["multiverse"]
    without_seed = None if universes is None else universes["without_seed"].values()
    level = confidence(stands.verdict, without_seed, claim["fragile"])
    effect = effect_text(judged)
    evidence = [
        *([f"Effect nearest to failing, with its 95% interval: {effect}."] if effect else []),
        *_adjusted(judged["p_adjusted"]),
        f"{len(judged['rows'])} rows, seeds {', '.join(map(str, judged['seeds']))}."
        if judged["rows"]
        else "No rows; it is arithmetic."
        if claim["computation"]
        else "No rows yet.",
    ]
    limits = [
        *(
            [f"Round 2 has {claim['coverage']['there']} of {claim['coverage']['planned']} rows."]
            if stands.waits
            else []
        ),
        *(["The verdict is fragile: it depends on choices of the analysis."] if claim["fragile"] else []),
        *([f"It rests on {_numbers(fallen)}, contradicted here."] if fallen else []),
    ]
    facts: dict[str, str | list[str]] = {
        "a": "forrt:FORRT-Replication-Outcome",
        "rdfs:label": _text(f"Outcome for claim {claim['number']}, round {judged['round']}"),
        "forrt:isOutcomeOf": _thing("study", claim["number"]),
        "forrt:hasValidationStatus": f"forrt:{status(stands.verdict)}",
        "forrt:hasConfidenceLevel": f"forrt:{level}",
        "forrt:hasConclusionDescription": _text(f"Round {judged['round']}: the claim is {stands.verdict}."),
        "forrt:hasEvidenceDescription": _text(" ".join(evidence)),
    }
    if limits:
        facts["forrt:hasLimitationsDescription"] = _text(" ".join(limits))
    if fallen:
        facts["cito:isQualifiedBy"] = [_thing("outcome", number) for number in fallen]
    if repository:
        facts["forrt:hasOutcomeRepository"] = f"<{repository}>"
    if completed:
        facts["schema:endDate"] = f"{_text(completed)}^^xsd:date"
    of = _digest(registers[str(judged["rules"])])
    return _draft("outcome", claim, "forrt:FORRT-Replication-Outcome", _thing("outcome", claim["number"]), facts, of)


def _citation(claim: Mapping[str, Any], source: str) -> str:
    how = _CITES.get(status(standing(claim).verdict), "discusses")
    outcome = _thing("outcome", claim["number"])
    facts = {"a": "<https://schema.org/CreativeWork>", f"cito:{how}": source}
    return _draft("citation", claim, "<https://schema.org/CreativeWork>", outcome, facts, outcome)


def _draft(
    kind: str, claim: Mapping[str, Any], of_type: str, subject: str, facts: Predicates, derived_from: str | None
) -> str:
    """Return one nanopublication: head, assertion, provenance and publication information."""
    name = f"{_DRAFTS}{kind}-{claim['number']}"
    derived = {"prov:wasDerivedFrom": derived_from} if derived_from else {"rdfs:comment": _text(claim["source"])}
    about = {
        "rdfs:label": _text(f"Draft: {kind} {claim['number']}"),
        "dct:license": _LICENSE,
        "npx:hasNanopubType": of_type,
        "npx:introduces": subject,
    }
    head = {
        "a": "np:Nanopublication",
        "np:hasAssertion": "sub:assertion",
        "np:hasProvenance": "sub:provenance",
        "np:hasPublicationInfo": "sub:pubinfo",
    }
    prefixes = {"this": name, "sub": f"{name}#"} | _PREFIXES
    return "\n".join(
        [
            *(f"@prefix {short}: <{long}> ." for short, long in prefixes.items()),
            _graph("sub:Head", "this:", head),
            _graph("sub:assertion", subject, facts),
            _graph("sub:provenance", "sub:assertion", derived),
            _graph("sub:pubinfo", "this:", about),
            "",
        ]
    )


def _graph(name: str, subject: str, facts: Predicates) -> str:
    lines = [f"{key} {', '.join([value] if isinstance(value, str) else value)}" for key, value in facts.items()]
    return f"{name} {{\n  {subject} " + " ;\n    ".join(lines) + " .\n}"


def _thing(kind: str, number: int) -> str:
    return f"<{_DRAFTS}{kind}-{number}#{kind}>"


def _aida(claim: Mapping[str, Any]) -> str:
    return f"<http://purl.org/aida/{quote(claim['statement'], safe='')}>"


def _source(claim: Mapping[str, Any]) -> str | None:
    found = _ARXIV.search(claim["source"])
    number = found[1] if found else _PAPERS.get(re.split(r"\W", claim["source"], maxsplit=1)[0])
    return f"<https://doi.org/10.48550/arXiv.{number}>" if number else None


def _digest(sha256: str) -> str:
    return f"<hash://sha256/{sha256}>"


def _numbers(numbers: tuple[int, ...]) -> str:
    return ("claim " if len(numbers) == 1 else "claims ") + ", ".join(map(str, numbers))


def _adjusted(p: Mapping[str, float | None]) -> list[str]:
    if p["for"] is None or p["against"] is None:
        return []
    return [f"Adjusted p: {p['for']:.2g} for the claim, {p['against']:.2g} against it."]


def _text(words: str) -> str:
    """Return a literal; what JSON escapes in a text, Turtle escapes in the same way."""
    return json.dumps(words, ensure_ascii=False)
