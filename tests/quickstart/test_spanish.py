"""A Spanish run is Spanish: each sentence of the code has its line, each line is used, a page is read word by word."""

import ast
import re
import string
from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest

import recommender.reports.words as module
from pipelines.spoken import words_of
from recommender.errors import InvalidInput, RecommenderError
from recommender.explanation import Wording
from recommender.monitoring import diagnose
from recommender.quickstart import guess_roles, log_of_file, type_cells
from recommender.quickstart.command import main
from recommender.reports import Words, language_of, shown_value
from recommender.store.files import read_table
from tests.quickstart import further_shapes, stranger_shapes
from tests.quickstart import shapes as first_shapes
from tests.quickstart.spanish_reading import TOLD, english_words, read_page

ROOT = Path(module.__file__).parents[1]
PIPELINES = Path(__file__).parents[2] / "pipelines"
TEMPLATE = (ROOT / "reports/first_page.html").read_text(encoding="utf-8")

# Modules whose sentences are handed over as they were written in English, and read back.
WRITTEN = [
    "monitoring/log_checks.py", "monitoring/overlap_checks.py", "monitoring/time_checks.py", "evaluation/verdict.py",
    "history/leakage.py", "quickstart/known_before.py", "store/files/odd_rows.py",
]  # fmt: skip
# Modules that ask for the text of a sentence.
ASKING = [
    ROOT / "quickstart/first_look.py", ROOT / "quickstart/command.py", ROOT / "reports/first_look_lines.py",
    ROOT / "reports/first_page.py", PIPELINES / "demo.py", PIPELINES / "demo_calls.py", PIPELINES / "demo_redraws.py",
]  # fmt: skip
ELSEWHERE = [
    ROOT / "quickstart/roles.py", ROOT / "quickstart/reshaped.py", ROOT / "quickstart/typed_cells.py",
    ROOT / "quickstart/log_of_file.py", ROOT / "proof/whole_path.py", ROOT / "proof/policies.py",
    ROOT / "support/never_tried.py", ROOT / "monitoring/findings.py", ROOT / "errors.py",
    ROOT / "planning/plan_money.py", ROOT / "planning/portfolio_read.py",
    ROOT / "strategy/seed_rules.py", ROOT / "rules/vocabulary.py",
    PIPELINES / "plan_told.py",
]  # fmt: skip

# What stands in a place of a sentence that is not a number or a name of the reader's, by the expression that fills it.
FILLED = {
    "why": "holds one value",
    "worse": "summer",
    "text": "a <= 3 and call: 0 of 9 (over all 3.2%)",
    "more": " and 2 more",
    "share": " (9.1% predictable)",
    "said": "the difference from the baseline is +0.1 per decision, 95% interval [-0.1, +1,234]",
    "caveat": "",
    "self._regions()": ": a <= 3 and call: 0 of 9 (over all 3.2%); (b > 2 or missing) and c in {d, e} and sms: 1 of 7 "
    "(over all 2.0%)",
    "what": "The context all but decides the logged action in 51% of held-out rows",
}
# Beginnings and parts of sentences, which stand in FILLED.
PARTS = [r"is named", r" and 7 more", r": 7.*", r" \(7.* predictable\)", r"; factor 7 follows from it\.",
         r"The context all but decides the logged action in 7% of held-out rows"]  # fmt: skip


@lru_cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _texts(node):
    """Every way in which an expression may read; None where it is no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else None
    if isinstance(node, ast.IfExp):
        both = _texts(node.body), _texts(node.orelse)
        return None if None in both else [*both[0], *both[1]]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_texts(side) or ([FILLED[ast.unparse(side)]] if ast.unparse(side) in FILLED else None)
                 for side in (node.left, node.right)]  # fmt: skip
        return None if None in sides else ["".join(pair) for pair in product(*sides)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_filled(part) for part in node.values)]
    return None


def _filled(part):
    if isinstance(part, ast.Constant):
        return part.value
    form = "" if part.format_spec is None else ast.unparse(part.format_spec)
    if part.conversion == ord("r"):
        return "'7'"
    return FILLED.get(ast.unparse(part.value), "7") if not form else "7%" if "%" in form else "7"


def _sentences(path):
    """Texts of a module that are no docstring, no error and no part of another."""
    found, inside = [], set()
    for node in ast.walk(_tree(path)):  # from the outside in
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            inside |= set(map(id, ast.walk(node)))
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            inside |= set(map(id, ast.walk(node.format_spec)))
        if id(node) not in inside and (texts := _texts(node)):
            inside |= set(map(id, ast.walk(node)))
            found += texts
    return found


@pytest.mark.parametrize("path", WRITTEN)
def test_every_sentence_that_is_written_has_its_spanish(path):
    """Each way in which a sentence may read is found again; a new one fails here until it has a line."""
    t = Words("es")
    sentences = [one for one in _sentences(ROOT / path) if re.search("[a-z] [a-z(]", one)]
    sentences = [one for one in sentences if not any(re.fullmatch(part, one) for part in PARTS)]
    assert len(sentences) >= 2
    english = [one for one in sentences if re.fullmatch(r"[ -~]+", one) and t.of(one) == one]
    assert english == []


@pytest.mark.parametrize("path", ASKING, ids=lambda path: path.name)
def test_every_text_that_is_asked_for_is_there(path):
    """``t("...")`` of each module; a name of a text is looked up in the function that makes it."""
    texts = {}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts.setdefault(node.targets[0].id, []).extend(_templates(node.value))
    asked = []
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func)
        if called == "t" or called.startswith("Words("):
            name = node.args[0].id if isinstance(node.args[0], ast.Name) else ""
            asked += texts.get(name, []) or _templates(node.args[0])
    assert len(asked) >= 1
    assert [text for text in asked if text not in TOLD] == []


def _templates(node):
    nodes = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def test_every_text_of_the_page_is_there():
    """Nothing on the page is written in English outside the catalogue."""
    asked = re.findall(r"""t\("([^"]+)"[,)]""", TEMPLATE)
    assert len(asked) > 30
    assert [text for text in asked if text not in TOLD] == []
    bare = re.sub(r"(?s)<style>.*?</style>|\{[{%].*?[%}]\}|<[^>]*>", " ", TEMPLATE)
    assert re.findall("[A-Za-z]{2,}", bare) == []


