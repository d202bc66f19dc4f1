"""The bulk rows of one account as Pluggy holds them: which days were collected when, and each row's JSON on demand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate

from pluggy_sandbox.bank.bulk import DAYS, BulkIds, Place, day_number, rows_on
from pluggy_sandbox.holdings.categories import with_category
from pluggy_sandbox.wire.encoding import cents
from pluggy_sandbox.wire.instants import iso, midnight_in_brazil

Position = tuple[int, int]
_DAY_MS = 86_400_000
_BELOW = -(1 << 31)  # bulk rows come before the others of their instant

_WORDS = (
    ("PIX ENVIADO", "05070000", "Transfer - PIX"),
    ("COMPRA DEBITO MERCADO", "10000000", "Groceries"),
    ("COMPRA DEBITO FARMACIA", "18020000", "Pharmacy"),
    ("PAGAMENTO DE BOLETO", "14000000", "Housing"),
    ("PIX RECEBIDO", "05070000", "Transfer - PIX"),
)
_RECEIVED = 4
_HOW_MANY = 9973  # amounts, written once; a prime, so that they do not fall in step with the days
_AMOUNTS = tuple(f"{1 + n * 7 % 900}.{n * 37 % 100:02d}" for n in range(_HOW_MANY))


@dataclass(frozen=True)
class Segment:
    """Days collected in one execution."""

    first: int
    last: int
    created_at: datetime


@dataclass(frozen=True)
class Chosen:
    """The category that the application chose for one row, and when."""

    category_id: str
    at: datetime


@dataclass
class BulkRows:
    """Bulk rows from the account's first day on."""

    account_id: str
    volume: int
    opened: date
    is_card: bool
    segments: list[Segment] = field(default_factory=list)
    chosen: dict[str, Chosen] = field(default_factory=dict)  # by the row's id

    def __post_init__(self) -> None:
        self._ids = BulkIds(self.account_id)
        self._parts = [self._written(kind) for kind in range(len(_WORDS))]
        self._day_zero_ms = int(midnight_in_brazil(self.opened).timestamp() * 1000)

    def collect(self, first: date, last: date, created_at: datetime) -> int:
        """Take in the days from *first* to *last* that are not held yet; return how many rows that adds."""
        if not self.volume:
            return 0
        start = max(day_number(self.opened, first), self.segments[-1].last + 1 if self.segments else 0)
        end = day_number(self.opened, last)
        if end < start:
            return 0
        self.segments.append(Segment(start, end, created_at))
        return sum(rows_on(self.volume, day) for day in range(start, end + 1))

    def count(self) -> int:
        """Return how many bulk rows are held."""
        return sum(rows_on(self.volume, d) for s in self.segments for d in range(s.first, s.last + 1))

    def total(self, until: datetime) -> Decimal:
        """Return what the rows up to *until* have moved, those that are not held yet included."""
        if not self.volume:
            return cents(0)
        passed_ms = int(until.timestamp() * 1000) - self._day_zero_ms
        today, in_day_ms = divmod(passed_ms, _DAY_MS)
        count = rows_on(self.volume, today)
        # A row stands at the whole second of its step, so those of this very second count.
        begun = min(count, -(-(in_day_ms // 1000 + 1) * 1000 * count // _DAY_MS))
        # What a row moves depends on its number alone, so days of as many rows move the same.
        sums = self._sums(max(rows_on(self.volume, day) for day in range(DAYS)))
        return cents(sums[begun] + sum(sums[rows_on(self.volume, day)] for day in range(today)))

    def _sums(self, most: int) -> list[int]:
        """Return what the first rows of a day move, in cents: of none, of one, up to *most*."""
        return list(accumulate(map(self._cents, range(most)), initial=0))

    def _cents(self, number: int) -> int:
        mixed = self._ids.number_mixed(number)
        amount = int(_AMOUNTS[mixed % _HOW_MANY].replace(".", ""))
        return -amount if self._is_negative(mixed % 5) else amount

    def _is_negative(self, kind: int) -> bool:
        return (kind == _RECEIVED) == self.is_card

    def find(self, row_id: str) -> bytes | None:
        """Return the bulk row with this id, or None."""
        place = self._held(row_id)
        if place is None:
            return None
        segment = next(s for s in self.segments if s.first <= place.day <= s.last)
        ms = self._position(place, rows_on(self.volume, place.day))[0]
        return self._shown(*self._write(self._ids.prefix(place.day), place.number, ms, iso(segment.created_at)))

    def recategorise(self, row_id: str, category_id: str, at: datetime) -> bytes | None:
        """Set the category that the application chose; return the row, None for an unknown one."""
        place = self._held(row_id)
        if place is None:
            return None
        collected = next(s for s in self.segments if s.first <= place.day <= s.last).created_at
        self.chosen[row_id.lower()] = Chosen(category_id, max(at, collected + timedelta(milliseconds=1)))
        return self.find(row_id)

    def _shown(self, row_id: str, body: bytes) -> bytes:
        chosen = self.chosen.get(row_id)
        if chosen is None:
            return body
        return with_category(body, chosen.category_id, updated_at=chosen.at)

    def place(self, row_id: str) -> Position | None:
        """Return where the bulk row with this id stands, or None."""
        place = self._held(row_id)
        return None if place is None else self._position(place, rows_on(self.volume, place.day))

    def descending(
        self, low: Position, top: Position, created_from: datetime | None
    ) -> Iterator[tuple[Position, str, bytes]]:
        """Yield the rows at or after *low* and before *top*, newest first."""
        for segment in reversed(self.segments):
            if created_from is not None and segment.created_at < created_from:
                continue
            created = iso(segment.created_at)
            last = min(segment.last, (top[0] - self._day_zero_ms) // _DAY_MS)
            for day in range(last, segment.first - 1, -1):
                if self._day_zero_ms + (day + 1) * _DAY_MS <= low[0]:
                    return
                yield from self._day_descending(day, low, top, created)

    def _day_descending(
        self, day: int, low: Position, top: Position, created: str
    ) -> Iterator[tuple[Position, str, bytes]]:
        count = rows_on(self.volume, day)
        start, prefix, write = self._day_zero_ms + day * _DAY_MS, self._ids.prefix(day), self._write
        # Rows stand at even steps through the day, so the first one below *top* is computed, not searched.
        step_top = (top[0] - start) * count // _DAY_MS + 1
        for number in range(min(count - 1, step_top), -1, -1):
            position = (start + number * _DAY_MS // count // 1000 * 1000, _BELOW + number)
            if position >= top:
                continue
            if position < low:
                return
            row_id, body = write(prefix, number, position[0], created)
            yield position, row_id, self._shown(row_id, body) if self.chosen else body

    def _held(self, row_id: str) -> Place | None:
        place = self._ids.place_of(row_id) if self.volume else None
        if place is None or place.number >= rows_on(self.volume, place.day):
            return None
        return place if any(s.first <= place.day <= s.last for s in self.segments) else None

    def _position(self, place: Place, count: int) -> Position:
        ms = self._day_zero_ms + place.day * _DAY_MS + place.number * _DAY_MS // count // 1000 * 1000
        return ms, _BELOW + place.number

    def _write(self, prefix: str, number: int, ms: int, created: str) -> tuple[str, bytes]:
        """Return one row's id and JSON. A page's cost is here, hence the parts that are written once per account."""
        mixed = self._ids.number_mixed(number)
        half = f"{mixed:016x}"
        row_id = f"{prefix}{half[:4]}-{half[4:]}"
        start, middle, end = self._parts[mixed % 5]
        body = (
            f'{{"id":"{row_id}{start}{number}{middle}{_AMOUNTS[mixed % _HOW_MANY]}'
            f',"amountInAccountCurrency":null,"date":"{_instant(ms // 1000)}{end}{number},"paymentData":null'
            f',"creditCardMetadata":null,"merchant":null,"createdAt":"{created}","updatedAt":"{created}"}}'
        )
        return row_id, body.encode()

    def _written(self, kind: int) -> tuple[str, str, str]:
        """Return the parts of a row of this kind that are the same in all of them."""
        words, category_id, category = _WORDS[kind]
        received = kind == _RECEIVED
        sign = "-" if self._is_negative(kind) else ""
        start = f'","accountId":"{self.account_id}","description":"{words} '
        middle = f'","descriptionRaw":null,"currencyCode":"BRL","amount":{sign}'
        end = (
            f'","type":"{"CREDIT" if received else "DEBIT"}","balance":null,"providerCode":null,"providerId":null,'
            f'"status":"POSTED","category":"{category}","categoryId":"{category_id}","operationType":null,'
            f'"operationTypeAdditionalInfo":null,"order":'
        )
        return start, middle, end


def _instant(second: int) -> str:
    return f"{_date_text(second // 86_400)}{_time_text(second % 86_400)}"


@lru_cache(4096)
def _date_text(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


@lru_cache(16_384)
def _time_text(second: int) -> str:
    return f"T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000Z"
