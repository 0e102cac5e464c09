"""Holds the control API against its description. Arguments: the socket, the description, an open session,
a cgroup to attach, a workload of the configuration, a cgroup that another one chooses. Two requests wait
that the caller may decide on.

Every operation is done once and in error; each answer has to be of a described status and, with every
object closed to fields that are not described, of the described shape. Prints the operations that
were done well.
"""

import copy
import http.client
import json
import re
import socket
import sys

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

SOCKET, DESCRIPTION, SESSION, CGROUP, WORKLOAD, CHOSEN = sys.argv[1:]
formats = FormatChecker(formats=())


@formats.checks("date-time")
def is_time(text):
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text) is not None


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(SOCKET)


def closed(schema):
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


with open(DESCRIPTION) as file:
    description = json.load(file)
validate(copy.deepcopy(description))
components = closed(description["components"])
done = set()


def validated(what, schema, got):
    """Checks a value against a schema of the description, with all objects closed."""
    schema = {"$ref": "#/schema", "schema": closed(schema), "components": components}
    errors = list(Draft202012Validator(schema, format_checker=formats).iter_errors(got))
    assert not errors, f"{what}: {[error.message for error in errors]}"


def check(method, template, path=None, body=None, expected=200):
    operation = description["paths"][template][method.lower()]
    connection = Connection("gateway")
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    connection.request(method, path or template, text, {"content-type": "application/json"})
    answer = connection.getresponse()
    got = answer.read()
    what = f"{method} {path or template} {answer.status} {got[:2000]!r}"
    assert answer.status == expected, f"expected {expected}: {what}"
    response = operation["responses"].get(str(expected))
    assert response, f"not described: {what}"
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    media = answer.headers.get_content_type()
    assert media in response["content"], what
    if media == "application/json":
        got = json.loads(got)
        validated(what, response["content"][media]["schema"], got)
    if expected == 200:
        done.add(operation["operationId"])
    return got


assert check("GET", "/v1/openapi.json") == description

# Approvals, with one reader who hears all of it.
watching = Connection("gateway")
watching.request("GET", "/v1/approvals/watch")
stream = watching.getresponse()
assert stream.headers.get_content_type() == "application/jsonl", stream.headers
described = description["paths"]["/v1/approvals/watch"]["get"]["responses"]["200"]["content"]


def heard(event):
    """Reads up to this event; all lines have to be as described."""
    while True:
        line = json.loads(stream.readline() or b'{"event": "nothing more"}')
        validated(line, described["application/jsonl"]["schema"], line)
        if line["event"] == event:
            return line


heard("ready")
done.add("watch")
first, second = check("GET", "/v1/approvals")
check("GET", "/v1/approvals", "/v1/approvals?state=most", expected=400)
shown = check("GET", "/v1/approvals/{id}", f"/v1/approvals/{first['id']}")
check("GET", "/v1/approvals/{id}", "/v1/approvals/nothing", expected=404)
check("GET", "/v1/approvals/{id}", f"/v1/approvals/{first['id'][:4]}", expected=409)
approve = ("POST", "/v1/approvals/{id}/approve", f"/v1/approvals/{first['id']}/approve")
digest = shown["action"]["action"]
check(*approve, body={"digest": digest, "lasting_s": 60}, expected=400)
check(*approve, body={"digest": digest, "scope": "workload"}, expected=422)
check(*approve, body={"digest": "f00d"}, expected=409)
yes = {"digest": digest, "scope": "workload", "lasting_s": 600, "closeness": "text", "max_uses": 9}
check(*approve, body={**yes, "max_rows": 100, "comment": "looked at"})
check(*approve, body=yes, expected=409)
heard("granted")
deny = ("POST", "/v1/approvals/{id}/deny", f"/v1/approvals/{second['id']}/deny")
digest = check("GET", "/v1/approvals/{id}", f"/v1/approvals/{second['id']}")["action"]["action"]
check(*deny, body={"digest": digest, "comment": "no"})
heard("closed")
(grant,) = check("GET", "/v1/grants")
check("POST", "/v1/grants/{id}/revoke", f"/v1/grants/{grant['id']}/revoke")
check("POST", "/v1/grants/{id}/revoke", f"/v1/grants/{grant['id']}/revoke", expected=404)
heard("ended")
check("GET", "/v1/grants", "/v1/grants?state=all")
for one in check("GET", "/v1/approvals", "/v1/approvals?state=all"):
    check("GET", "/v1/approvals/{id}", f"/v1/approvals/{one['id']}")

