"""The report as one file: it opens without a network, prints, and says what is missing."""

import io
import re
import zipfile

import pytest

from pipelines.report import run, write_pdf
from recommender.errors import InvalidInput
from tests.browser.reading import findings

pytestmark = pytest.mark.browser


def test_the_report_opens_offline_and_holds_every_page(chromium, chromium_on_path, demo_site, tmp_path):
    """One file, nothing fetched, a part for each page with its answer, no finding; and a PDF of it."""
    place, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    tables = tmp_path / "mail" / "tables.zip"
    run(out=place, language="es", pdf=pdf, site=demo_site, country="CO", tables=tables)
    context = chromium.new_context(offline=True, viewport={"width": 1000, "height": 900})
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(place.as_uri())
    assert page.locator("section.part").count() == 7
    assert page.locator(".answer").count() == 7
    assert "Colombia" in page.locator("body").inner_text()
    assert "MXN" not in page.locator("section.part").first.inner_text(), "the results are those of the country"
    assert page.locator("html").get_attribute("lang").startswith("es")
    assert asked == [place.as_uri()]
    assert not re.search(r"(src|href)=\"https?:", place.read_text(encoding="utf-8"))
    assert findings(page) == []
    assert pdf.read_bytes().startswith(b"%PDF")
    with zipfile.ZipFile(tables) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names)) == page.locator("section.part table").count()
        assert "results-figures.xlsx" in names
        figures = archive.read("results-figures.xlsx")
    with zipfile.ZipFile(io.BytesIO(figures)) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
    assert ">Política</t>" in sheet, "headings of the reader"
    assert re.search(r"<c><v>\d+\.\d+</v></c>", sheet), "numbers that are numbers"
    context.close()


def test_without_a_browser_the_way_out_is_named(tmp_path, monkeypatch):
    """No Chromium: an error that says what to install and what to do instead."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match="apt-get install"):
        write_pdf(tmp_path / "report.html", tmp_path / "report.pdf")
