"""The composition root: settings in, a working hub out. Nothing else builds adapters."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import sharing_policies
from hub.clock import Clock, SystemClock
from hub.delivery.inbox import Described, Inbox, body_of
from hub.delivery.recall import RecallDesk
from hub.delivery.render import MediaType
from hub.disclosure.columns import narrow_frame
from hub.disclosure.door import Door
from hub.disclosure.engine import PolicyEngine
from hub.disclosure.explain import Reason, explain
from hub.disclosure.secret_body import SecretBody
from hub.errors import BadInput, NotFound
from hub.flow import Flow
from hub.intake.csv_records import IntakeLimits
from hub.intake.step import IntakeRules
from hub.members.credentials import authenticate, require
from hub.members.directory import require_holder
from hub.members.holdings import Holding
from hub.records import Caller, Grant, ReportStatus
from hub.retention.policy import RetentionPolicy
from hub.sealing.boxes import open_all
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.sealing.signing import Signer
from hub.settings import Settings
from hub.store.directory import Directory
from hub.store.engine import DatabaseTarget, make_engine
from hub.store.networks import DeclaredHolding
from hub.store.unit import Store
from hub.vocabulary import Scope

MAX_DECLARATIONS = 10_000
"""Networks one capacity may declare."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything a program needs, under one database role."""

    settings: Settings
    clock: Clock
    store: Store
    keys: KeyService
    signer: Signer
    door: Door
    retention: RetentionPolicy
    directory: Directory
    flow: Flow
    inbox: Inbox
    recalls: RecallDesk

    def authenticate(self, token: str) -> Caller:
        """Return who presents a token."""
        with self.store.reading() as unit:
            return authenticate(token, unit.credentials, self.clock.now())

    # --- a reporter asks ------------------------------------------------------------------------------

    def own_reports(self, caller: Caller, *, before: tuple[datetime, UUID] | None, limit: int) -> list[ReportStatus]:
        """Return the caller's reports, newest first."""
        with self.store.reading() as unit:
            return unit.reports.page(caller.member_id, before=before, limit=limit)

    def own_report(self, caller: Caller, report_id: UUID) -> ReportStatus:
        """Return one of the caller's reports."""
        with self.store.reading() as unit:
            status = unit.reports.status(report_id)
        if status is None or status.member_id != caller.member_id:
            raise NotFound("You have no such report.", expected="the id of a report of yours")
        return status

    # --- a recipient asks -----------------------------------------------------------------------------

    def describe_parcel(self, caller: Caller, parcel_id: UUID) -> tuple[Described, list[tuple[Reason, Reason]]]:
        """Return a parcel without records, and why it shows what it shows, in English and Japanese."""
        described = self.inbox.describe(caller, parcel_id)
        english = explain(described.verdict, self.door.engine.rules, "en").reasons
        japanese = explain(described.verdict, self.door.engine.rules, "ja").reasons
        return described, list(zip(english, japanese, strict=True))

    def read_parcel(self, caller: Caller, parcel_id: UUID, media: MediaType) -> SecretBody:
        """Open a parcel's records for a caller; that they are read is committed to the log by then."""
        opened = self.inbox.open(caller, parcel_id)
        return self.door.mark(opened.item, opened.fields, media.value, body_of(opened, media))

    def stored_grant(self, parcel_id: UUID, capacity_id: UUID) -> Grant | None:
        """Return a grant as it is stored now, for the check at the edge."""
        with self.store.reading() as unit:
            item = unit.parcels.granted(parcel_id, capacity_id)
        return None if item is None else item.grant

    # --- a member about itself ------------------------------------------------------------------------

    def own_holdings(self, caller: Caller) -> list[DeclaredHolding]:
        """Return the caller's declarations."""
        require(caller, Scope.HOLDINGS)
        with self.store.reading() as unit:
            return unit.networks.declared(capacity_id=caller.capacity_id)

    def declare_holding(
        self,
        caller: Caller,
        *,
        prefix: tuple[int, int, int] | None,
        asn: int | None,
        valid_from: datetime,
        valid_to: datetime | None,
        shared_space: bool,
    ) -> DeclaredHolding:
        """Store a declaration as a proposal for the officer."""
        require(caller, Scope.HOLDINGS)
        require_holder(caller.kind)
        holding = Holding(
            uuid4(), caller.member_id, caller.capacity_id, prefix, asn, valid_from, valid_to, shared_space
        )
        _require_declarable(holding)
        with self.store.writing() as unit:
            if len(unit.networks.declared(capacity_id=caller.capacity_id)) >= MAX_DECLARATIONS:
                raise BadInput("Too many declarations.", expected=f"at most {MAX_DECLARATIONS:,} per capacity")
            unit.networks.declare(holding, self.clock.now())
            declared = unit.networks.declaration(holding.id)
        if declared is None:
            raise RuntimeError("a declaration just stored is not there")
        return declared

    def own_certificates(self, caller: Caller, limit: int) -> list[tuple[UUID, dict[str, Any], str]]:
        """Return the deletion certificates that cover the caller's reports or parcels, newest first."""
        with self.store.reading() as unit:
            return unit.certificates.of_capacity(caller.capacity_id, limit)

    def about(self, caller: Caller) -> tuple[str, datetime]:
        """Return the caller's member name and its token's end."""
        with self.store.reading() as unit:
            return unit.credentials.about(caller.credential_id)

    def close(self) -> None:
        """Give back what the hub holds open."""
        self.store.close()

    @classmethod
    def of(cls, settings: Settings, store: Store, clock: Clock) -> Self:
        """Build a hub over an open store; keys and policies are read, and refused, here."""
        policies = settings.policies.directory or sharing_policies.directory()
        keys = KeyService(settings.keys.store, MasterKey.from_file(settings.keys.master_key_file), clock)
        signer = Signer.from_file(settings.keys.signing_key_file)
        retention = RetentionPolicy.load(policies / "retention.toml")
        door = Door(PolicyEngine.load(policies))
        directory = Directory(store)
        flow = Flow(
            store=store,
            keys=keys,
            signer=signer,
            clock=clock,
            retention=retention,
            rules=_rules(settings),
            directory=directory,
            door=door,
            minimum_cell=settings.statistics.minimum_cell,
        )
        inbox = Inbox(store, door, narrow_frame, partial(open_all, keys), clock)
        recalls = RecallDesk(store, clock, settings.statistics.minimum_cell)
        return cls(settings, clock, store, keys, signer, door, retention, directory, flow, inbox, recalls)


