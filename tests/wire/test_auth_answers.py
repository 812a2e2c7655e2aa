"""Signatures that are refused over the wire, in both modes and in every form: with S3's own code and headers."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import urllib3
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.wire.serving import Server

SIGNERS = {
    "header": lambda who, region, expires_s: S3SigV4Auth(who, "s3", region),
    "presigned": lambda who, region, expires_s: S3SigV4QueryAuth(who, "s3", region, expires=expires_s),
    "v2": lambda who, region, expires_s: HmacV1Auth(who),
    "v2 presigned": lambda who, region, expires_s: HmacV1QueryAuth(who, expires=expires_s),
}


def ask(
    server: Server,
    form: str,
    method: str,
    path: str,
    *,
    token: str | None = None,
    region: str = "us-east-1",
    expires_s: int = 60,
    body: bytes = b"",
) -> urllib3.BaseHTTPResponse:
    who = Credentials(server.access_key, server.secret_key, token)
    is_signed_body = form == "header"  # botocore would take any other body for parameters
    request = AWSRequest(method, f"{server.endpoint}{path}", data=body if is_signed_body else b"")
    SIGNERS[form](who, region, expires_s).add_auth(request)
    sent = dict(request.headers.items())
    return urllib3.request(method, request.url, body=body, headers=sent, redirect=False, retries=False)


def code_of(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    return answer.status, answer.data.decode().partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize("form", SIGNERS)
def test_a_made_up_session_token_is_refused(form: str, server: Server, client: Any, bucket: str) -> None:
    """InvalidToken: "The provided token is malformed or otherwise invalid" (Error Responses). No key here has one."""
    client.put_object(Bucket=bucket, Key="key", Body=b"body")
    client.get_object(Bucket=bucket, Key="key")  # a cache has it now
    for method, body in (("GET", b""), ("PUT", b"other")):
        refused = ask(server, form, method, f"/{bucket}/key", token="made/up+token==", body=body)
        assert code_of(refused) == (400, "InvalidToken")
    assert ask(server, form, "HEAD", f"/{bucket}/key", token="made/up+token==").status == 400
    assert ask(server, form, "GET", f"/{bucket}/key").data == b"body"


def test_boto3_with_a_session_token_is_told_so(server: Server, bucket: str) -> None:
    session = boto3.Session(server.access_key, server.secret_key, "FwoGZXIvYXdzEXAMPLE", "us-east-1")
    with pytest.raises(ClientError) as refused:
        session.client("s3", endpoint_url=server.endpoint).list_objects_v2(Bucket=bucket)
    assert refused.value.response["Error"]["Code"] == "InvalidToken"


def test_a_presigned_request_for_no_time_is_refused_as_malformed(server: Server, client: Any, bucket: str) -> None:
    """ "The minimum value you can set is 1" (Authenticating Requests: Using Query Parameters)."""
    client.put_object(Bucket=bucket, Key="key", Body=b"body")
    assert ask(server, "presigned", "GET", f"/{bucket}/key", expires_s=1).data == b"body"
    for method, body in (("GET", b""), ("PUT", b"other")):
        refused = ask(server, "presigned", method, f"/{bucket}/key", expires_s=0, body=body)
        assert code_of(refused) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize("path", ["", "/key"])
@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize("form", ["header", "presigned"])
def test_a_request_for_another_region_is_told_the_right_one_in_a_header(
    form: str, method: str, path: str, server: Server, bucket: str
) -> None:
    """HEAD has no document: botocore's S3RegionRedirectorv2 and the AWS CLI read x-amz-bucket-region of the 400."""
    refused = ask(server, form, method, f"/{bucket}{path}", region="eu-west-1")
    assert (refused.status, refused.headers["x-amz-bucket-region"]) == (400, "us-east-1")
    if method != "HEAD":
        assert b"<Region>us-east-1</Region>" in refused.data


def test_boto3_finds_the_region_by_itself(server: Server, bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="eu-west-1",
    )
    assert client.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
@pytest.mark.parametrize("name", ["encryption", "publicAccessBlock", "policyStatus", "attributes"])
@pytest.mark.parametrize("form", ["v2", "v2 presigned"])
def test_a_late_subresource_may_be_signed_or_not(
    form: str, name: str, signed: bool, server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if signed:
        monkeypatch.setattr(HmacV1Auth, "QSAOfInterest", [*HmacV1Auth.QSAOfInterest, name])
    answer = ask(server, form, "GET", f"/{bucket}{'/key' if name == 'attributes' else ''}?{name}")
    assert code_of(answer)[1] != "SignatureDoesNotMatch"
    assert answer.status in (400, 404, 501)
