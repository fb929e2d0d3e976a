"""How the emulated Usertour v1 sorts rows: as its database does, so that rows of equal sort value change places between pages.

v1 asks for the first page with `LIMIT`, which the database answers from a heap as large as the page, and for every other page by
sorting all rows from the cursor's sort value on. The two put equal rows into different orders, so a walk loses some and repeats
others. Both are reproduced here step by step; rows whose sort values all differ come out the same from any sort.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Compare = Callable[[T, T], int]
_FEW = 7
_MANY = 40


def fetch(
    rows: Sequence[T], value: Callable[[T], Any], *, descending: bool, cursor: T | None, take: int, backwards: bool, ties: bool
) -> list[T]:
    """Get the rows that come after a cursor, as `take` rows forwards or backwards.

    Args:
        rows: all rows, in the order in which they are stored.
        value: the sort value of a row.
        descending: greatest value first.
        cursor: the row to go on from; None for the first rows.
        take: how many rows at most.
        backwards: the rows before the cursor instead; they come in the list's order all the same.
        ties: equal rows are put as the database puts them; else they stay in the order in which they are stored.
    """
    if cursor is None:
        return ordered(rows, value, descending=descending, bound=take if ties else None)[:take]
    edge, reverse = value(cursor), descending != backwards
    kept = [row for row in rows if (value(row) <= edge if reverse else value(row) >= edge)]
    if ties:
        kept = ordered(kept, value, descending=reverse)
    else:
        kept = sorted(rows, key=value, reverse=descending)
        kept = kept[::-1] if backwards else kept
    if cursor not in kept:
        return []
    start = kept.index(cursor) + 1
    found = kept[start : start + take]
    return found[::-1] if backwards else found


def ordered(rows: Sequence[T], value: Callable[[T], Any], *, descending: bool, bound: int | None = None) -> list[T]:
    """Sort rows.

    Args:
        rows: the rows, in the order in which they are stored.
        value: the sort value of a row.
        descending: greatest value first.
        bound: only so many are wanted; None for all.
    """
    values = [value(row) for row in rows]
    if len(set(values)) == len(values) or (not descending and bound is None and values == sorted(values)):
        return sorted(rows, key=value, reverse=descending)
    sign = -1 if descending else 1

    def compare(left: T, right: T) -> int:
        one, other = value(left), value(right)
        return sign if one > other else -sign if one < other else 0

    if bound is not None and len(rows) > 2 * bound:
        return _bounded(rows, bound, compare)
    result = list(rows)
    _quicksort(result, 0, len(result), compare)
    return result


def _bounded(rows: Sequence[T], bound: int, compare: Compare[T]) -> list[T]:
    """Keep the first `bound` rows in a heap whose root is the last of them, and take them out from the last to the first."""
    heap: list[T] = []
    for row in rows:
        if len(heap) < bound:
            _push(heap, row, compare)
        elif compare(row, heap[0]) < 0:
            _sift(heap, row, len(heap), compare)
    for count in range(len(heap) - 1, 0, -1):
        last = heap[0]
        _sift(heap, heap[count], count, compare)
        heap[count] = last
    return heap


def _push(heap: list[T], row: T, compare: Compare[T]) -> None:
    heap.append(row)
    at = len(heap) - 1
    while at > 0 and compare(row, heap[(at - 1) // 2]) > 0:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = row


def _sift(heap: list[T], row: T, count: int, compare: Compare[T]) -> None:
    """Put a row in the place of the root of the heap's first `count` places."""
    at = 0
    while (child := 2 * at + 1) < count:
        if child + 1 < count and compare(heap[child], heap[child + 1]) < 0:
            child += 1
        if compare(row, heap[child]) >= 0:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = row


def _quicksort(rows: list[T], start: int, count: int, compare: Compare[T]) -> None:
    """The quicksort of Bentley and McIlroy with a check for sorted input, as in `src/include/lib/sort_template.h` of PostgreSQL."""
    while True:
        stop = start + count
        if all(compare(rows[at - 1], rows[at]) <= 0 for at in range(start + 1, stop)):
            return
        if count < _FEW:
            for at in range(start + 1, stop):
                while at > start and compare(rows[at - 1], rows[at]) > 0:
                    _swap(rows, at, at - 1)
                    at -= 1
            return
        _swap(rows, start, _pivot(rows, start, count, compare))
        below, above = _partition(rows, start, count, compare)
        smaller, larger = (start, below), (stop - above, above)
        if below > above:
            smaller, larger = larger, smaller
        if smaller[1] > 1:
            _quicksort(rows, *smaller, compare)
        if larger[1] <= 1:
            return
        start, count = larger


def _pivot(rows: list[T], start: int, count: int, compare: Compare[T]) -> int:
    low, middle, high = start, start + count // 2, start + count - 1
    if count == _FEW:
        return middle
    if count > _MANY:
        step = count // 8
        low = _median(rows, low, low + step, low + 2 * step, compare)
        middle = _median(rows, middle - step, middle, middle + step, compare)
        high = _median(rows, high - 2 * step, high - step, high, compare)
    return _median(rows, low, middle, high, compare)


def _median(rows: list[T], one: int, two: int, three: int, compare: Compare[T]) -> int:
    if compare(rows[one], rows[two]) < 0:
        if compare(rows[two], rows[three]) < 0:
            return two
        return three if compare(rows[one], rows[three]) < 0 else one
    if compare(rows[two], rows[three]) > 0:
        return two
    return one if compare(rows[one], rows[three]) < 0 else three


def _partition(rows: list[T], start: int, count: int, compare: Compare[T]) -> tuple[int, int]:
    """Put smaller rows first, greater ones last and those equal to the pivot between; answer how many are smaller and greater."""
    stop = start + count
    equal_low = low = start + 1
    equal_high = high = stop - 1
    while True:
        while low <= high and (said := compare(rows[low], rows[start])) <= 0:
            if said == 0:
                _swap(rows, equal_low, low)
                equal_low += 1
            low += 1
        while low <= high and (said := compare(rows[high], rows[start])) >= 0:
            if said == 0:
                _swap(rows, high, equal_high)
                equal_high -= 1
            high -= 1
        if low > high:
            break
        _swap(rows, low, high)
        low += 1
        high -= 1
    _swap_runs(rows, start, low, min(equal_low - start, low - equal_low))
    _swap_runs(rows, low, stop, min(equal_high - high, stop - equal_high - 1))
    return low - equal_low, equal_high - high


def _swap_runs(rows: list[T], first: int, end: int, length: int) -> None:
    """Swap the run that begins at `first` with the one of the same length that ends before `end`."""
    for offset in range(length):
        _swap(rows, first + offset, end - length + offset)


def _swap(rows: list[T], one: int, other: int) -> None:
    rows[one], rows[other] = rows[other], rows[one]
