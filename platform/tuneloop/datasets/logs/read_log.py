"""A file of a log as a stream of answers."""

from collections import Counter
from collections.abc import Iterator

from tuneloop.datasets.formats import Reading
from tuneloop.datasets.logs.logged import LoggedAnswer, LogSource, NoAnswer, Unreadable
from tuneloop.datasets.logs.parse_log import parse_log, source_of
from tuneloop.datasets.row import Choice, Record, RowProblem, problem


class LogReading:
    """Answers and problems in the order of the file. `others` counts rows that are no answers."""

    def __init__(self, reading: Reading, choice: Choice, *, time_column: str | None = None) -> None:
        self._reading = reading
        self._choice = choice
        self._time_column = time_column
        self._sources: Counter[LogSource] = Counter()
        self.others = 0

    @property
    def source(self) -> LogSource:
        """What most of the rows read so far are from."""
        return self._sources.most_common(1)[0][0] if self._sources else LogSource.TABLE

    def __iter__(self) -> Iterator[LoggedAnswer | RowProblem]:
        for record in self._reading.records():
            if isinstance(record, RowProblem):
                yield record
            elif (found := self._read(record)) is None:
                self.others += 1
            else:
                yield found

    def _read(self, record: Record) -> LoggedAnswer | RowProblem | None:
        self._sources[source_of(record.values)] += 1
        try:
            return parse_log(record, self._choice, time_column=self._time_column)
        except NoAnswer:
            return None
        except Unreadable as error:
            return problem(record.line, str(error))
