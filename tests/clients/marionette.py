"""Run a script in a running Thunderbird: `marionette.py PORT`, the script and its arguments as JSON on stdin.

Prints the script's result as JSON. It is a separate program because it must run inside the lab's network.
"""

import json
import sys

from marionette_driver.marionette import Marionette


def main() -> None:
    script, arguments = json.load(sys.stdin)
    client = Marionette(host="127.0.0.1", port=int(sys.argv[1]), startup_timeout=60)
    client.start_session()
    client.set_context("chrome")
    client.timeout.script = 60
    result = client.execute_async_script(script, script_args=arguments)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
