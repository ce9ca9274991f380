"""Who the caller is, which networks it holds, and proof of what was erased."""

from datetime import datetime

from kessetsu_client.answers import CertificateList, Holding, Me
from kessetsu_client.decoding import instant_text, read
from kessetsu_client.errors import BadArgument
from kessetsu_client.once import Operation
from kessetsu_client.operations.base import Base
from kessetsu_client.wire import Steps


class Account(Base):
    """The caller itself."""

    @Operation
    def me(self) -> Steps[Me]:
        """Return whom the hub takes the caller for."""
        return read(Me, (yield from self._get("v1/me")))

    @Operation
    def holdings(self) -> Steps[tuple[Holding, ...]]:
        """Return the networks the caller operates or has declared."""
        return read(tuple[Holding, ...], (yield from self._get("v1/holdings")), under="holdings")

    @Operation
    def declare_holding(
        self,
        *,
        prefix: str | None = None,
        asn: int | None = None,
        valid_from: datetime,
        valid_to: datetime | None = None,
        shared_space: bool = False,
    ) -> Steps[Holding]:
        """Declare a network, by prefix or by AS number, as operated since ``valid_from``.

        It is a proposal until an officer of the hub approves it. ``shared_space``: its addresses are shared
        by several subscribers at once (CGNAT, MAP-E, DS-Lite).
        """
        if (prefix is None) == (asn is None):
            raise BadArgument("A holding is one prefix or one AS number.", action="Give exactly one of the two.")
        dates = [date for date in (valid_from, valid_to) if date is not None]
        if any(date.tzinfo is None for date in dates):
            raise BadArgument("A date of the holding has no zone.", action="Add one, as in 2026-01-31T00:00:00+09:00.")
        network: dict[str, object] = {"prefix": prefix} if asn is None else {"asn": asn}
        names = ("valid_from", "valid_to")
        content = network | dict(zip(names, map(instant_text, dates), strict=False)) | {"shared_space": shared_space}
        return read(Holding, (yield from self._post("v1/holdings", content, repeatable=False)))

    @Operation
    def certificates(self, *, limit: int | None = None) -> Steps[CertificateList]:
        """Return deletion certificates over the caller's parcels and reports, as the hub signed them."""
        return read(CertificateList, (yield from self._get("v1/certificates", {"limit": limit})))
