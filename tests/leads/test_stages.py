"""The table of stages and moves."""

from leads.stages import CLOSED, MOVES, OPEN, StageKey, moves_from


def test_every_open_stage_can_end_in_every_way() -> None:
    for stage in OPEN:
        assert {m.target for m in moves_from(stage) if m.outcome} == set(CLOSED)


def test_every_stage_can_be_reached_and_left() -> None:
    assert {target for _, target in MOVES} == set(StageKey)
    assert {source for source, _ in MOVES} == set(StageKey)


def test_moves_to_sql_and_beyond_need_the_gates() -> None:
    for (_, target), move in MOVES.items():
        if target in (StageKey.SQL, StageKey.OPPORTUNITY) and not move.back:
            assert move.gates or move.source == StageKey.WON