attached = check("POST", "/v1/attachments", body={"workload": WORKLOAD, "cgroup": CGROUP})
check("POST", "/v1/attachments", body={"workload": "nobody", "cgroup": CGROUP}, expected=422)
check("POST", "/v1/attachments", body={"workload": WORKLOAD}, expected=422)
check("POST", "/v1/attachments", body="{", expected=400)
taken = check("POST", "/v1/attachments/chosen", body={"cgroup": CHOSEN})
assert taken["purpose"] == "selected" and taken["selector"].startswith("cgroup "), taken
check("POST", "/v1/attachments/chosen", body={"cgroup": CGROUP}, expected=422)
check("POST", "/v1/attachments/chosen", body={"cgroup": CHOSEN, "workload": WORKLOAD}, expected=422)
check("DELETE", "/v1/attachments/{cgroup}", f"/v1/attachments/{taken['cgroup']}")
check("POST", "/v1/attachments/chosen", body={"cgroup": CHOSEN}, expected=409)
run = check("POST", "/v1/runs", body={"workload": WORKLOAD})
check("POST", "/v1/freezes", body={"workload": "nobody"}, expected=422)
check("POST", "/v1/freezes", body={"workload": WORKLOAD, "reason": ""}, expected=400)
for path in ["/v1/status", "/v1/coverage", "/v1/metrics", "/v1/attachments", "/v1/freezes"]:
    check("GET", path)
(budget,) = check("GET", "/v1/budgets")
assert budget["budget"] == "looked-at", budget
asked = {"workload": WORKLOAD, "resource": "asking", "user": "app", "lasting_s": 60}
issued = check("POST", "/v1/placeholders", body=asked)
check("POST", "/v1/placeholders", body={**asked, "lasting_s": 0}, expected=400)
check("POST", "/v1/placeholders", body={**asked, "resource": "shop"}, expected=422)
(one,) = check("GET", "/v1/placeholders")
assert one["id"] == issued["id"] and issued["placeholder"] not in json.dumps(one), one
path = f"/v1/placeholders/{issued['id']}"
check("DELETE", "/v1/placeholders/{id}", path)
check("DELETE", "/v1/placeholders/{id}", path, expected=404)
check("DELETE", "/v1/runs/{id}", f"/v1/runs/{run['id']}")
check("DELETE", "/v1/runs/{id}", f"/v1/runs/{run['id']}", expected=404)
killed = check("DELETE", "/v1/sessions/{session}", f"/v1/sessions/{SESSION}")
assert killed["session"] == SESSION, killed
check("DELETE", "/v1/sessions/{session}", "/v1/sessions/nobody", expected=404)
check("POST", "/v1/freezes", body={"workload": WORKLOAD, "reason": "described"})
frozen = check("GET", "/v1/freezes")
assert [one["workload"] for one in frozen] == [WORKLOAD], frozen
check("GET", "/v1/status")
path = f"/v1/attachments/{attached['cgroup']}"
check("DELETE", "/v1/attachments/{cgroup}", path, expected=409)
check("DELETE", "/v1/freezes/{workload}", f"/v1/freezes/{WORKLOAD}")
check("DELETE", "/v1/freezes/{workload}", f"/v1/freezes/{WORKLOAD}", expected=404)
check("DELETE", "/v1/attachments/{cgroup}", path)
check("DELETE", "/v1/attachments/{cgroup}", path, expected=404)
check("DELETE", "/v1/attachments/{cgroup}", "/v1/attachments/name", expected=400)
check("POST", "/v1/reload")
everything = {
    operation["operationId"]
    for operations in description["paths"].values()
    for operation in operations.values()
}
assert done == everything, f"not tried: {everything - done}"
print(*sorted(done))
