"""Write what `make demo` has measured (build/demo.json) into docs/strategies.md, between its two markers."""

from __future__ import annotations

import json
import sys

from project import BUILD, ROOT

PAGE = ROOT / "docs/strategies.md"
BEGIN, END = "<!-- numbers of make demo: begin -->\n", "<!-- numbers of make demo: end -->\n"
ROWS = {
    "a good release, from its start to its end": "{release_s} s",
    "of it, both versions answered clients for": "{both_versions_s} s",
    "a release that turns slow after 4 s of traffic was sent requests": "{bad_requests}",
    "of all requests meanwhile": "{bad_percent} %",
    "for": "{bad_s} s",
    "a rollback by hand, from its start to its end": "{rollback_ms} ms",
    "from its start to the last request that the former release got": "{rollback_client_ms} ms",
}


def table(record: dict[str, dict[str, dict[str, float]]]) -> str:
    """The table in Markdown, a column for each strategy."""
    strategies = record["strategies"]
    rows = [["", *(name.replace("_", " ") for name in strategies)], ["---"] * (len(strategies) + 1)]
    rows += [[what, *(text.format(**numbers) for numbers in strategies.values())] for what, text in ROWS.items()]
    lines = "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
    return f"{lines}\n{record['requests']} requests in all, {record['lost']} lost.\n"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE} lacks a marker")
        return 1
    record = json.loads((BUILD / "demo.json").read_text(encoding="utf-8"))
    PAGE.write_text(f"{before}{BEGIN}\n{table(record)}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
