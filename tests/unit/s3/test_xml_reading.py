"""Request documents: those of Amazon's documentation are read, hostile and wrong ones are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus.s3 import model
from nimbus.s3.errors import S3Error
from nimbus.s3.xml import read_document

NAMESPACE = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
SIZE_BYTES_MAX = 4 * 1024 * 1024


def read(body: bytes, root: str, shape: type[msgspec.Struct]) -> Any:
    return read_document(body, root, shape, SIZE_BYTES_MAX)


def refusal(body: bytes, root: str = "Delete", shape: type[msgspec.Struct] = model.Delete) -> str:
    with pytest.raises(S3Error) as caught:
        read(body, root, shape)
    return caught.value.code


# --- examples of the API reference --------------------------------------------------------------------------


def test_delete_example() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
    <Delete>
      <Quiet>true</Quiet>
      <Object><Key>Key</Key><VersionId>VersionId</VersionId></Object>
      <Object><Key>a &amp; b</Key></Object>
    </Delete>"""
    assert read(body, "Delete", model.Delete) == model.Delete(
        quiet=True,
        objects=[model.ObjectIdentifier(key="Key", version_id="VersionId"), model.ObjectIdentifier(key="a & b")],
    )


def test_complete_multipart_upload_example() -> None:
    body = b"""<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Part><PartNumber>1</PartNumber><ETag>"a54357aff0632cce46d942af68356b38"</ETag></Part>
      <Part><PartNumber>2</PartNumber><ETag>0c78aef83f66abc1fa1e8477f296d394</ETag></Part>
    </CompleteMultipartUpload>"""
    upload = read(body, "CompleteMultipartUpload", model.CompletedMultipartUpload)
    assert [(part.part_number, part.etag) for part in upload.parts] == [
        (1, '"a54357aff0632cce46d942af68356b38"'),
        (2, "0c78aef83f66abc1fa1e8477f296d394"),
    ]


def test_create_bucket_example() -> None:
    body = b"<CreateBucketConfiguration " + NAMESPACE + b"><LocationConstraint>Europe</LocationConstraint>"
    configuration = read(
        body + b"</CreateBucketConfiguration >", "CreateBucketConfiguration", model.CreateBucketConfiguration
    )
    assert configuration.location_constraint == "Europe"


def test_access_control_policy_example() -> None:
    body = b"""<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Owner><ID>852b113e7a2f25102679df27bb0ae12b3f85be6BucketOwnerCanonicalUserID</ID></Owner>
      <AccessControlList>
        <Grant>
          <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">
            <URI xmlns="">http://acs.amazonaws.com/groups/global/AllUsers</URI>
          </Grantee>
          <Permission xmlns="">READ</Permission>
        </Grant>
      </AccessControlList>
    </AccessControlPolicy>"""
    policy = read(body, "AccessControlPolicy", model.AccessControlPolicy)
    grantee = model.Grantee(type="Group", uri="http://acs.amazonaws.com/groups/global/AllUsers")
    assert policy.grants == [model.Grant(grantee=grantee, permission="READ")]


def test_lifecycle_example() -> None:
    body = b"""<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Rule><ID>id1</ID><Filter><Prefix>documents/</Prefix></Filter><Status>Enabled</Status>
        <Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>
      <Rule><ID>id2</ID><Filter/><Status>Disabled</Status>
        <Expiration><Date>2026-01-31T00:00:00.000Z</Date></Expiration></Rule>
    </LifecycleConfiguration>"""
    first, second = read(body, "LifecycleConfiguration", model.BucketLifecycleConfiguration).rules
    assert first.transitions == [model.Transition(days=30, storage_class="GLACIER")]
    assert second.filter == model.LifecycleRuleFilter()
    assert second.expiration.date == datetime(2026, 1, 31, tzinfo=UTC)


def test_cors_example() -> None:
    body = b"""<CORSConfiguration>
     <CORSRule><AllowedOrigin>http://www.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>
       <AllowedMethod>POST</AllowedMethod><AllowedHeader>*</AllowedHeader><MaxAgeSeconds>3000</MaxAgeSeconds>
       <ExposeHeader>x-amz-request-id</ExposeHeader></CORSRule>
    </CORSConfiguration>"""
    (rule,) = read(body, "CORSConfiguration", model.CORSConfiguration).cors_rules
    assert rule.allowed_methods == ["PUT", "POST"]
    assert rule.max_age_seconds == 3000


def test_logging_example_in_the_older_namespace() -> None:
    body = b"""<BucketLoggingStatus xmlns="http://doc.s3.amazonaws.com/2006-03-01"><LoggingEnabled>
      <TargetBucket>logs</TargetBucket><TargetPrefix>log-</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"""
    status = read(body, "BucketLoggingStatus", model.BucketLoggingStatus)
    assert status.logging_enabled == model.LoggingEnabled(target_bucket="logs", target_prefix="log-")


def test_an_empty_tag_set_is_not_an_absent_one() -> None:
    assert read(b"<Tagging><TagSet/></Tagging>", "Tagging", model.Tagging) == model.Tagging(tag_set=[])
    assert refusal(b"<Tagging/>", "Tagging", model.Tagging) == "MalformedXML"


