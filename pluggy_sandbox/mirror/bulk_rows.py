"""The bulk rows of one account as Pluggy holds them: which days were collected when, and each row's JSON on demand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pluggy_sandbox.bank.bulk import BulkIds, Place, day_number, rows_on
from pluggy_sandbox.instants import iso, midnight_in_brazil

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


@dataclass(frozen=True)
class Segment:
    """Days collected in one run."""

    first: int
    last: int
    created_at: datetime


@dataclass
class BulkRows:
    """Bulk rows from the account's first day on."""

    account_id: str
    volume: int
    opened: date
    is_card: bool
    segments: list[Segment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = BulkIds(self.account_id)
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

    def find(self, row_id: str) -> bytes | None:
        """Return the bulk row with this id, or None."""
        place = self._held(row_id)
        if place is None:
            return None
        segment = next(s for s in self.segments if s.first <= place.day <= s.last)
        return self._body(place, row_id, iso(segment.created_at))

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
        # Rows stand at even steps through the day, so the first one below *top* is computed, not searched.
        step_top = (top[0] - self._day_zero_ms - day * _DAY_MS) * count // _DAY_MS + 1
        for number in range(min(count - 1, step_top), -1, -1):
            place = Place(day, number)
            position = self._position(place, count)
            if position >= top:
                continue
            if position < low:
                return
            row_id = self._ids.id_of(place)
            yield position, row_id, self._body(place, row_id, created)

    def _held(self, row_id: str) -> Place | None:
        place = self._ids.place_of(row_id) if self.volume else None
        if place is None or place.number >= rows_on(self.volume, place.day):
            return None
        return place if any(s.first <= place.day <= s.last for s in self.segments) else None

    def _position(self, place: Place, count: int) -> Position:
        ms = self._day_zero_ms + place.day * _DAY_MS + place.number * _DAY_MS // count // 1000 * 1000
        return ms, _BELOW + place.number

    def _body(self, place: Place, row_id: str, created: str) -> bytes:
        count = rows_on(self.volume, place.day)
        ms = self._position(place, count)[0]
        mixed = int(row_id[:8], 16)
        kind = mixed % len(_WORDS)
        words, category_id, category = _WORDS[kind]
        received = kind == _RECEIVED
        cents = 100 + mixed // 7 % 90_000
        sign = "-" if received == self.is_card else ""
        at = _instant(ms)
        return (
            f'{{"id":"{row_id}","accountId":"{self.account_id}","description":"{words} {place.number:05d}",'
            f'"descriptionRaw":null,"currencyCode":"BRL","amount":{sign}{cents // 100}.{cents % 100:02d},'
            f'"amountInAccountCurrency":null,"date":"{at}","type":"{"CREDIT" if received else "DEBIT"}",'
            f'"balance":null,"providerCode":null,"providerId":null,"status":"POSTED","category":"{category}",'
            f'"categoryId":"{category_id}","operationType":null,"operationTypeAdditionalInfo":null,'
            f'"order":{place.number},"paymentData":null,"creditCardMetadata":null,"merchant":null,'
            f'"createdAt":"{created}","updatedAt":"{created}"}}'
        ).encode()


def _instant(ms: int) -> str:
    seconds = ms // 1000
    day, rest = divmod(seconds, 86_400)
    return f"{_date_text(day)}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.000Z"


def _date_text(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
