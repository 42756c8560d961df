"""Many photos at once, for what is worked out of each by itself: claims take longer than the encoder. And how far a
long run is.

OpenCV, onnxruntime and large numpy operations leave Python's lock, so threads are enough, and share what is known.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, Self, TypeVar, overload
from weakref import WeakSet

__all__ = ["Once", "Pool", "cached_property", "counting", "each", "progress_bar"]

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST = 16  # at once: each may hold a whole photo
ELSEWHERE = "counterfeit-vision-elsewhere"  # the name of a thread that ends once its one call has

_counting = threading.Lock()
_calls: set[threading.Event] = set()  # of :func:`each`: an event a call, set when the call is over
_shared: WeakSet[Once[Any, Any]] = WeakSet()
_limits: tuple[threading.Thread, Any] | None = None  # BLAS's limits while calls go on, and the thread that set them


class Pool(ThreadPoolExecutor):
    """Its threads take no more work once the main thread has ended: from then on whoever asks does it, so that a
    service that shuts down finishes what it has in hand.
    """

    def submit(self, function: Callable[..., Value], /, *arguments: Any, **options: Any) -> Future[Value]:
        try:
            return super().submit(function, *arguments, **options)
        except RuntimeError as error:
            if "shutdown" not in str(error):  # as where the system lets no more threads begin
                raise
            future: Future[Value] = Future()
            _settle(future, partial(function, *arguments, **options))
            return future


def _settle(future: Future[Value], function: Callable[[], Value]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


def each(function: Callable[[Item], Value], items: Sequence[Item]) -> Iterator[Value]:
    """``function`` of each of ``items``, in their order, in as many threads as torch was given
    (``torch.set_num_threads``, ``$OMP_NUM_THREADS``), at most :data:`MOST`.

    The first error, in their order, is raised after the calls that had begun have ended; no thread is left.
    """
    import torch

    workers = min(torch.get_num_threads(), MOST, len(items))
    with _calm_blas():
        if workers < 2:
            yield from map(function, items)
            return
        with Pool(workers, thread_name_prefix="counterfeit-vision-each") as pool:
            yield from pool.map(function, items)


class _Making(Generic[Value]):
    """A value, once it is ``made``, by one thread, which lets ``ended`` go then, or when it gives up. A bare lock: a
    fork, or an interrupt, may come while that of a future is held.
    """

    value: Value
    made = False

    def __init__(self) -> None:
        self.ended = threading.Lock()
        self.ended.acquire()

    def wait(self) -> None:
        if not self.made:
            with self.ended:
                pass


class Once(Generic[Key, Value]):
    """Values that threads share: the first that asks for a key works it out, others wait for it. Of ``most`` keys the
    values are kept, those last asked for.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._known: OrderedDict[Key, _Making[Value]] = OrderedDict()
        self._lock = threading.Lock()
        _shared.add(self)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of ``key``, which ``make`` works out where it is not known. An error of ``make`` is its caller's
        alone, such as a limit to its time: of those that wait for the value, the next works it out.
        """
        while True:
            mine: _Making[Value] = _Making()
            try:
                with self._lock:
                    found = self._known.get(key)
                    if found is None:
                        found = self._known[key] = mine
                        if self._most is not None and len(self._known) > self._most:
                            self._known.popitem(last=False)
                    else:
                        self._known.move_to_end(key)
                if found is mine:
                    mine.value = make()
                    mine.made = True
            except BaseException:
                with self._lock:
                    if self._known.get(key) is mine:
                        del self._known[key]
                raise
            finally:
                mine.ended.release()
            found.wait()
            if found.made:
                return found.value
            with self._lock:  # an interrupt may have kept who gave up from taking it out
                if self._known.get(key) is found:
                    del self._known[key]

    def forget(self, key: Key) -> None:
        """Take a key out; those who wait for its value, or have it, keep it."""
        with self._lock:
            self._known.pop(key, None)

    def begin_anew(self) -> None:
        """Drop what threads were still working out: in a forked process nobody would finish it."""
        self._lock = threading.Lock()
        self._known = OrderedDict((key, making) for key, making in self._known.items() if making.made)

    def __reduce__(self) -> tuple[type[Once[Key, Value]], tuple[int | None]]:
        return Once, (self._most,)  # a copy starts empty: it is another's, and can work it out again

    def __len__(self) -> int:
        return len(self._known)


class cached_property(Generic[Value]):
    """:class:`functools.cached_property`, made once of each object, however many threads ask. That of Python 3.11 has
    one lock for all objects of a class, for which a forked process may wait for ever; that of later ones has none.
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self._make, self.__doc__ = make, make.__doc__
        self._making: Once[int, Value] = Once()

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, one: None, owner: type) -> Self: ...

    @overload
    def __get__(self, one: object, owner: type) -> Value: ...

    def __get__(self, one: object | None, owner: type) -> Self | Value:
        if one is None:
            return self
        try:
            return self._making.get(id(one), partial(self._made, one))
        finally:
            if self._name in vars(one):  # else another may be making it
                self._making.forget(id(one))

    def _made(self, one: object) -> Value:
        known = vars(one)
        if self._name not in known:
            known[self._name] = self._make(one)
        value: Value = known[self._name]
        return value


