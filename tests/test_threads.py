"""Many at once: in order, each shared value once, the first error, no thread left, and BLAS as it was."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest
import torch
from threadpoolctl import ThreadpoolController, threadpool_info

from counterfeit_vision._concurrency import Once, Pool, _elsewhere, _Making, cached_property, each


@pytest.fixture(params=[1, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    """Where the tests' own share of the cores is one."""
    limits = _elsewhere(lambda: ThreadpoolController().limit(limits=2, user_api="blas"))
    yield
    _elsewhere(limits.restore_original_limits)


def blas_threads() -> set[int]:
    """Of numpy's, and any other BLAS that has one pool for the process (faiss's is each thread's own)."""
    return {pool["num_threads"] for pool in threadpool_info() if pool.get("threading_layer") == "pthreads"}


def left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("counterfeit-vision")]


def test_results_stand_in_the_order_of_the_items(threads: int) -> None:
    def late(item: int) -> int:
        time.sleep(0.02 / (1 + item))  # the first is the last to end
        return item * item

    assert list(each(late, range(9))) == [item * item for item in range(9)]
    assert list(each(late, [])) == []
    assert not left()


def test_as_many_at_once_as_torch_was_given_threads(threads: int) -> None:
    all_here = threading.Barrier(threads)
    names = list(each(lambda _: (all_here.wait(timeout=30), threading.get_ident())[1], range(threads)))
    assert len(set(names)) == threads


def test_no_more_at_once_than_photos_fit(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("counterfeit_vision._concurrency.MOST", 2)
    names = list(each(lambda _: (time.sleep(0.01), threading.get_ident())[1], range(12)))
    assert len(set(names)) <= 2


def test_the_first_error_in_order_is_raised_and_no_thread_is_left(threads: int) -> None:
    def fails(item: int) -> None:
        time.sleep(0.02 / (1 + item))
        if item:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 1"):
        list(each(fails, range(5)))
    assert not left()


def test_numpy_multiplies_in_one_thread_inside_and_as_before_outside(threads: int) -> None:
    before = blas_threads()
    assert list(each(lambda _: blas_threads(), range(3))) == [{1} if before else set()] * 3
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError):
        list(each(lambda item: 1 // item, [0, 1]))
    assert blas_threads() == before


def test_callers_at_once_leave_blas_as_it_was() -> None:
    before, both, first_ended = blas_threads(), threading.Barrier(2), threading.Event()

    def first(_: int) -> None:
        both.wait(timeout=30)

    def second(_: int) -> set[int]:
        both.wait(timeout=30)
        assert first_ended.wait(timeout=30)
        return blas_threads()

    with ThreadPoolExecutor(2) as pool:
        one, two = (pool.submit(lambda call: list(each(call, [0])), call) for call in (first, second))
        one.result(timeout=30)
        first_ended.set()
        assert two.result(timeout=30) == [{1} if before else set()]  # though the first has left
    assert blas_threads() == before


@pytest.mark.parametrize("moment", ["before", "after", "late"])
@pytest.mark.parametrize("call", [0, 1])
def test_an_interrupt_as_a_call_begins_or_ends_leaves_blas_as_it_was(
    monkeypatch: pytest.MonkeyPatch, two_blas_threads: None, call: int, moment: str
) -> None:
    """``late``: what was begun in a thread goes on when nobody waits for it any more."""
    calls, late = itertools.count(), list[Callable[[], object]]()

    def interrupted(function: Callable[[], object]) -> object:
        if next(calls) != call:
            return _elsewhere(function)
        if moment == "after":
            _elsewhere(function)
        if moment == "late":
            late.append(function)
        raise KeyboardInterrupt

    before = blas_threads()
    with monkeypatch.context() as patch:
        patch.setattr("counterfeit_vision._concurrency._elsewhere", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(each(lambda item: item, [0]))
    for function in late:
        _elsewhere(function)
    assert blas_threads() == before
    assert list(each(lambda _: blas_threads(), [0])) == [{1} if before else set()]
    assert blas_threads() == before


def test_what_threads_share_is_worked_out_once_a_key() -> None:
    once: Once[int, object] = Once()
    made: Counter[int] = Counter()

    def make(key: int) -> object:
        made[key] += 1
        time.sleep(0.01)
        return object()

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda number: once.get(number % 3, lambda: make(number % 3)), range(48)))
    assert made == {0: 1, 1: 1, 2: 1}
    assert all(value is values[number % 3] for number, value in enumerate(values))


class Slow:
    """What is made of one waits for its ``end``."""

    def __init__(self) -> None:
        self.begun, self.end, self.made = threading.Event(), threading.Event(), 0

    @cached_property
    def value(self) -> int:
        self.begun.set()
        assert self.end.wait(timeout=30)
        self.made += 1
        return self.made


def test_a_cached_property_is_made_once_of_each_object_and_no_other_waits_for_it() -> None:
    slow, other = Slow(), Slow()
    other.end.set()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lambda: slow.value) for _ in range(7)]
        assert slow.begun.wait(timeout=30)
        assert pool.submit(lambda: other.value).result(timeout=10) == 1
        slow.end.set()
        assert {each.result(timeout=30) for each in asked} == {1}
    assert slow.value == 1 == vars(slow)["value"]


