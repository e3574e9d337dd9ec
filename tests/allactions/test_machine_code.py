"""Functions are compiled when they are first called, once, and numba comes no earlier."""

import copy
import fcntl
import importlib
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from recommender.allactions import code_cache, compiled

ROOT = Path(__file__).parents[2]


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


def test_kept_code_is_stale_once_a_file_beside_it_has_changed(tmp_path):
    """What a kernel calls, and constants compiled into it, stand in other files: none may be yesterday's."""
    (tmp_path / "limits.py").write_text("MOST = 3\n")
    (tmp_path / "helper.py").write_text(
        "from recommender.allactions import compiled\n\n@compiled\ndef doubled(x):\n    return 2 * x\n"
    )
    (tmp_path / "judge.py").write_text(
        "import sys\nfrom recommender.allactions import compiled\n"
        "from helper import doubled\nfrom limits import MOST\n\n"
        "@compiled\ndef judge(x):\n    return doubled(x) > MOST\n\n"
        "print(judge(int(sys.argv[1])), sum(judge.made.stats.cache_hits.values()))\n"
    )
    told = [_told(tmp_path), _told(tmp_path)]
    (tmp_path / "limits.py").write_text("MOST = 4\n")
    told.append(_told(tmp_path))
    (tmp_path / "helper.py").write_text((tmp_path / "helper.py").read_text().replace("2 * x", "3 * x"))
    told += [_told(tmp_path), _told(tmp_path)]
    assert told == ["True 0", "True 1", "False 0", "True 0", "True 1"]


def _told(folder):
    done = subprocess.run(
        [sys.executable, folder / "judge.py", "2"], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


AT_ONCE = """
import sys
from recommender.allactions import compiled

@compiled
def grown(x):
    return x + 1

@compiled
def chain(x):
    total = 0
    for k in range(x):
        total += grown(k) if k % 3 else 2 * k
    return total if total < 100 else chain(x - 1)

print("ready", flush=True)
sys.stdin.readline()
assert chain(4) == 11
print(sum(chain.made.stats.cache_misses.values()), sum(chain.made.stats.cache_hits.values()), flush=True)
"""


def test_processes_that_start_together_compile_a_function_once(tmp_path):
    """Who comes second waits and reads what the first one kept; a function that calls itself waits for nobody."""
    (tmp_path / "at_once.py").write_text(AT_ONCE)
    command = [sys.executable, tmp_path / "at_once.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        assert [each.stdout.readline() for each in (one, other)] == ["ready\n"] * 2
        for each in (one, other):
            each.stdin.write("go\n")
            each.stdin.flush()
        told = sorted(each.communicate()[0].strip() for each in (one, other))
    assert [each.returncode for each in (one, other)] == [0, 0]
    assert told == ["0 1", "1 0"]


def test_a_file_that_cannot_be_locked_is_compiled_without(tmp_path, monkeypatch):
    """A file system without locks, a holder that never ends, a source that is no file: twice is better than never."""
    monkeypatch.setattr(code_cache, "_LONGEST_WAIT", 0.0)
    held = tmp_path / "held.py"
    held.write_text("")
    with held.open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        with code_cache._alone(str(held)):
            assert str(held) in code_cache._held
    with code_cache._alone(str(held)):
        with code_cache._alone(str(held)):
            assert str(held) in code_cache._held
        assert str(held) in code_cache._held
    with code_cache._alone(str(tmp_path / "none.py")):
        pass
    assert not code_cache._held

    def refuse(opened, kind):
        raise OSError("no locks available")

    monkeypatch.setattr(code_cache.fcntl, "flock", refuse)
    monkeypatch.setattr(code_cache, "_LONGEST_WAIT", 60.0)
    with code_cache._alone(str(held)):
        pass


def test_kernels_call_only_kernels_of_their_own_folder():
    """Code that is kept knows when files of its folder change, and of no others."""
    kernels = {}
    for file in (ROOT / "src" / "recommender").rglob("*.py"):
        if "@compiled" in file.read_text(encoding="utf-8"):
            name = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
            for one in vars(importlib.import_module(name)).values():
                if hasattr(one, "signatures") and hasattr(one, "__wrapped__"):
                    kernels[one] = one.__wrapped__
    assert len(kernels) > 40
    for plain in kernels.values():
        for name in plain.__code__.co_names:
            called = getattr(plain.__globals__.get(name), "__wrapped__", None)
            if called in kernels.values():
                assert called.__module__.rpartition(".")[0] == plain.__module__.rpartition(".")[0], (plain, called)
