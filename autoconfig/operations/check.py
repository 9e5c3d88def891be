"""`bt-autoconfig check`: whether everything that clients depend on is right, as seen from outside."""

import asyncio
from collections.abc import Sequence

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.check_run import Run
from autoconfig.operations.domains import Domain, ServedDomain
from autoconfig.operations.foreign_check import ForeignCheck
from autoconfig.operations.names import Names
from autoconfig.operations.report import LATE, Report
from autoconfig.operations.served_check import ServedCheck
from autoconfig.operations.web import Web


class Check:
    """A check of some domains: records, web servers, services, mail servers, and what each client ends up with.

    With `in_dns` false the server is asked where `web` is told to, and the DNS is left out of it; `internet` is then
    the web as the DNS has it. The report is that of what could be checked in `max_time` seconds.
    """

    def __init__(
        self,
        web: Web,
        names: Names,
        attempts: Attempts,
        *,
        in_dns: bool = True,
        max_time: float | None = None,
        internet: Web | None = None,
    ) -> None:
        self._run = Run(web, internet or web, names, attempts, in_dns=in_dns, max_time=max_time)

    @property
    def report(self) -> Report:
        """The report, which grows while the check runs."""
        return self._run.report

    async def begin(self, domains: Sequence[Domain]) -> None:
        """Begin all lines, in the order in which they are to be read."""
        self.report.domains = [domain.name for domain in domains]
        served = [ServedCheck(self._run, domain) for domain in domains if isinstance(domain, ServedDomain)]
        foreign = [ForeignCheck(self._run, domain) for domain in domains if not isinstance(domain, ServedDomain)]
        checks: list[ServedCheck | ForeignCheck] = [*served, *foreign]
        try:
            async with asyncio.timeout(self.report.seconds_left):
                await asyncio.gather(*(one.prepare() for one in checks))
        except TimeoutError:
            for domain in domains:
                self.report.note("DNS", domain.name, LATE, domain.name)
            return
        for one in checks:
            await one.begin_names()
        for one in checks:
            await one.begin_web()
        for one in checks:
            one.begin_services()
        for one in checks:
            one.begin_mail()
        for one in checks:
            one.begin_clients()
