"""Lines that are said once a minute however often they come."""

from __future__ import annotations

from nimbus.base.seldom import SILENCE_S, TEXTS_MAX, Seldom


def test_a_text_is_due_at_once_and_then_once_a_minute_with_the_count_of_what_was_held_back() -> None:
    seldom = Seldom()
    assert seldom.due("a", 5.0) == 0
    assert [seldom.due("a", 5.0 + second) for second in (0, 1, SILENCE_S - 1)] == [None, None, None]
    assert seldom.due("b", 6.0) == 0
    assert seldom.due("a", 5.0 + SILENCE_S) == 3
    assert seldom.due("a", 6.0 + SILENCE_S) is None


def test_it_remembers_so_many_texts_and_no_more() -> None:
    seldom = Seldom()
    for number in range(TEXTS_MAX + 1):
        assert seldom.due(f"text {number}", 1.0) == 0
    assert seldom.due(f"text {TEXTS_MAX}", 1.0) is None
    assert seldom.due("text 0", 1.0) == 0
