"""Lines that domains share, and the time limit of a check."""

import asyncio

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.check import Check
from autoconfig.operations.check_run import Run
from autoconfig.operations.domains import Domain
from autoconfig.operations.names import Names
from autoconfig.operations.report import LATE, Finding, Line, ok
from autoconfig.operations.web import Web
from tests.operations.hosts import resolver


def web(names: Names) -> Web:
    return Web(names, Attempts(5))


def test_a_line_belongs_to_its_domain_unless_several_domains_share_it() -> None:
    """One domain may name a server twice, such as with two authentication methods."""
    checks = 0

    async def passes() -> Finding:
        nonlocal checks
        checks += 1
        return ok("fine")

    async def share(*domains: str) -> Line:
        names = Names("127.0.0.1:1", 5)
        run = Run(web(names), web(names), names, Attempts(5), in_dns=True, max_time=None)
        lines = {run.shared_line("mail", "imap mail.example:993", passes, domain) for domain in domains}
        await run.report.finish()
        (line,) = lines
        return line

    assert asyncio.run(share("a.example", "a.example")).domain == "a.example"
    assert asyncio.run(share("a.example", "b.example")).domain == ""
    assert checks == 2


def test_domains_whose_records_are_not_found_in_time_are_unknown() -> None:
    async def check(address: str) -> list[Line]:
        names = Names(address, 5)
        made = Check(web(names), names, Attempts(5), max_time=0)
        await made.start([Domain("a.example"), Domain("b.example")])
        await made.report.finish()
        assert made.report.exit_status == 2
        return made.report.lines

    with resolver({}) as address:
        lines = asyncio.run(check(address))
    assert [(line.subject, line.finding) for line in lines] == [("a.example", LATE), ("b.example", LATE)]