# --- text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "key"),
    [
        (b" a b ", " a b "),
        (b"\xf0\x9f\x98\x80", "\U0001f600"),
        (b"a<!-- no -->b", "ab"),
        (b"a<?no no?>b", "ab"),
        (b"<![CDATA[<!DOCTYPE a>]]>", "<!DOCTYPE a>"),
        (b"&#13;&#x41;&lt;&quot;", '\rA<"'),
        (b"", ""),
    ],
)
def test_a_key_is_taken_literally(inner: bytes, key: str) -> None:
    delete = read(b"<Delete><Object><Key>" + inner + b"</Key></Object></Delete>", "Delete", model.Delete)
    assert delete.objects[0].key == key


@pytest.mark.parametrize("text", [b"", b"1_0", b"1.5", b"\xd9\xa3", b"0x1", b"99999999999999999999"])
def test_what_is_no_integer_is_malformed(text: bytes) -> None:
    body = b"<CompleteMultipartUpload><Part><PartNumber>" + text + b"</PartNumber></Part></CompleteMultipartUpload>"
    assert refusal(body, "CompleteMultipartUpload", model.CompletedMultipartUpload) == "MalformedXML"


# --- refused ------------------------------------------------------------------------------------------------

KEY = b"<Object><Key>a</Key></Object>"
BILLION = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
WRONG = {
    "empty": b"",
    "blank": b"   ",
    "not xml": b"hello",
    "cut": b"<Delete><Object>",
    "two roots": b"<Delete>" + KEY + b"</Delete><Delete/>",
    "text after the root": b"<Delete>" + KEY + b"</Delete>x",
    "wrong root": b"<Remove>" + KEY + b"</Remove>",
    "wrong namespace": b'<Delete xmlns="http://example.com/">' + KEY + b"</Delete>",
    "wrong namespace inside": b'<Delete><Object xmlns="http://example.com/"><Key>a</Key></Object></Delete>',
    "unknown element": b"<Delete>" + KEY + b"<Force>true</Force></Delete>",
    "element in a text": b"<Delete><Object><Key>a<b/></Key></Object></Delete>",
    "text between elements": b"<Delete>x" + KEY + b"</Delete>",
    "text after an element": b"<Delete>" + KEY + b"x</Delete>",
    "repeated element": b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
    "missing element": b"<Delete><Object><VersionId>a</VersionId></Object></Delete>",
    "no object": b"<Delete><Quiet>true</Quiet></Delete>",
    "not a boolean": b"<Delete><Quiet>maybe</Quiet>" + KEY + b"</Delete>",
    "doctype": b"<!DOCTYPE Delete><Delete>" + KEY + b"</Delete>",
    "doctype after a comment": b"<?xml version='1.0'?><!-- a --> <!DOCTYPE Delete><Delete>" + KEY + b"</Delete>",
    "entities": BILLION + b"<Delete><Object><Key>&b;</Key></Object></Delete>",
    "external entity": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>',
    "undefined entity": b"<Delete><Object><Key>&x;</Key></Object></Delete>",
    "utf-16": ("\ufeff<!DOCTYPE a><Delete/>").encode("utf-16-le"),
    "utf-16 declared": b'<?xml version="1.0" encoding="UTF-16"?><Delete>' + KEY + b"</Delete>",
    "latin-1 declared": b"<?xml version='1.0' encoding='ISO-8859-1'?><Delete>" + KEY + b"</Delete>",
    "not utf-8": b"<Delete><Object><Key>\xe9</Key></Object></Delete>",
    "control byte": b"<Delete><Object><Key>\x01</Key></Object></Delete>",
    "reference to a control": b"<Delete><Object><Key>&#1;</Key></Object></Delete>",
    "nul": b"<Delete>\0</Delete>",
    "deep nesting": b"<Delete>" + b"<Object>" * 100_000,
    "many elements": b"<Delete>" + b"<Object/>" * 300_000 + b"</Delete>",
    "1001 keys": b"<Delete>" + KEY * 1001 + b"</Delete>",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_document_is_malformed(name: str) -> None:
    assert refusal(WRONG[name]) == "MalformedXML"


def test_a_thousand_keys_are_as_many_as_may_be() -> None:
    assert len(read(b"<Delete>" + KEY * 1000 + b"</Delete>", "Delete", model.Delete).objects) == 1000


def test_a_byte_order_mark_of_utf_8_is_allowed() -> None:
    body = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Delete>' + KEY + b"</Delete>"
    assert len(read(body, "Delete", model.Delete).objects) == 1


def test_a_document_over_the_cap_is_refused_unread() -> None:
    with pytest.raises(S3Error) as caught:
        read_document(b"<Delete>" + KEY + b"</Delete>", "Delete", model.Delete, 10)
    assert caught.value.code == "MaxMessageLengthExceeded"


PIECES = [
    b"<Delete>",
    b"</Delete>",
    b"<Object>",
    b"</Object>",
    b"<Key>",
    b"</Key>",
    b"a",
    b"&amp;",
    b"&",
    b"<",
    b">",
    b"\xff",
]
PIECES += [
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?",
    b"?>",
    b"<!DOCTYPE",
    b" ",
    b"\0",
    b"<?xml version='1.0' encoding='",
]


@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=15).map(b"".join))
def test_any_bytes_are_read_or_refused_by_name(body: bytes) -> None:
    try:
        assert isinstance(read(body, "Delete", model.Delete), model.Delete)
    except S3Error as error:
        assert error.code == "MalformedXML"  # noqa: PT017
