"""Run Delta Chat's core: `deltachat_driver.py FOLDER PASSWORD ADDRESS ADDRESS`, inside the lab's network.

Two accounts set themselves up from address and password, and the first sends a message to the second. Prints the
settings and the received message as JSON.
"""

import json
import sys
from pathlib import Path

from deltachat_rpc_client import DeltaChat, Rpc


def main() -> None:
    folder, password, *addresses = sys.argv[1:]
    server = Path(sys.executable).with_name("deltachat-rpc-server")
    with Rpc(accounts_dir=folder, rpc_server_path=str(server)) as rpc:
        core = DeltaChat(rpc)
        accounts = []
        for address in addresses:
            account = core.add_account()
            account.add_or_update_transport(
                {"addr": address, "password": password, "certificateChecks": "acceptInvalidCertificates"}
            )
            account.bring_online()  # type: ignore[no-untyped-call]
            accounts.append(account)
        sender, receiver = accounts
        sender.create_chat(receiver).send_text("Hello.")
        received = receiver.wait_for_incoming_msg().get_snapshot().text  # type: ignore[no-untyped-call]
        info = sender.get_info()
        result = {
            "version": info.deltachat_core_version,
            "settings": info.used_transport_settings,
            "received": received,
        }
        sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