def open_store(settings: Settings, program: str, clock: Clock | None = None, *, pool_size: int | None = None) -> Store:
    """Connect as the database role of ``program``: ``api``, ``worker`` or ``operator``."""
    target = target_of(settings, program)
    engine = make_engine(
        target, application_name=f"kessetsu-{program}", pool_size=pool_size or settings.database.pool_size
    )
    return Store(engine, clock or SystemClock(), minimum_cell=settings.statistics.minimum_cell)


def target_of(settings: Settings, program: str) -> DatabaseTarget:
    """Return where the database of ``program`` is: same place for all, another role each."""
    database = settings.database
    password_file: Path = getattr(database, f"{program}_password_file")
    return DatabaseTarget(database.host, database.port, database.name, f"kessetsu_{program}", password_file)


def open_hub(settings: Settings, program: str, clock: Clock | None = None) -> Hub:
    """Build the hub a program works with."""
    clock = clock or SystemClock()
    return Hub.of(settings, open_store(settings, program, clock), clock)


def _rules(settings: Settings) -> IntakeRules:
    intake = settings.intake
    return IntakeRules(
        limits=IntakeLimits(max_rows=intake.max_rows, max_errors=intake.max_errors),
        max_decoded_bytes=intake.max_decoded_bytes,
        drills_only=settings.demo_only,
    )


def _require_declarable(holding: Holding) -> None:
    if (holding.prefix is None) == (holding.asn is None):
        raise BadInput("A declaration names a network.", expected="either a prefix or an AS number")
    if holding.valid_to is not None and holding.valid_to <= holding.valid_from:
        raise BadInput("The declaration ends before it begins.", expected="valid_to later than valid_from")