def test_every_line_is_said_by_somebody():
    """Each piece of a line stands in the code; words may be levels of the simulated portfolio."""
    code = [text for path in (*(ROOT / one for one in WRITTEN), *ASKING, *ELSEWHERE) for text in _literals(path)]
    code += re.findall(r't\("([^"]+)"', TEMPLATE) + re.findall(r'": "(\w+)"', TEMPLATE)
    known = {word for word in TOLD if Wording.of("es").label(word) != word.replace("_", " ")}
    left = []
    for text in TOLD:
        literals = [literal for literal, *_ in string.Formatter().parse(text)]
        pieces = [piece.strip() for literal in literals for piece in re.split(r"[][;:(){}.,=<>'\"]", literal)]
        # A word that is told by itself may fill a place of the line: "and hour {level}" is "and {choice}".
        pieces += [" ".join(word for word in piece.split() if word not in known) for piece in pieces]
        half = len(pieces) // 2
        said = [any(piece in one for one in code) for piece in pieces]
        if text not in known and not all(
            said[at] or said[half + at] for at, piece in enumerate(pieces[:half]) if len(piece) > 2
        ):
            left.append(text)
    assert left == []


def _literals(path):
    return [
        node.value for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_places_are_the_same_in_both_languages():
    """No number and no name gets lost, and no text is translated twice."""

    def places(text):
        return sorted(part[1:] for part in string.Formatter().parse(text) if part[1] is not None)

    assert {text: told for text, told in TOLD.items() if places(text) != places(told)} == {}


def test_words_are_those_of_the_reasons():
    """A channel, tone or factor has one name on the page."""
    wording = Wording.of("es")
    words = """channel hour tone call sms whatsapp email visit ivr letter push formal friendly persuasive firm
               empathetic urgent neutral formal-legal contacts"""
    pairs = {word: (TOLD[word], wording.label(word)) for word in words.split()}
    assert {word: pair for word, pair in pairs.items() if pair[0] != pair[1]} == {}


def test_sentences_are_read_back_with_numbers_and_names():
    """Numbers get the signs of the language; words of the file stay, also where they look like ours."""
    t = Words("es")
    assert t.of("reward: the hour (success: 'no', 'si' and 1,200 more)") == (
        "resultado: the hour (éxito: 'no', 'si' y 1.200 más)"
    )
    assert t.of("action: canal x hour (of fecha, in UTC)") == "acción: canal x hora (de fecha, en UTC)"
    assert t.of("Column 'a b' separates success from failure almost perfectly (area under the curve 0.991).") == (
        "La columna 'a b' separa el éxito del fracaso casi a la perfección (área bajo la curva 0,991)."
    )
    assert t.of("left out: 1,200 lines, the first is row 7: 3 cells for 4 columns; the first is 'the; reward and'") == (
        "sin usar: 1.200 líneas; la primera es la fila 7: 3 celdas para 4 columnas; la primera es 'the; reward and'"
    )
    note = "[yellow]note:[/] 37 of 600 accounts may not be contacted at all (in a sample of 411: "
    assert t.of(f"{note}a-b denies everything to 1%; c denies everything to 2%)").replace(
        "\N{NO-BREAK SPACE}", " "
    ) == (
        "[yellow]nota:[/] 37 de 600 cuentas no se pueden contactar de ninguna manera (en una muestra de 411: "
        "a-b cierra todo al 1 %; c cierra todo al 2 %)"
    )
    region = (
        "Some choices were never made in a part of the log: p = food and drink and call: 0 of 1,200 (over all 3.2%)."
    )
    assert "p = food and drink y call: 0 de 1.200 (en total 3,2\N{NO-BREAK SPACE}%)" in t.of(region)
    assert Words("en").of(region) == region


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("a in {x, y, 7 more} and b in {1, 2, 9 more}", "a en {x, y y 7 más} y b en {1, 2 y 9 más}"),
        ("1 < a <= 3.5 and 2 < b <= 4", "1 < a <= 3,5 y 2 < b <= 4"),
        ("a <= 3 and b missing", "a <= 3 y b sin dato"),
        ("(a <= 3 or missing) and b = x and y", "(a <= 3 o sin dato) y b = x and y"),
        ("b in {x, missing} and c = another value", "b en {x, sin dato} y c = otro valor"),
        (
            "a > 1.5 and b missing and hour 17: 0 of 1,200 (over all 3.2%)",
            "a > 1,5 y b sin dato y hora 17: 0 de 1.200 (en total 3,2 %)",
        ),
    ],
)
def test_conditions_are_read_one_by_one(written, told):
    """A name may hold an ``and``; a condition is no part of a name."""
    assert Words("es").of(written).replace("\N{NO-BREAK SPACE}", " ") == told


