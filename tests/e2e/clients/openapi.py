"""Holds the control API against its description. Arguments: the socket, the description, an open session,
a cgroup to attach, a workload of the configuration.

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

SOCKET, DESCRIPTION, SESSION, CGROUP, WORKLOAD = sys.argv[1:]
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
        schema = closed(response["content"][media]["schema"])
        schema = {"$ref": "#/schema", "schema": schema, "components": components}
        got = json.loads(got)
        errors = list(Draft202012Validator(schema, format_checker=formats).iter_errors(got))
        assert not errors, f"{what}: {[error.message for error in errors]}"
    if expected == 200:
        done.add(operation["operationId"])
    return got


assert check("GET", "/v1/openapi.json") == description
attached = check("POST", "/v1/attachments", body={"workload": WORKLOAD, "cgroup": CGROUP})
check("POST", "/v1/attachments", body={"workload": "nobody", "cgroup": CGROUP}, expected=422)
check("POST", "/v1/attachments", body={"workload": WORKLOAD}, expected=422)
check("POST", "/v1/attachments", body="{", expected=400)
run = check("POST", "/v1/runs", body={"workload": WORKLOAD})
check("POST", "/v1/freezes", body={"workload": "nobody"}, expected=422)
check("POST", "/v1/freezes", body={"workload": WORKLOAD, "reason": ""}, expected=400)
for path in ["/v1/status", "/v1/coverage", "/v1/metrics", "/v1/attachments", "/v1/freezes"]:
    check("GET", path)
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
