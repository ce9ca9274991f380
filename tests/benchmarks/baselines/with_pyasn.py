"""What an engineer would write first: parse, look up with pyasn, one file per holder. One core, no checks, no keys."""

import csv
import gc
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyasn

from tests.benchmarks.baselines.talking import Work, answer

WAYS = ("plain", "batched")


def plain(table: pyasn.pyasn, holder: dict[int, int]) -> Work:
    """Go line by line through the ``csv`` module and keep the rows of each holder until all are read."""

    def work(source: Path, target: Path) -> int:
        kept: defaultdict[int, list[list[str]]] = defaultdict(list)
        with source.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows)
            for row in rows:
                asn, _ = table.lookup(row[0])
                if asn in holder:
                    kept[holder[asn]].append(row)
        for member, mine in kept.items():
            with (target / f"{member}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(header)
                writer.writerows(mine)
        return sum(map(len, kept.values()))

    return work


def batched(table: pyasn.pyasn, holder: dict[int, int]) -> Work:
    """Cut only the address off each line, look up below pyasn's own wrapper, write lines as they came; no collector.

    Without cycles to find, Python's collector would only go over the growing lists again and again.
    """
    gc.disable()

    def work(source: Path, target: Path) -> int:
        header, *lines = source.read_text(encoding="ascii").splitlines()
        kept: defaultdict[int | None, list[str]] = defaultdict(list)
        for member, line in zip(_members(lines, table, holder), lines, strict=True):
            kept[member].append(line)
        kept.pop(None, None)
        for member, mine in kept.items():
            (target / f"{member}.csv").write_text("\n".join([header, *mine, ""]), encoding="ascii")
        return sum(map(len, kept.values()))

    return work


def _members(lines: list[str], table: pyasn.pyasn, holder: dict[int, int]) -> Iterable[int | None]:
    best, get = table.radix.search_best, holder.get
    for line in lines:
        node = best(line.split(",", 1)[0])
        yield None if node is None else get(node.asn)


if __name__ == "__main__":
    way, prefixes, holders = sys.argv[1:]
    lines = Path(holders).read_text(encoding="ascii").splitlines()
    systems = {int(asn): int(member) for asn, member in csv.reader(lines)}
    answer({"plain": plain, "batched": batched}[way](pyasn.pyasn(prefixes), systems))
