#!/usr/bin/env python3
"""Random cases for next_times(), with what cron.py expects of each.

    cron_cases.py SEED PATTERNS YEAR[-YEAR] ZONE...

Prints a line for each case, its fields apart by tabs: pattern, zone, from, to, on_gap, on_fold, and the expected instants as
an array of PostgreSQL.  Windows are the 7 days around each change of a zone's offset in those years, and 14 other days.
The zone files are those that the environment's PYTHONTZPATH names, which have to be those of the server.
"""
import random
import sys
from datetime import datetime, timedelta

import cron

GAPS = ("next", "shift", "skip")
FOLDS = ("first", "second", "both")


def field(rng, low, high, star=0.3):
    """A field of a pattern: one to three elements."""
    if rng.random() < star:
        return "*" if rng.random() < 0.6 else f"*/{rng.randint(1, high)}"
    parts = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        first = rng.randint(low, high)
        kind = rng.random()
        if kind < 0.6:
            parts.append(str(first))
        elif kind < 0.8:
            parts.append(f"{first}-{rng.randint(first, high)}")
        else:
            parts.append(f"{first}/{rng.randint(1, high)}")
    return ",".join(parts)


def days(rng):
    """Day of month, month and day of week: nearly always such that something is due in most weeks."""
    month = "*" if rng.random() < 0.8 else field(rng, 1, 12)
    kind = rng.random()
    if kind < 0.6:
        return "*", month, "*"
    if kind < 0.75:
        return field(rng, 1, 31), month, "*"
    if kind < 0.85:
        return "*", month, rng.choice((field(rng, 0, 6), "MON-FRI", "SUN", "7", "SAT,SUN", "1-7/2"))
    if kind < 0.95:
        return field(rng, 1, 31, 0.1), month, field(rng, 0, 6, 0.1)
    return rng.choice((("L", month, "*"), ("15W", month, "*"), ("LW", month, "*"), ("1W", month, "*"), ("31W", month, "*"),
                       ("*", month, "5L"), ("*", month, "SUNL"), ("*", month, "SUN#2"), ("*", month, "0#5"), ("L", month, "MON#1")))


def pattern(rng):
    # hours in which clocks change are what matters
    hour = rng.choice((field(rng, 0, 23), field(rng, 0, 4, 0.1)))
    while True:
        text = " ".join((field(rng, 0, 59, 0.2), hour, *days(rng)))
        if is_possible(text):
            return text


def is_possible(text):
    """Patterns that name no day are refused, which is tested elsewhere."""
    c = cron.Cron(text)
    day = datetime(2023, 1, 1).date()
    return any(c.day_matches(day + timedelta(days=i)) for i in range(5 * 366))


def windows(rng, zone, first, last):
    out = [(at - timedelta(days=3.5), at + timedelta(days=3.5)) for at, _, _ in cron.changes(cron.ZoneInfo(zone), first, last)]
    start = cron.utc(f"{rng.randint(first, last)}-01-01") + timedelta(days=rng.randint(0, 350))
    return out + [(start, start + timedelta(days=14))]


def main(seed, patterns, years, zones):
    rng = random.Random(seed)
    first, last = int(years.split("-")[0]), int(years.split("-")[-1])
    known = {zone: windows(rng, zone, first, last) for zone in zones}
    for _ in range(patterns):
        text = pattern(rng)
        parsed = cron.Cron(text)
        rules = [(g, f) for g in GAPS for f in FOLDS] if parsed.fixed else [("next", "first")]
        for zone in zones:
            for start, end in known[zone]:
                for gap, fold in rules:
                    due = cron.by_days(parsed, cron.ZoneInfo(zone), start, end, gap, fold)
                    print(text, zone, start.isoformat(), end.isoformat(), gap, fold,
                          "{" + ",".join(t.isoformat() for t in due) + "}", sep="\t")


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
