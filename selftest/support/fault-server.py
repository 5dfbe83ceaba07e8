#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real HTTP server on loopback that misbehaves as its paths say. Prints its port, then one line a request.

/FILE  as it should be (Range and ETag)    /noranges/FILE  no Range      /nolength/FILE  no Content-Length
/slow/FILE  little by little               /cut/FILE  cut once, half way /cutalways/FILE  cut each time
/long/FILE  claims more than there is      /short/FILE  claims less      /500/N/FILE  500 N times, then fine
/503/FILE  503 with Retry-After, then fine /redirect/N/FILE  N redirects /loop  redirects to itself
/tofile/FILE, /toname/FILE  redirects that must not be followed          /stall  never answers    /garbage  no HTTP
/badrange/FILE  cut once, then a range other than was asked for          /status/CODE
"""
import http.server
import os
import sys
import threading
import time

ROOT = sys.argv[1]
seen = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def redirect(self, location):
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def nothing(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"sorry")

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        with lock:
            count = seen[self.path] = seen.get(self.path, 0) + 1
            print("GET", self.path, self.headers.get("Range", "-"), flush=True)
        kind, name = parts[0], parts[-1]
        if kind == "status":
            return self.nothing(int(name))
        if kind == "500" and count <= int(parts[1]):
            return self.nothing(500)
        if kind == "503" and count == 1:
            return self.nothing(503, ("Retry-After", "1"))
        if kind == "redirect" and int(parts[1]) > 0:
            return self.redirect("/redirect/%d/%s" % (int(parts[1]) - 1, name))
        if kind == "loop":
            return self.redirect("/loop")
        if kind == "tofile":
            return self.redirect("file://%s/%s" % (ROOT, name))
        if kind == "toname":
            return self.redirect("http://mayfly.invalid/" + name)
        if kind == "stall":
            time.sleep(20)
            return None
        if kind == "garbage":
            self.wfile.write(b"what is it you want from me?\r\n\r\n")
            self.close_connection = True
            return None
        try:
            with open(os.path.join(ROOT, name), "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return self.nothing(404)
        return self.send(kind, data, count)

    def send(self, kind, data, count):
        start = 0
        wanted = self.headers.get("Range")
        if wanted and kind != "noranges":
            start = int(wanted[len("bytes="):].split("-")[0])
            if kind == "badrange":
                start = 0
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        else:
            self.send_response(200)
        body = data[start:]
        if kind != "noranges":
            self.send_header("ETag", '"%d"' % len(data))
        length = {"long": len(body) + 1000, "short": len(body) - 100}.get(kind, len(body))
        if kind != "nolength":
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if kind == "cutalways" or (kind in ("cut", "badrange", "noranges") and count == 1):
            body = body[: len(body) // 2]
        elif kind == "short":
            body = body[:length]
        step = 65536 if kind != "slow" else max(1, len(body) // 10)
        for i in range(0, len(body), step):
            self.wfile.write(body[i:i + step])
            if kind == "slow":
                self.wfile.flush()
                time.sleep(0.05)
        self.wfile.flush()
        if kind not in ("", "slow") or length != len(body):
            self.close_connection = True
        return None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