@contextlib.contextmanager
def _calm_blas() -> Iterator[None]:
    """One thread for each of numpy's matrix products. They are small here: of several threads all but one would spin
    for tens of milliseconds after each, on cores that others work on (OpenBLAS). The setting is the process's: the
    first caller makes it, and the last takes it back.
    """
    over = threading.Event()
    try:
        _elsewhere(partial(_begin, over))
        yield
    finally:
        try:
            _elsewhere(partial(_end, over))
        except BaseException:  # an interrupt: it may not have begun
            _elsewhere(partial(_end, over))
            raise


def _begin(over: threading.Event) -> None:
    """Count a call, unless it was interrupted and is over."""
    global _limits
    with _counting:
        from threadpoolctl import ThreadpoolController

        if over.is_set():
            return
        if _limits is None:
            _limits = threading.current_thread(), ThreadpoolController().limit(limits=1, user_api="blas")
        _calls.add(over)


def _end(over: threading.Event) -> None:
    global _limits
    with _counting:
        over.set()
        _calls.discard(over)
        if _limits is not None and not _calls:
            setter, limits = _limits
            if setter.name == ELSEWHERE:  # any other may live on for long
                setter.join()
            limits.restore_original_limits()
            _limits = None


def _elsewhere(function: Callable[[], Value]) -> Value:
    """``function`` in a thread that ends then: no interrupt reaches it, and what one sets, threadpoolctl lets no other
    take back while it lives. Here, where Python lets none begin, as from 3.12 on while it ends.
    """
    future: Future[Value] = Future()
    thread = threading.Thread(target=_settle, args=(future, function), name=ELSEWHERE)
    try:
        thread.start()
    except RuntimeError:
        return function()
    try:
        return future.result()
    finally:
        thread.join()


def _begin_anew() -> None:
    """In a forked process: what threads of the parent had in hand, nobody here finishes."""
    _calls.clear()
    for once in _shared:
        once.begin_anew()
    _counting.release()


if hasattr(os, "register_at_fork"):
    # A fork waits while BLAS is set: what threadpoolctl and the loader hold then, nobody in the child would let go.
    os.register_at_fork(before=_counting.acquire, after_in_parent=_counting.release, after_in_child=_begin_anew)


def progress_bar(items: Iterable[Item], *, total: int | None, unit: str, progress: bool) -> Iterable[Item]:
    """``items``, with a bar on stderr where ``progress`` asks for one."""
    if not progress:
        return items
    bar: Iterable[Item] = _bar(items, total, unit)
    return bar


@contextlib.contextmanager
def counting(total: int | None, *, unit: str, progress: bool) -> Iterator[Callable[[int], object]]:
    """What is to be told how many more are done; the bar says of how many, where that is known."""
    if not progress:
        yield lambda more: None
        return
    with _bar(None, total, unit) as bar:
        yield bar.update


def _bar(items: Iterable[object] | None, total: int | None, unit: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(items, total=total, unit=unit, smoothing=0.1, dynamic_ncols=True)
