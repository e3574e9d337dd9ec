"""Functions are compiled when they are first called, once, and numba comes no earlier."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from recommender.allactions import compiled


def _run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ["from recommender import ContactStrategy", "import recommender.deciding"])
def test_no_import_brings_the_compiler(line):
    """A first line pays for neither numba nor the clustering that one member of a fit asks for."""
    _run(f"{line}\nimport sys\nassert not sys.modules.keys() & {{'numba', 'llvmlite', 'scipy.cluster'}}")


def test_the_first_call_brings_it_and_calls_within_are_compiled_too():
    _run(
        "import sys\n"
        "import numpy as np\n"
        "from recommender.allactions import row_products\n"
        "assert 'numba' not in sys.modules\n"
        "assert row_products(np.ones((2, 3)), np.ones(3)).tolist() == [3.0, 3.0]\n"
        "assert 'numba' in sys.modules"
    )


@compiled
def _half(x):
    return x / 2


@compiled
def _quarter(x):
    return _half(_half(x))


@compiled(fastmath={"reassoc"})
def _total(x):
    total = 0.0
    for value in x:
        total += value
    return total


def test_threads_that_come_together_share_one_function():
    """The second waits for the first, and what a function calls is made on the way."""
    together = Barrier(4)

    def run(number):
        together.wait()
        return _quarter(float(number)), _quarter.made

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(run, range(4)))
    assert [value for value, _ in answers] == [0.0, 0.25, 0.5, 0.75]
    assert len({id(made) for _, made in answers}) == 1
    assert len(_quarter.signatures) == 1


def test_options_reach_the_compiler():
    assert _total(np.arange(5.0)) == 10.0
    assert _total.made.targetoptions["fastmath"] == {"reassoc"}
    assert _total.made.targetoptions["nogil"] is True
    assert _total.__name__ == "_total"


def test_what_cannot_be_compiled_says_so_at_the_call():
    """The error is numba's own, and a second call gets it again."""

    @compiled
    def broken(x):
        return x.no_such_attribute

    for _ in range(2):
        with pytest.raises(Exception, match="no_such_attribute"):
            broken(1.0)


@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])  # noqa: S301
def test_a_function_is_pickled_and_copied_by_name(again):
    """As functions are, compiled or not: whatever holds one can go to another process."""
    assert again(_half) is _half
    _half(1.0)
    assert again(_half) is _half
