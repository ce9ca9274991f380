"""``push``: hand a report over."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kessetsu_client import words
from kessetsu_client.cli.catalogue import say
from kessetsu_client.cli.failures import OK, SOME_ROWS_REFUSED
from kessetsu_client.cli.layout import pairs, table
from kessetsu_client.cli.progress import progress_bar
from kessetsu_client.cli.session import Session, pass_session
from kessetsu_client.cli.speaking import Command
from kessetsu_client.cli.values import Instant, local
from kessetsu_client.errors import ReceiptNotSaved

if TYPE_CHECKING:
    from kessetsu_client.answers import Receipt

REQUIRED: Final = {
    "kind": "--kind",
    "legal_basis": "--basis",
    "purpose": "--purpose",
    "data_class": "--class",
    "mandate": "--mandate",
}
SHOWN_ERRORS: Final = 20


@click.command(
    cls=Command,
    help="""Push a file of records as a report.

    FILE is CSV, plain or compressed with gzip or zstd, with the columns src_ip, first_seen and, as known, src_port,
    dst_ip, dst_port, protocol, last_seen, packets, bytes, tcp_flags.

    Repeat the same command after any failure: the hub recognises it and takes nothing twice. The receipt is kept in
    ~/.local/state/kessetsu/receipts.""",
    examples=(
        (
            "kessetsu-client push attack.csv --kind attack --basis self-defence --purpose attack-response \\\n"
            "    --class attack-traffic --mandate M-2026-17 --target 192.0.2.10 \\\n"
            "    --start 2026-01-31T09:00:00+09:00 --end 2026-01-31T09:20:00+09:00 \\\n"
            "    --vector syn-flood --action block --severity ongoing-attack"
        ),
        "kessetsu-client push bots.csv.gz --envelope infected.json --mandate M-2026-18",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(words.KINDS), help="What the report says of its sources.")
@click.option("--basis", "legal_basis", type=click.Choice(words.LEGAL_BASES), help="Legal basis.")
@click.option("--mandate", metavar="REFERENCE", help="Mandate: for which member and matter the hub is to act.")
@click.option("--purpose", type=click.Choice(words.PURPOSES), help="What the data may be used for.")
@click.option("--class", "data_class", type=click.Choice(words.DATA_CLASSES), help="Retention class.")
@click.option("--consent", metavar="REFERENCE", help="Consent, where the basis is one.")
@click.option("--target", metavar="ADDRESS", help="Address or prefix under attack; required for attacks.")
@click.option("--start", type=Instant(), help="When it began, with zone; required for attacks.")
@click.option("--end", type=Instant(), help="When it ended, with zone; required for attacks.")
@click.option(
    "--vector",
    "vectors",
    multiple=True,
    metavar="NAME",
    help="Way of attacking, as syn-flood or dns-amplification; may be repeated; required for attacks.",
)
@click.option(
    "--action",
    "requested_action",
    type=click.Choice(words.ACTIONS),
    help="What recipients are asked to do; required for attacks.",
)
@click.option("--severity", type=click.Choice(words.SEVERITIES), help="How urgent it is.")
@click.option(
    "--family",
    "malware_family",
    metavar="NAME",
    help="Family of the malware; required for infected and likely-infected.",
)
@click.option("--detection", metavar="TEXT", help="How it was found; required for infected and likely-infected.")
@click.option("--vulnerability", metavar="ID", help="Vulnerability, as a CVE number; required for vulnerable-device.")
@click.option("--time-zone", metavar="ZONE", help="Zone of times that name none, as Asia/Tokyo.")
@click.option(
    "--epoch", "epoch_columns", metavar="COLUMNS", help="Columns in seconds since 1970: first_seen,last_seen."
)
@click.option("--on-error", type=click.Choice(words.ON_ERROR), help="Refuse bad rows only, or the whole report.")
@click.option(
    "--envelope",
    "envelope_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with the above; options win over it.",
)
@click.option("--again", is_flag=True, help="Push as a new report what was pushed before, as after a withdrawal.")
@pass_session
def push(session: Session, /, file: Path, envelope_file: Path | None, again: bool, **stated: object) -> int:  # noqa: FBT001 - click passes by name
    """Push a file and show the receipt."""
    envelope = _envelope(envelope_file, stated)
    bar = progress_bar(session, say("Sending"))
    with session.client() as client, _receipt_at_all_cost(session), bar as progress:
        saved = client.push(file, envelope, again=again, progress=progress)
    session.write(saved, lambda: f"{_human(saved.receipt)}\n{say('Receipt kept in {path}', path=saved.path)}")
    return SOME_ROWS_REFUSED if saved.receipt.rows_refused else OK


@contextmanager
def _receipt_at_all_cost(session: Session) -> Iterator[None]:
    """Show a receipt that could not be kept: it is nowhere else on this machine."""
    try:
        yield
    except ReceiptNotSaved as error:
        receipt = error.receipt
        session.write(receipt, lambda: _human(receipt))
        raise


def _envelope(file: Path | None, stated: Mapping[str, object]) -> Mapping[str, object]:
    envelope = {} if file is None else _read_envelope(file)
    envelope |= {name: value for name, value in stated.items() if value not in (None, ())}
    epoch = envelope.get("epoch_columns")
    if isinstance(epoch, str):
        envelope["epoch_columns"] = [column.strip() for column in epoch.split(",")]
    missing = [option for name, option in REQUIRED.items() if not envelope.get(name)]
    if missing:
        raise click.UsageError(say("missing: {what}", what=", ".join(missing)), click.get_current_context(silent=True))
    return envelope


def _read_envelope(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--envelope") from None
    if not isinstance(content, dict):
        raise click.BadParameter(say("not a JSON object"), param_hint="--envelope")
    return content


def _human(receipt: "Receipt") -> str:
    lines = [
        (say("Report"), receipt.report_id),
        (say("Received"), local(receipt.received_at)),
        (say("Rows taken"), f"{receipt.rows_taken:,}"),
        (say("Rows refused"), f"{receipt.rows_refused:,}"),
        (say("Erased by"), local(receipt.deadline)),
    ]
    parts = [pairs(lines)]
    if receipt.replayed:
        parts.append(say("The hub had this report already; nothing was taken twice."))
    if receipt.reasons:
        reasons = [(reason, f"{number:,}") for reason, number in receipt.reasons.items()]
        parts.append(table((say("Reason"), say("Rows")), reasons))
    if receipt.errors:
        errors = [(str(error.row), error.column, error.reason) for error in receipt.errors[:SHOWN_ERRORS]]
        parts.append(table((say("Row"), say("Column"), say("Reason")), errors))
    return "\n\n".join(parts) + "\n"
