"""A content linter: finds what rule packs forbid in texts before anybody approves them.

It reads words, not intentions: what it finds must be mended, what it does not find still needs a reader.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from recommender.messages.catalogue import Catalogue
from recommender.messages.template import Template, sample_text, too_long
from recommender.rules import load_pack, pack_ids

__all__ = ["Finding", "content_rules", "lint_catalogue", "lint_text"]

#: Patterns over lower-case text without accents; all languages at once, since a Spanish text may quote English.
# fmt: off
# ruff: noqa: E501 - a pattern is read best on one line
_PATTERNS: dict[str, tuple[str, ...]] = {
    "threat": (
        r"\bembarg\w+", r"\bc?arcel\b", r"\bpris(?:ion|ao)\b", r"\bpresos?\b", r"\bpolicia\w*",
        r"\bdenunci\w+", r"\bconsecuencias? (?:grave|legal|seria)\w*", r"\batengase\b", r"\batenerse a\b",
        r"\bperder(?:a|as|ia)? (?:su|tu|a sua|sua) (?:casa|vivienda|empleo|trabajo|emprego|carro|salario)",
        r"\b(?:le|te) vamos a (?:quitar|embargar|denunciar|buscar)", r"\bse (?:va a )?arrepentira?\b",
        r"\bultim[oa] (?:aviso|oportunidad|advertencia|chance)", r"\bo si no\b", r"\bsofrer\w* (?:as )?consequencias",
        r"\bpenhor\w*", r"\bcadeia\b", r"\bseiz(?:e|ed|ing|ure)\b", r"\barrest\w*", r"\bjail\w*", r"\bprison\w*",
        r"\bgarnish\w*", r"\bpolice\b", r"\blose your (?:home|house|job|car)", r"\bor else\b",
        r"\b(?:last|final) (?:chance|warning|notice)\b", r"\byou will regret\b", r"\bconsequences\b",
        r"\b(?:visitaremos|iremos a) (?:su|tu) (?:casa|trabajo)", r"\breport you to\b", r"\bamenaz\w+", r"\bthreat\w*",
        r"\bnegativar\w*", r"\bsujar (?:seu|o) nome",
    ),
    "judicial_look_alike": (
        r"\bjuzgado\w*", r"\btribuna(?:l|les|is)\b", r"\bjuez\w*", r"\bjuic?io\b", r"\bjuizo\b", r"\bjuiz\b",
        r"\bdemandad[oa]s?\b", r"\b(?:una |la )?demanda (?:judicial|civil|ejecutiva|en su contra)",
        r"\b(?:notificacion|citacion|orden|mandato|diligencia|cobro|citacao|acao|ordem|notificacao) judicial\w*",
        r"\bcitatori[oa]s?\b", r"\bexpediente\b", r"\bmandamiento\b", r"\bactuari[oa]\b", r"\breceptor judicial",
        r"\bcedula de notificacion", r"\bintimac(?:ao|ion)\b", r"\bmandado\b", r"\boficial de justica",
        r"\bprocesso (?:n|judicial)\b", r"\bcourt\b", r"\bsummons\b", r"\bsubpoena\w*", r"\bwrit\b", r"\bdocket\b",
        r"\bplaintiff\b", r"\bdefendant\b", r"\bjudg[e]?ment\b", r"\bcase n(?:o|umber)\b", r"\blawsuit\b", r"\bsheriff\b",
        r"\bministerio (?:de justicia|publico)", r"\bfiscalia\b",
    ),
    "ask_reason_for_default": (
        r"\bpor ?que (?:no|motivo|razon|razao|ha|dejo|se|esta|voce|nao|deixou|ainda|causa|debe|tiene|incumpl|atras)\w*",
        r"\b(?:cual|cuales|qual|quais) (?:es|son|fue|e|foi|seria)? ?(?:el |la |los |o |a )?(?:motivo|razon|causa|razao)",
        r"\bmotivo (?:de|del|por|do|da|pelo)\b", r"\b(?:razon|razao|causa) (?:de|del|por|do|da) (?:su|seu|sua|la|el|o|a)\b",
        r"\bque (?:le|te) (?:paso|impid\w+|ocurrio|sucedio)", r"\ba que se debe\b", r"\bo que (?:aconteceu|houve|impediu)",
        r"\bwhy (?:did|do|have|has|are|were|you|is|was|haven|didn|can|could|not)\w*", r"\breasons? (?:for|why|behind)\b",
        r"\bwhat (?:happened|went wrong|caused|stopped|prevented)\b", r"\bhow come\b", r"\bcause of (?:the|your)\b",
        r"\bexplain (?:the|your) (?:delay|default|non-?payment|arrears)", r"\bcuentenos (?:por ?que|la razon|el motivo)",
    ),
    "third_party_disclosure": (
        r"\b(?:avis|inform|cont|dig|comunic|deci|diga)\w* (?:a |al |le a )?(?:su|tu|sus|seu|sua) (?:jef|familia|vecin|emplead|espos|patr|chef|vizinh|famil|conyug|marido|mulher)\w*",
        r"\b(?:tell|inform|contact|call|notify) your (?:boss|employer|family|neighbou?rs?|wife|husband|friends|parents)",
        r"\b(?:deuda|mora|divida|debt) de (?:su|sua|seu) (?:esposo|esposa|hijo|hija|marido|mulher|filho|filha|padre|madre)",
        r"\b(?:llamar|contactar|ligar|visitar)\w* (?:a |para |ao |a )?(?:su|tu|sus|seu|sua) (?:jef|familia|vecin|emplead|espos|patr|chef|vizinh|referenc)\w*",
    ),
}
# fmt: on
_COMPILED = {
    rule: re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) for rule, patterns in _PATTERNS.items()
}


@dataclass(frozen=True)
class Finding:
    """Something in a text that must be mended."""

    template_id: str
    rule: str
    excerpt: str
    mend: str
    #: Key of the template that it is in.
    key: str = "body"


_MENDS = {
    "threat": "Say what the debtor can do, not what will be done to them.",
    "judicial_look_alike": "Leave out the words of courts: the text must not look like a court document.",
    "ask_reason_for_default": "Offer ways to pay; do not ask why.",
    "third_party_disclosure": "The debt is between creditor and debtor; name nobody else.",
    "shouting": "Write in lower case.",
    "length": "Shorten the text or allow more segments.",
    "whatsapp-category": "Register it under the category named; WhatsApp moves or rejects what is misfiled.",
}


def content_rules() -> tuple[str, ...]:
    """Every content rule that some packaged pack forbids."""
    forbidden = {rule for pack in pack_ids() if (c := load_pack(pack).content) is not None for rule in c.forbid}
    return tuple(sorted(forbidden))


def lint_text(text: str, rules: tuple[str, ...] | None = None, *, template_id: str = "") -> list[Finding]:
    """Find what the rules forbid in a text.

    Parameters
    ----------
    text : str
    rules : tuple of str, optional
        Content rules; by default all that any packaged rule pack names.
    template_id : str, default=""
        Named in the findings.
    """
    plain = _plain(text)
    findings = []
    for rule in content_rules() if rules is None else rules:
        findings += [
            Finding(template_id, rule, plain[max(0, m.start() - 20) : m.end() + 20].strip(), _MENDS[rule])
            for m in _COMPILED[rule].finditer(plain)
        ]
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) > 20 and sum(letter.isupper() for letter in letters) > 0.6 * len(letters):
        findings.append(Finding(template_id, "shouting", text[:40], _MENDS["shouting"]))
    return findings


def lint_catalogue(catalogue: Catalogue) -> list[Finding]:
    """Check every template: its content, its subject and its length with sample values."""
    findings: list[Finding] = []
    for template in catalogue.templates:
        if template.subject:
            findings += [replace(one, key="subject") for one in lint_text(template.subject, template_id=template.id)]
        findings += lint_text(_words(template), template_id=template.id)
        body = sample_text(template)
        findings += [
            Finding(template.id, "length", problem, _MENDS["length"])
            for channel in template.channels
            if (problem := too_long(template, body, channel))
        ]
        findings += _misfiled(template)
    return findings


def _misfiled(template: Template) -> list[Finding]:
    """A WhatsApp category that is not the one of its kind: what offers something is marketing, the rest is not."""
    if template.whatsapp_category is None:
        return []
    wanted = "marketing" if template.kind == "incentive" or "win_back" in template.purposes else "utility"
    if template.whatsapp_category == wanted or (template.kind == "flexible_offer" and wanted == "utility"
                                                and template.whatsapp_category == "marketing"):  # fmt: skip
        return []
    excerpt = f"{template.kind} as {template.whatsapp_category}, not {wanted}"
    mend = _MENDS["whatsapp-category"]
    return [Finding(template.id, "whatsapp-category", excerpt, mend, key="whatsapp_category")]


def _words(template: Template) -> str:
    """Body without the names of its variables."""
    return re.sub(r"{%.*?%}", " ", re.sub(r"{{.*?}}", "X", template.body))


def _plain(text: str) -> str:
    """Lower case, accents off, look-alike spacing and hidden characters straightened."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return re.sub(r"\s+", " ", letters)