def test_a_sentence_without_its_spanish_stays_and_is_named():
    """A report does not end on it, a test does; a text that is asked for by name is an error."""
    with pytest.warns(UserWarning, match=r"first_look\.es\.toml does not say 'Nobody said this\.'"):
        assert Words("es").of("Nobody said this.") == "Nobody said this."
    with pytest.raises(RecommenderError, match="add a line"):
        Words("es")("Nobody said this.")


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "es_MX.UTF-8"}, "es"),
        ({"LANG": "es"}, "es"),
        ({"LANG": "es-419"}, "es"),
        ({"LANG": "est_EE.UTF-8"}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "en"),
        ({"LC_MESSAGES": "es_CO.UTF-8", "LANG": "en_US.UTF-8"}, "es"),
        ({"LC_ALL": "", "LANG": "es_PE.UTF-8"}, "es"),
        ({"LC_ALL": "C.UTF-8", "LC_MESSAGES": "es_CO", "LANG": "es_CO"}, "en"),
    ],
)
def test_the_environment_chooses_a_language(environ, language):
    assert language_of(environ) == language


def test_an_option_wins_over_the_environment(monkeypatch):
    """``--language`` is what counts; nothing but it and the environment does."""
    monkeypatch.setenv("LC_ALL", "es_CO.UTF-8")
    assert words_of(None).language == "es"
    assert words_of("en").language == "en"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert words_of(None).language == "en"
    assert words_of("es").language == "es"


def test_a_language_without_a_catalogue_is_refused():
    with pytest.raises(InvalidInput, match=r"Use one of \['en', 'es'\]"):
        Words("fr")


@pytest.mark.parametrize(("asked", "spoken"), [("es-MX", "es"), ("es_CO", "es"), ("en-GB", "en")])
def test_a_region_reads_what_its_language_reads(asked, spoken):
    assert Words(asked).language == spoken


def test_values_have_the_decimal_comma():
    assert shown_value(1.2345, 1000.0, language="es") == "1.234"
    assert shown_value(0.0123, 1000.0, sign=True, language="es") == "+12,3"
    assert shown_value(float("inf"), language="es") == "sin límite"


@pytest.mark.parametrize(
    ("shapes", "shape"),
    [(shapes, shape) for shapes in (first_shapes, further_shapes, stranger_shapes) for shape in shapes.SHAPES],
    ids=lambda one: one.__name__.rpartition(".")[2],
)
def test_what_is_said_of_a_shape_is_spanish(shapes, shape, tmp_path):
    """What a file was taken for, what is left out of it, and all that the doctor finds; quoted words are its own."""
    path, _, _ = shapes.written(shape, tmp_path)
    try:
        typed = type_cells(read_table(path, table="any"))
        roles = guess_roles(typed)
        log, _ = log_of_file(typed, roles)
    except InvalidInput:
        return  # errors are English
    t = Words("es")
    found = [text for one in diagnose(log).findings for text in (one.what, one.mend) if text]
    said = [*roles.sentences, *roles.left_out.values(), *found]
    theirs = english_words(" ".join([*typed.frame.columns, *re.findall("'[^']*'", " ".join(said))]))
    assert [text for text in said if english_words(t.of(text)) - theirs] == []


def test_a_run_in_spanish_holds_no_english(tmp_path, capsys, monkeypatch):
    """The terminal and the page of a dialler's export, read word by word; errors stay English."""
    monkeypatch.setenv("LC_ALL", "es_CO.UTF-8")
    path, _, _ = further_shapes.written(further_shapes.date_and_hour_apart, tmp_path)
    out = tmp_path / "p.html"
    assert main(["quickstart", str(path), "--yes", "--out", str(out), "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert "acción: Canal x hora (de Fecha)" in told
    assert "sirve para: " in told
    page = out.read_text(encoding="utf-8")
    assert '<html lang="es">' in page
    assert english_words(told.replace(out.as_uri(), "")) == set()
    assert english_words(read_page(page)) == set()
    assert main(["quickstart", str(tmp_path / "none.csv")]) == 2
    assert "Check the path" in capsys.readouterr().err