OF_ANOTHER = """
import os, signal, threading
from counterfeit_vision._concurrency import cached_property
class Slow:
    @cached_property
    def value(self):
        if threading.current_thread() is not threading.main_thread():
            begun.set(), end.wait()
        return 1
one, two, begun, end = Slow(), Slow(), threading.Event(), threading.Event()
threading.Thread(target=lambda: one.value).start()
begun.wait()
if not (child := os.fork()):
    signal.alarm(20)
    os._exit(0 if (one.value, two.value) == (1, 1) else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
raise SystemExit(code)
"""

IN_HAND = """
import os, signal, threading
from counterfeit_vision._concurrency import Once
once, begun, end = Once(), threading.Event(), threading.Event()
once.get("known", lambda: "kept")
threading.Thread(target=once.get, args=("slow", lambda: (begun.set(), end.wait()))).start()
begun.wait()
if not (child := os.fork()):
    signal.alarm(20)
    os._exit(0 if (once.get("slow", lambda: 1), once.get("known", lambda: 2)) == (1, "kept") else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
raise SystemExit(code)
"""

ASKED_FOR = """
import os, signal, threading
from counterfeit_vision._concurrency import Once
class Slow:
    def __hash__(self):
        begun.set(), end.wait()
        return 1
once, begun, end = Once(), threading.Event(), threading.Event()
once.get("known", lambda: "kept")
threading.Thread(target=once.get, args=(Slow(), int)).start()
begun.wait()
if not (child := os.fork()):
    signal.alarm(20)
    os._exit(0 if once.get("known", lambda: 2) == "kept" else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
raise SystemExit(code)
"""

BEGUN = """
import os, signal, threading, threadpoolctl, time, torch
from counterfeit_vision._concurrency import each
class Slow(threadpoolctl.ThreadpoolController):
    def __init__(self):
        begun.set(), time.sleep(0.5)
        super().__init__()
threadpoolctl.ThreadpoolController, begun = Slow, threading.Event()
def blas():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
before, end = blas(), threading.Event()
call = threading.Thread(target=lambda: list(each(lambda _: end.wait(), [1])))
call.start()
begun.wait()
if not (child := os.fork()):
    signal.alarm(20)
    os._exit(0 if list(each(abs, [-1])) == [1] and blas() == before else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
call.join()
raise SystemExit(code if blas() == before else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    "script", [IN_HAND, ASKED_FOR, BEGUN, OF_ANOTHER], ids=["in hand", "asked for", "begun", "of another"]
)
def test_a_forked_process_waits_for_nothing_that_a_thread_of_its_parent_does(script: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60, env=environment)


ENDING = """
import concurrent.futures, sys, threading, time
import numpy as np, threadpoolctl, torch
from counterfeit_vision.encoders.preprocess import Preprocess
from counterfeit_vision.encoders.batching import embed
from counterfeit_vision._concurrency import each
from counterfeit_vision.types import Embeddings
class Grey:
    fingerprint, batch_size, preprocess = "grey", 4, Preprocess(size=8)
    def encode(self, squares):
        vectors = squares.mean((1, 2)).astype(np.float32)
        ids = tuple(map(str, range(len(squares))))
        return Embeddings(vectors, None, (0, 0), np.zeros((len(squares), 0), np.float32), ids, (), "grey")
def blas(_=0):
    pools = threadpoolctl.threadpool_info()
    return {pool["num_threads"] for pool in pools if pool.get("threading_layer") == "pthreads"}
def start(thread):
    if concurrent.futures.thread._shutdown and sys.argv[2] == "no thread":
        raise RuntimeError("can't create new thread at interpreter shutdown")
    begin(thread)
begin, threading.Thread.start = threading.Thread.start, start
before = blas()
def work():
    while not concurrent.futures.thread._shutdown:
        time.sleep(0.01)
    inside = list(each(blas, range(3)))
    rows = embed([np.full((9, 9, 3), grey, np.uint8) for grey in range(6)], encoder=Grey(), cache=False)
    calm = inside == [{1} if before else set()] * 3 and blas() == before
    print(calm, rows.vectors[:, 0].astype(int).tolist(), flush=True)
if sys.argv[1] == "pool":
    concurrent.futures.ThreadPoolExecutor(1).submit(work)
