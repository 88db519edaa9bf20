"""The loop in which contestants take turns."""

from lpie.benchmarks.harness.interleave import interleave


def test_members_take_turns():
    order = []

    def measure(member, number):
        order.append(f"{member}{number}")
        return number

    assert interleave("AB", measure, rounds=3) == [[0, 1, 2], [0, 1, 2]]
    assert order == ["A0", "B0", "A1", "B1", "A2", "B2"]
    order.clear()
    assert interleave("ABC", measure, rounds=2, alternate=True) == [[0, 1]] * 3
    assert order == ["A0", "B0", "C0", "C1", "B1", "A1"]


def test_who_drops_out_is_not_asked_again():
    asked, begun = [], []

    def measure(member, number):
        asked.append(member)
        return None if member == "B" and number == 1 else number

    results = interleave("ABC", measure, rounds=3, alternate=True, progress=begun.append)
    assert results == [[0, 1, 2], [0], [0, 1, 2]]
    assert asked.count("B") == 2
    assert begun == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
