"""The other end of webhooks: keeps what is posted, and checks signatures by Python's own hmac.

Arguments: port, file for what came, key of signatures, and for TLS certificate and key.
The path says what is answered: /ok, /gone (404), /busy (503 and 429, then 200), /silent (nothing).
"""

import hashlib
import hmac
import http.server
import json
import ssl
import sys
import threading
import time

port, log, key = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
lock = threading.Lock()
answered = {}


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/silent"):
            time.sleep(600)
        stamp = self.headers.get("gateway-timestamp", "")
        expected = hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        signature = self.headers.get("gateway-signature", "")
        with lock:
            before = answered.get(self.path, 0)
            answered[self.path] = before + 1
            status = 200
            if self.path.startswith("/gone"):
                status = 404
            if self.path.startswith("/busy"):
                status = [503, 429, 200][min(before, 2)]
            posted = {
                "path": self.path,
                "status": status,
                "delivery": self.headers.get("gateway-delivery"),
                "signed": hmac.compare_digest("v1=" + expected, signature),
                "body": json.loads(body),
            }
            with open(log, "a") as file:
                file.write(json.dumps(posted) + "\n")
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        # As many servers do: it repeats the path, which is a secret.
        self.wfile.write(("ok" if status == 200 else "Cannot POST " + self.path).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook)
server.daemon_threads = True
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
