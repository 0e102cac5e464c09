"""A detector outside the gateway: it finds the name Ada in texts.

Arguments: the path of its socket, and how it behaves. `fair` answers; `hang` never does, `slow` after two
seconds; `garbage`, `short` (too few answers), `outside` (spans out of the text) and `die` are faults.
"""

import json
import os
import socketserver
import sys
import time

path, behaviour = sys.argv[1:]


def spans(text):
    at = text.find("Ada")
    return [] if at < 0 else [[at, at + 3]]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.answer()
        except BrokenPipeError:
            # Who asked does not wait for ever.
            pass

    def answer(self):
        for line in self.rfile:
            asked = json.loads(line)
            found = [spans(value["text"]) for value in asked["values"]]
            if behaviour == "hang":
                time.sleep(60)
            if behaviour == "slow":
                time.sleep(2)
            if behaviour == "die":
                os._exit(1)
            if behaviour == "garbage":
                self.wfile.write(b"what?\n")
                continue
            if behaviour == "short":
                found = found[1:]
            if behaviour == "outside":
                found = [[[0, 100000]] for _ in found]
            answer = {"id": asked["id"], "spans": found}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


with Server(path, Handler) as server:
    os.chmod(path, 0o666)
    server.serve_forever()
