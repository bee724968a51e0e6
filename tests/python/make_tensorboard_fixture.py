#!/usr/bin/env python3
"""Writes the events of core/src/event/tensorboard/tests.rs with TensorBoard's own writer.

    pip install tensorboard==2.21.0 && python make_tensorboard_fixture.py
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "tensorboard" / "events.tfevents"


def summary(**values: float) -> Summary:
    return Summary(value=[Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in values.items()])


EVENTS = [
    Event(wall_time=1.5, file_version="brain.Event:2"),
    Event(
        wall_time=2.25,
        step=1,
        summary=summary(train__loss=0.75, train__learning_rate=3e-3, train__gradient_norm=float("inf"), train__tokens_per_second=512.0),
    ),
    Event(wall_time=3.5, step=300, summary=summary(validation__accuracy=0.875, validation__loss=float("nan"))),
    Event(wall_time=4.0, step=201, session_log=SessionLog(status=SessionLog.START)),
]


def main() -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("wb") as file:
        writer = RecordWriter(file)
        for event in EVENTS:
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()


if __name__ == "__main__":
    main()
