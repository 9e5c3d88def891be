"""What the parts of a check share: the report, connections, lookups and checks of shared servers."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from autoconfig.operations import mail, tls
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.client_lookups import ClientLookups
from autoconfig.operations.mail_session import MailServer
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Line, Report, Verdict, at_each
from autoconfig.operations.web import Web
from autoconfig.operations.zone_servers import ZoneServers


class Run:
    """A running check.

    `web` sends requests as clients do, or to a server that is not in the DNS yet. `internet` always follows the DNS.
    """

    def __init__(
        self, web: Web, internet: Web, names: Names, attempts: Attempts, *, in_dns: bool, max_time: float | None
    ) -> None:
        self.report = Report(max_time)
        self.web, self.internet, self.names = web, internet, names
        self.zone_servers = ZoneServers(names)
        self.in_dns = in_dns
        self.client_lookups = ClientLookups(web, names, in_dns=in_dns)
        self._attempts = attempts
        self._tls = tls.context()
        self._shared: dict[tuple[str, str], Line] = {}

    def shared_line(
        self, area: str, subject: str, check: Callable[[], Coroutine[Any, Any, Finding]], domain: str
    ) -> Line:
        """Start a check that several domains may share, only once. Return its line."""
        key = (area, subject)
        if key not in self._shared:
            self._shared[key] = self.report.add(area, subject, check(), domain)
        elif self._shared[key].domain != domain:
            self._shared[key].domain = ""
        return self._shared[key]

    def mail_line(self, server: MailServer, domain: str) -> Line:
        """Start the check of a mail server. Return its line."""
        return self.shared_line("mail", str(server), partial(self.mail_server, server), domain)

    async def mail_server(self, server: MailServer) -> Finding:
        """Check a mail server at each of its addresses. Raises Problem."""
        found = await at_each(
            await self.names.addresses(server.host),
            lambda address: mail.check(server, address, self._tls, self._attempts),
        )
        return next((one for one in found if one.verdict is not Verdict.OK), found[0])
