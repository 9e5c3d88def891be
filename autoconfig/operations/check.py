"""`bt-autoconfig check`: check everything that mail clients depend on, from the outside."""

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
    """A check of some domains: DNS records, web servers, services, mail servers, and the account in each client.

    If `in_dns` is false, `web` sends all requests to a server that is not in the DNS yet, and the DNS is not checked.
    `internet` always follows the DNS. Lines that are not finished after `max_time` seconds are unknown.
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
        """The report. Lines are added while the check runs."""
        return self._run.report

    async def start(self, domains: Sequence[Domain]) -> None:
        """Start all checks, in the order of their lines in the report."""
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
            await one.start_dns()
        for one in checks:
            await one.start_web()
        for one in checks:
            one.start_services()
        for one in checks:
            one.start_mail()
        for one in checks:
            one.start_clients()
