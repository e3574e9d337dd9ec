"""On paper: a clean sheet a section, of A4 and of Letter, with every table and no control."""

import re

import pytest

pytestmark = pytest.mark.browser

SLUGS = (
    "",
    "results",
    "policy-value",
    "explorer",
    "drivers",
    "rule-costs",
    "approvals",
    "model-card",
    "account",
    "decision",
)
#: Width and height of what is printed on, in CSS pixels, less 12 mm of margin on each side.
PAPER = {"A4": (703, 1031), "Letter": (725, 965)}
SHEETS = """() => {
  const sheets = [[]];
  const parts = [...document.querySelectorAll('main > *')].flatMap(
    part => part.matches('.columns') ? [...part.children] : [part]);
  for (const part of parts) {
    if (getComputedStyle(part).breakBefore === 'page') sheets.push([]);
    sheets.at(-1).push(part);
  }
  return sheets.map(parts => {
    const boxes = parts.map(part => part.getBoundingClientRect()).filter(box => box.height);
    return {
      key: parts.map(part => part.id || part.className || part.tagName).join(' '),
      height: Math.max(...boxes.map(box => box.bottom)) - Math.min(...boxes.map(box => box.top)),
      right: Math.max(...parts.flatMap(part => [...part.querySelectorAll('table, figure, svg')])
        .map(one => one.getBoundingClientRect().right), 0),
    };
  });
}"""
CONTROLS = ".menu, .tools, .filters, .exports, .skip, button, input:not([type=hidden]), select, textarea, .pager"
NORMAL = (("es", "A4"), ("en", "Letter"))


def path_of(slug, account):
    return {"account": f"account?id={account}", "decision": f"decision?account={account}"}.get(slug, slug)


@pytest.fixture(scope="module")
def account(chromium, server, session_state):
    context = chromium.new_context(base_url=server, storage_state=session_state)
    page = context.new_page()
    page.goto("/en/accounts")
    found = page.locator("table.accounts tbody th a").first.inner_text()
    context.close()
    return found


@pytest.mark.parametrize(("language", "paper"), NORMAL)
def test_every_section_is_one_clean_sheet(open_page, account, language, paper):
    """Each sheet fits its paper, nothing is wider than it, no control is left, and the PDF has as many pages."""
    width, height = PAPER[paper]
    wrong = {}
    for slug in SLUGS:
        page = open_page(f"/{language}/{path_of(slug, account)}", width=width)
        page.emulate_media(media="print")
        sheets = page.evaluate(SHEETS)
        tall = [(one["key"], round(one["height"])) for one in sheets if one["height"] > height]
        wide = [one["key"] for one in sheets if one["right"] > width + 1]
        controls = [
            one.evaluate("node => node.outerHTML.slice(0, 80)")
            for one in page.locator(CONTROLS).all()
            if one.is_visible()
        ]
        margin = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
        pdf = page.pdf(format=paper, margin=margin, prefer_css_page_size=False)
        n_pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
        if tall or wide or controls or n_pages != len(sheets):
            wrong[slug] = {
                "tall": tall,
                "wide": wide,
                "controls": controls[:3],
                "pages": n_pages,
                "sheets": len(sheets),
            }
    assert wrong == {}
