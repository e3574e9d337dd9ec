"""Notebooks run from top to bottom, are thin, and are tracked without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.forked_kernel import forked_kernels  # noqa: F401 - a fixture

# What a reader looks at takes more contacts than to see that every cell runs and shows what it should.
SMALLER = {
    "00_can_a_log_tell": {"n=16_000": "n=4_000"},
    "01_first_recommendation": {"simulate(12_000": "simulate(3_000"},
    "02_explanations": {"simulate(6_000": "simulate(1_500"},
    "03_your_own_history": {"simulate(8_000": "simulate(3_000"},
    "04_learning_and_tuning": {"n=6_000": "n=3_000", "np.arange(1_000)": "np.arange(400)"},
    "05_rules_and_their_price": {"simulate(6_000": "simulate(1_500", "iloc[4_000]": "iloc[1_000]"},
    "06_tomorrow": {"simulate(5_000": "simulate(1_000"},
    "07_real_data": {"len(bank), 10)": "len(bank), 40)", "n=9_000": "n=3_000"},
    "08_scaling_out": {"simulate(4_000": "simulate(1_000"},
}
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_thin_and_stripped(path):
    """No outputs, no execution counts, no function or class defined in a notebook."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
            assert "def " not in cell.source
            assert "class " not in cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_its_question_and_ends_with_its_answer(path):
    """The heading is a question, and the last words answer it."""
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.splitlines()[0].startswith("# ")
    assert cells[0].source.splitlines()[0].endswith("?")
    assert cells[-1].source.startswith("**Answer.**")


@pytest.mark.usefixtures("forked_kernels")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    """Every cell runs in a fresh kernel, and the last ones show a table and a picture."""
    notebook = nbformat.read(path, as_version=4)
    for large, small in SMALLER.get(path.stem, {}).items():
        cells = [cell for cell in notebook.cells if cell.cell_type == "code" and large in cell.source]
        assert cells, f"{large} is no longer there"
        for cell in cells:
            cell.source = cell.source.replace(large, small)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    kinds = {kind for cell in notebook.cells for out in cell.get("outputs", []) for kind in out.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
