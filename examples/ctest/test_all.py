# SPDX-License-Identifier: MIT
import json
import os
import socket
import urllib.request


def ask(container, request):
    with socket.create_connection((os.environ[f"MAYFLY_{container}_HOST"], os.environ[f"MAYFLY_{container}_PORT"])) as s:
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        return s.makefile("rb").read()


def page(container):
    with urllib.request.urlopen(f"http://{os.environ[f'MAYFLY_{container}_ADDRESS']}/index.html") as answer:
        return answer.read()


def test_rows():
    assert ask("DB", b"set row4 row 4\n" + b"".join(b"get row%d\n" % i for i in range(1, 6))) == b"ok\nrow 1\nrow 2\nrow 3\nrow 4\nnone\n"


def test_both_give_the_page():
    assert page("WEB") == page("RELAY") == b"<h1>It works</h1>\n"


def test_state_files_have_the_ports():
    for container, port in (("DB", "7000/tcp"), ("CACHE", "7000/tcp"), ("WEB", "80/tcp")):
        with open(os.environ[f"MAYFLY_{container}_STATE"]) as f:
            ports = json.load(f)["ports"]
        assert [(p["port"], p["address"]) for p in ports] == [(port, os.environ[f"MAYFLY_{container}_ADDRESS"])]
