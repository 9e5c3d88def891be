"""The provider's mail servers: Debian's Dovecot and Postfix, with the ports and security of bt.xml."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.clients.network import ADDRESS, Network

_DOVECOT = """
protocols = imap pop3
listen = {address}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.maillog
ssl = {imap_tls}
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
mail_location = maildir:{folder}/boxes/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/passwords
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/boxes/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {queue}/private/auth {{
    mode = 0600
    user = postfix
  }}
  unix_listener auth-userdb {{
    mode = 0600
    user = mail
  }}
}}
"""

_POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
inet_interfaces = {address}
inet_protocols = ipv4
myhostname = {host}
mydestination =
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = static:all
virtual_transport = dovecot
dovecot_destination_recipient_limit = 1
smtpd_sasl_auth_enable = {sasl}
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_security_level = {submission_tls}
smtpd_tls_protocols = {tls_versions}
smtpd_tls_mandatory_protocols = {tls_versions}
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {submission_certificate}
smtpd_tls_key_file = {submission_key}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""

_POSTFIX_MASTER = """
{submission}
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
dovecot   unix  - n n - - pipe
  flags=DRh user=mail:mail argv=/usr/lib/dovecot/dovecot-lda -c {dovecot} -o log_path=/dev/stderr -f ${{sender}} -d {mailbox}
"""

_IMPLICIT_TLS = "465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"
_STARTTLS = "587 inet n - n - - smtpd"


class MailServers:
    """IMAP, POP3 and submission for some mailboxes. Users log in with exactly the names in `passwords`.

    `changes` replaces values of the configuration, to break it.
    """

    def __init__(
        self,
        network: Network,
        host: str,
        certificate: tuple[Path, Path],
        domains: tuple[str, ...],
        passwords: Mapping[str, str],
        *,
        starttls: bool = False,
        changes: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        chain, key = certificate
        folder = network.folder / "mail"
        queue = folder / "queue"
        for part in (queue, folder / "data", folder / "boxes", folder / "postfix"):
            part.mkdir(parents=True)
        for part, owner in ((folder / "data", "postfix"), (folder / "boxes", "mail")):
            shutil.chown(part, owner)
        values: dict[str, object] = {
            "address": ADDRESS,
            "folder": folder,
            "queue": queue,
            "host": host,
            "domains": " ".join(domains),
            "certificate": chain,
            "key": key,
            "submission_certificate": chain,
            "submission_key": key,
            "submission_tls": "encrypt",
            "tls_versions": ">=TLSv1.2",
            "sasl": "yes",
            "imap_tls": "required",
            "imap": 143 if starttls else 0,
            "imaps": 0 if starttls else 993,
            "pop3s": 0 if starttls else 995,
            "submission": _STARTTLS if starttls else _IMPLICIT_TLS,
            # The mailbox has the username: the whole address, or the part before the @.
            "mailbox": "${recipient}" if all("@" in name for name in passwords) else "${user}",
            "dovecot": folder / "dovecot.conf",
            **changes,
        }
        (folder / "passwords").write_text("".join(f"{name}:{{PLAIN}}{word}\n" for name, word in passwords.items()))
        (folder / "dovecot.conf").write_text(_DOVECOT.format(**values))
        (folder / "postfix" / "main.cf").write_text(_POSTFIX_MAIN.format(**values))
        (folder / "postfix" / "master.cf").write_text(_POSTFIX_MASTER.format(**values))
        # Postfix creates the rest of its queue, but Dovecot's socket needs this folder earlier.
        private = queue / "private"
        private.mkdir(mode=0o700)
        shutil.chown(private, "postfix")
        network.start("dovecot", ["dovecot", "-F", "-c", folder / "dovecot.conf"])
        network.start("postfix", ["postfix", "-c", folder / "postfix", "start-fg"])
        for port in (values["imap"], values["imaps"], values["pop3s"], 587 if starttls else 465):
            if isinstance(port, int) and port:
                network.wait_for_port(port)
        self._log = folder / "dovecot.maillog"

    def rejected(self, name: str) -> bool:
        """Return whether a login with this name has been rejected."""
        lines = self._log.read_text().splitlines()
        return any("auth failed" in line and f"user=<{name}>" in line for line in lines)
