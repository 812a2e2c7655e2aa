#!/usr/bin/env bash
# botocore 1.44.8: signing a request in its query (SigV4QueryAuth, S3SigV4QueryAuth) takes the body for JSON parameters.
#
# Valid input: an AWSRequest for PUT of an object, with a body and a query, given to `add_auth`, as programs do that sign
# requests of their own with botocore's signers.
#   - a body that is no JSON object raises json.JSONDecodeError, whatever its Content-Type;
#   - a body that is one, `{"a": "b"}`, is moved into the query as `a=b`, and the request is left without a body;
#   - of a parameter that stands twice in the query, `x=1&x=2`, only the first is kept and signed.
# What works: presign without a body, and put the body in afterwards; parameters once.
#
# Exit status 0: still so. 1: it behaves otherwise, read again. 2: could not be tried.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "botocore==1.44.8" || exit 2
"$folder/venv/bin/python" - <<'PY'
import json
import sys
from urllib.parse import parse_qsl, urlsplit

import botocore
from botocore.auth import S3SigV4QueryAuth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

print("botocore", botocore.__version__)


def presigned(signer, body, query=""):
    request = AWSRequest("PUT", f"http://127.0.0.1:9/bucket/key{query}", data=body, headers={"Content-Type": "text/plain"})
    signer(Credentials("access", "secret"), "s3", "us-east-1", 60).add_auth(request)
    names = [pair for pair in parse_qsl(urlsplit(request.url).query) if not pair[0].startswith("X-Amz-")]
    return names, request.data


for signer in (SigV4QueryAuth, S3SigV4QueryAuth):
    try:
        presigned(signer, b"hello")
    except json.JSONDecodeError as error:
        print(f"{signer.__name__}, body b'hello': JSONDecodeError: {error}")
    else:
        sys.exit("a body that is no JSON is taken now")
    query, body = presigned(signer, b'{"a": "b"}')
    print(f"{signer.__name__}, body b'{{\"a\": \"b\"}}': query {query}, body {body!r}")
    if query != [("a", "b")] or body:
        sys.exit("a body of JSON stays a body now")
    query, _ = presigned(signer, b"", "?x=1&x=2")
    print(f"{signer.__name__}, query x=1&x=2: query {query}")
    if query != [("x", "1")]:
        sys.exit("a parameter given twice is signed otherwise now")
PY