else:
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize("may_begin", ["threads", "no thread"])  # the latter as from Python 3.12 on, while it ends
@pytest.mark.parametrize("worker", ["thread", "pool"])
def test_what_a_worker_has_in_hand_is_finished_after_the_main_thread_has_ended(worker: str, may_begin: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", ENDING, worker, may_begin]
    ended = subprocess.run(command, check=True, timeout=60, env=environment, capture_output=True, text=True)
    assert ended.stdout == "True [0, 1, 2, 3, 4, 5]\n", ended.stderr


def test_an_error_is_its_callers_alone_and_who_waits_for_the_value_works_it_out() -> None:
    once: Once[str, int] = Once()
    begun, waiting, made = threading.Event(), threading.Semaphore(0), []

    def fail() -> int:
        begun.set()
        for _ in range(3):
            assert waiting.acquire(timeout=30)
        time.sleep(0.05)
        raise TimeoutError("its own limit")

    def wait(number: int) -> int:
        assert begun.wait(timeout=30)
        waiting.release()
        return once.get("a", lambda: made.append(number) or number)

    with ThreadPoolExecutor(4) as pool:
        failing, others = pool.submit(once.get, "a", fail), [pool.submit(wait, number) for number in range(3)]
        with pytest.raises(TimeoutError, match="its own"):
            failing.result(timeout=30)
        assert [other.result(timeout=30) for other in others] == made * 3
    assert len(made) == 1
    assert once.get("a", lambda: 7) == made[0]


def test_an_error_that_all_meet_is_met_by_each_itself_and_is_not_kept() -> None:
    once: Once[str, int] = Once()

    def fail() -> int:
        time.sleep(0.01)
        raise OSError("gone")

    with ThreadPoolExecutor(4) as pool:
        errors = [result.exception(timeout=30) for result in [pool.submit(once.get, "a", fail) for _ in range(4)]]
    assert all(isinstance(error, OSError) for error in errors)
    assert len(set(map(id, errors))) == 4, "none is another's, nor is its traceback"
    assert once.get("a", lambda: 7) == 7


def test_a_cached_property_whose_first_maker_gave_up_is_still_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forget = Once.forget
    monkeypatch.setattr(Once, "forget", lambda once, key: (again.wait(timeout=30), forget(once, key)))

    class Shaky:
        tries = 0

        @cached_property
        def value(self) -> object:
            self.tries += 1
            if self.tries == 1:
                first.set()
                assert asked.wait(timeout=30)
                time.sleep(0.05)
                raise TimeoutError
            again.set()
            assert end.wait(timeout=30)
            return object()

    shaky, first, asked, again, end = Shaky(), *(threading.Event() for _ in range(4))
    with ThreadPoolExecutor(3) as pool:
        gives_up = pool.submit(lambda: shaky.value)
        assert first.wait(timeout=30)
        second = pool.submit(lambda: (asked.set(), shaky.value)[1])
        assert again.wait(timeout=30)
        assert isinstance(gives_up.exception(timeout=30), TimeoutError)
        third = pool.submit(lambda: shaky.value)
        time.sleep(0.05)
        end.set()
        assert second.result(timeout=30) is third.result(timeout=30) is shaky.value
    assert shaky.tries == 2


def test_an_interrupt_at_any_line_leaves_a_key_to_be_asked_for_again() -> None:
    code = Once.get.__code__

    def interrupted_at(line: int) -> Once[str, int]:
        once: Once[str, int] = Once(2)

        def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
            if event == "line" and frame.f_lineno == line:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace if frame.f_code is code else None

        before = sys.gettrace()
        sys.settrace(trace)
        with contextlib.suppress(KeyboardInterrupt):
            once.get("a", lambda: 1)
        sys.settrace(before)
        return once

    for line in sorted({line for *_, line in code.co_lines() if line}):
        once, told = interrupted_at(line), list[int]()
        asking = threading.Thread(
            target=lambda once=once, told=told: told.append(once.get("a", lambda: 2)), daemon=True
        )
        asking.start()
        asking.join(timeout=10)
        assert told in ([1], [2])


def test_the_values_last_asked_for_are_kept() -> None:
    once: Once[int, int] = Once(2)
    for key in (1, 2, 1, 3):  # 2 was not asked for since
        once.get(key, lambda: 0)
    assert len(once) == 2
    assert [once.get(key, lambda: 5) for key in (1, 3, 2)] == [0, 0, 5]


def test_a_copy_starts_empty() -> None:
    once: Once[int, int] = Once(1)
    once.get(1, lambda: 1)
    copy = pickle.loads(pickle.dumps(once))
    assert len(copy) == 0
    assert [copy.get(key, lambda: 2) for key in (1, 2)] == [2, 2]
    assert len(copy) == 1


def test_what_nobody_waits_for_is_not_begun(threads: int) -> None:
    before, begun = blas_threads(), []
    results = each(lambda item: (begun.append(item), time.sleep(0.01)), range(100))
    next(results)
    results.close()  # as a loop does that raises
    assert len(begun) < 20
    assert blas_threads() == before
    assert not left()


def test_a_value_that_was_given_up_and_left_behind_is_made_by_the_next() -> None:
    """As where a second interrupt comes while the first is dealt with."""
    once: Once[str, int] = Once()
    left: _Making[int] = _Making()
    left.ended.release()
    once._known["key"] = left
    assert once.get("key", lambda: 7) == 7
    assert once.get("key", lambda: 8) == 7


def test_a_thread_that_the_system_refuses_is_no_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    calls: list[int] = []
    with Pool(1) as pool:
        monkeypatch.setattr(pool, "_adjust_thread_count", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            pool.submit(calls.append, 1)
    assert calls == []
