# SPDX-License-Identifier: MIT
"""Services of the host that containers look for: each tells who connects that it was reached. Prints a line once they listen."""

import contextlib, select, socket

listeners = []
for family, address in ((socket.AF_INET, ("127.0.0.1", 7001)), (socket.AF_INET, ("192.0.2.1", 7002)), (socket.AF_UNIX, "\0mayfly-compare")):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(16)
    listeners.append(listener)
print("listening", flush=True)
while True:
    for listener in select.select(listeners, [], [])[0]:
        with listener.accept()[0] as connection:
            with contextlib.suppress(OSError):  # it may be gone already
                connection.send(b"reached\n")
