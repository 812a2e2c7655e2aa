"""The shapes and operations of S3, as typed structs and `Wire` rows. Generated: do not edit.

Made by ci/generate_s3_model.py from botocore's data/s3/2006-03-01/service-2.json and nimbus/s3/overrides.py;
run that script to make it again. Where each field travels is said by its marker, see nimbus/s3/markers.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from msgspec import Struct

from nimbus.s3.markers import (
    Attribute,
    Header,
    MetadataPrefix,
    Path,
    Payload,
    Query,
    Streaming,
    Timestamp,
    Wire,
    Xml,
)


class ListBucketsRequest(Struct, frozen=True, kw_only=True, gc=False):
    max_buckets: Annotated[int | None, Query("max-buckets")] = None
    continuation_token: Annotated[str | None, Query("continuation-token")] = None
    prefix: Annotated[str | None, Query("prefix")] = None
    bucket_region: Annotated[str | None, Query("bucket-region")] = None


class LocationInfo(Struct, frozen=True, kw_only=True, gc=False):
    type: Annotated[str | None, Xml("Type")] = None
    name: Annotated[str | None, Xml("Name")] = None


class BucketInfo(Struct, frozen=True, kw_only=True, gc=False):
    data_redundancy: Annotated[str | None, Xml("DataRedundancy")] = None
    type: Annotated[str | None, Xml("Type")] = None


class Tag(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str, Xml("Key")]
    value: Annotated[str, Xml("Value")]


class CreateBucketConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    location_constraint: Annotated[str | None, Xml("LocationConstraint")] = None
    location: Annotated[LocationInfo | None, Xml("Location")] = None
    bucket: Annotated[BucketInfo | None, Xml("Bucket")] = None
    tags: Annotated[list[Tag] | None, Xml("Tags", item="Tag")] = None


class CreateBucketRequest(Struct, frozen=True, kw_only=True, gc=False):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    bucket: Annotated[str, Path("Bucket")]
    create_bucket_configuration: Annotated[CreateBucketConfiguration | None, Payload("CreateBucketConfiguration")] = (
        None
    )
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write: Annotated[str | None, Header("x-amz-grant-write")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    object_lock_enabled_for_bucket: Annotated[bool | None, Header("x-amz-bucket-object-lock-enabled")] = None
    object_ownership: Annotated[str | None, Header("x-amz-object-ownership")] = None
    bucket_namespace: Annotated[str | None, Header("x-amz-bucket-namespace")] = None


class HeadBucketRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketLocationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ListObjectsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    delimiter: Annotated[str | None, Query("delimiter")] = None
    encoding_type: Annotated[str | None, Query("encoding-type")] = None
    marker: Annotated[str | None, Query("marker")] = None
    max_keys: Annotated[int | None, Query("max-keys")] = None
    prefix: Annotated[str | None, Query("prefix")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    optional_object_attributes: Annotated[list[str] | None, Header("x-amz-optional-object-attributes")] = None


class ListObjectsV2Request(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    delimiter: Annotated[str | None, Query("delimiter")] = None
    encoding_type: Annotated[str | None, Query("encoding-type")] = None
    max_keys: Annotated[int | None, Query("max-keys")] = None
    prefix: Annotated[str | None, Query("prefix")] = None
    continuation_token: Annotated[str | None, Query("continuation-token")] = None
    fetch_owner: Annotated[bool | None, Query("fetch-owner")] = None
    start_after: Annotated[str | None, Query("start-after")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    optional_object_attributes: Annotated[list[str] | None, Header("x-amz-optional-object-attributes")] = None


class ListObjectVersionsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    delimiter: Annotated[str | None, Query("delimiter")] = None
    encoding_type: Annotated[str | None, Query("encoding-type")] = None
    key_marker: Annotated[str | None, Query("key-marker")] = None
    max_keys: Annotated[int | None, Query("max-keys")] = None
    prefix: Annotated[str | None, Query("prefix")] = None
    version_id_marker: Annotated[str | None, Query("version-id-marker")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    optional_object_attributes: Annotated[list[str] | None, Header("x-amz-optional-object-attributes")] = None


class ListMultipartUploadsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    delimiter: Annotated[str | None, Query("delimiter")] = None
    encoding_type: Annotated[str | None, Query("encoding-type")] = None
    key_marker: Annotated[str | None, Query("key-marker")] = None
    max_uploads: Annotated[int | None, Query("max-uploads")] = None
    prefix: Annotated[str | None, Query("prefix")] = None
    upload_id_marker: Annotated[str | None, Query("upload-id-marker")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None


class GetObjectRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    if_match: Annotated[str | None, Header("if-match")] = None
    if_modified_since: Annotated[datetime | None, Header("if-modified-since")] = None
    if_none_match: Annotated[str | None, Header("if-none-match")] = None
    if_unmodified_since: Annotated[datetime | None, Header("if-unmodified-since")] = None
    key: Annotated[str, Path("Key")]
    range: Annotated[str | None, Header("range")] = None
    response_cache_control: Annotated[str | None, Query("response-cache-control")] = None
    response_content_disposition: Annotated[str | None, Query("response-content-disposition")] = None
    response_content_encoding: Annotated[str | None, Query("response-content-encoding")] = None
    response_content_language: Annotated[str | None, Query("response-content-language")] = None
    response_content_type: Annotated[str | None, Query("response-content-type")] = None
    response_expires: Annotated[str | None, Query("response-expires", "http")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    part_number: Annotated[int | None, Query("partNumber")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    checksum_mode: Annotated[str | None, Header("x-amz-checksum-mode")] = None


class HeadObjectRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    if_match: Annotated[str | None, Header("if-match")] = None
    if_modified_since: Annotated[datetime | None, Header("if-modified-since")] = None
    if_none_match: Annotated[str | None, Header("if-none-match")] = None
    if_unmodified_since: Annotated[datetime | None, Header("if-unmodified-since")] = None
    key: Annotated[str, Path("Key")]
    range: Annotated[str | None, Header("range")] = None
    response_cache_control: Annotated[str | None, Query("response-cache-control")] = None
    response_content_disposition: Annotated[str | None, Query("response-content-disposition")] = None
    response_content_encoding: Annotated[str | None, Query("response-content-encoding")] = None
    response_content_language: Annotated[str | None, Query("response-content-language")] = None
    response_content_type: Annotated[str | None, Query("response-content-type")] = None
    response_expires: Annotated[str | None, Query("response-expires", "http")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    part_number: Annotated[int | None, Query("partNumber")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    checksum_mode: Annotated[str | None, Header("x-amz-checksum-mode")] = None


class GetObjectAttributesRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    max_parts: Annotated[int | None, Header("x-amz-max-parts")] = None
    part_number_marker: Annotated[int | None, Header("x-amz-part-number-marker")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    object_attributes: Annotated[list[str], Header("x-amz-object-attributes")]


class PutObjectRequest(Struct, frozen=True, kw_only=True):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    body: Annotated[object, Streaming()] = None
    bucket: Annotated[str, Path("Bucket")]
    cache_control: Annotated[str | None, Header("cache-control")] = None
    content_disposition: Annotated[str | None, Header("content-disposition")] = None
    content_encoding: Annotated[str | None, Header("content-encoding")] = None
    content_language: Annotated[str | None, Header("content-language")] = None
    content_length: Annotated[int | None, Header("content-length")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    content_type: Annotated[str | None, Header("content-type")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    expires: Annotated[str | None, Header("expires")] = None
    if_match: Annotated[str | None, Header("if-match")] = None
    if_none_match: Annotated[str | None, Header("if-none-match")] = None
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    key: Annotated[str, Path("Key")]
    write_offset_bytes: Annotated[int | None, Header("x-amz-write-offset-bytes")] = None
    metadata: Annotated[dict[str, str] | None, MetadataPrefix("x-amz-meta-")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    storage_class: Annotated[str | None, Header("x-amz-storage-class")] = None
    website_redirect_location: Annotated[str | None, Header("x-amz-website-redirect-location")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    tagging: Annotated[str | None, Header("x-amz-tagging")] = None
    object_lock_mode: Annotated[str | None, Header("x-amz-object-lock-mode")] = None
    object_lock_retain_until_date: Annotated[datetime | None, Header("x-amz-object-lock-retain-until-date", "iso")] = (
        None
    )
    object_lock_legal_hold_status: Annotated[str | None, Header("x-amz-object-lock-legal-hold")] = None
    object_lock_event_hold: Annotated[str | None, Header("x-amz-object-lock-event-hold")] = None
    object_lock_event_hold_duration_days: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-days")
    ] = None
    object_lock_event_hold_duration_years: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-years")
    ] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class CopyObjectRequest(Struct, frozen=True, kw_only=True, gc=False):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    bucket: Annotated[str, Path("Bucket")]
    cache_control: Annotated[str | None, Header("cache-control")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-checksum-algorithm")] = None
    content_disposition: Annotated[str | None, Header("content-disposition")] = None
    content_encoding: Annotated[str | None, Header("content-encoding")] = None
    content_language: Annotated[str | None, Header("content-language")] = None
    content_type: Annotated[str | None, Header("content-type")] = None
    copy_source: Annotated[str, Header("x-amz-copy-source")]
    copy_source_if_match: Annotated[str | None, Header("x-amz-copy-source-if-match")] = None
    copy_source_if_modified_since: Annotated[datetime | None, Header("x-amz-copy-source-if-modified-since")] = None
    copy_source_if_none_match: Annotated[str | None, Header("x-amz-copy-source-if-none-match")] = None
    copy_source_if_unmodified_since: Annotated[datetime | None, Header("x-amz-copy-source-if-unmodified-since")] = None
    expires: Annotated[str | None, Header("expires")] = None
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    if_match: Annotated[str | None, Header("if-match")] = None
    if_none_match: Annotated[str | None, Header("if-none-match")] = None
    key: Annotated[str, Path("Key")]
    metadata: Annotated[dict[str, str] | None, MetadataPrefix("x-amz-meta-")] = None
    metadata_directive: Annotated[str | None, Header("x-amz-metadata-directive")] = None
    tagging_directive: Annotated[str | None, Header("x-amz-tagging-directive")] = None
    annotation_directive: Annotated[str | None, Header("x-amz-object-annotation-directive")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    storage_class: Annotated[str | None, Header("x-amz-storage-class")] = None
    website_redirect_location: Annotated[str | None, Header("x-amz-website-redirect-location")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    copy_source_sse_customer_algorithm: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-algorithm")
    ] = None
    copy_source_sse_customer_key: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-key")
    ] = None
    copy_source_sse_customer_key_md5: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-key-md5")
    ] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    tagging: Annotated[str | None, Header("x-amz-tagging")] = None
    object_lock_mode: Annotated[str | None, Header("x-amz-object-lock-mode")] = None
    object_lock_retain_until_date: Annotated[datetime | None, Header("x-amz-object-lock-retain-until-date", "iso")] = (
        None
    )
    object_lock_legal_hold_status: Annotated[str | None, Header("x-amz-object-lock-legal-hold")] = None
    object_lock_event_hold: Annotated[str | None, Header("x-amz-object-lock-event-hold")] = None
    object_lock_event_hold_duration_days: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-days")
    ] = None
    object_lock_event_hold_duration_years: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-years")
    ] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    expected_source_bucket_owner: Annotated[str | None, Header("x-amz-source-expected-bucket-owner")] = None


class DeleteObjectRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    mfa: Annotated[str | None, Header("x-amz-mfa")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    bypass_governance_retention: Annotated[bool | None, Header("x-amz-bypass-governance-retention")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    if_match: Annotated[str | None, Header("if-match")] = None
    if_match_last_modified_time: Annotated[datetime | None, Header("x-amz-if-match-last-modified-time")] = None
    if_match_size: Annotated[int | None, Header("x-amz-if-match-size")] = None


class ObjectIdentifier(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str, Xml("Key")]
    version_id: Annotated[str | None, Xml("VersionId")] = None
    etag: Annotated[str | None, Xml("ETag")] = None
    last_modified_time: Annotated[datetime | None, Xml("LastModifiedTime", form="http")] = None
    size: Annotated[int | None, Xml("Size")] = None


class Delete(Struct, frozen=True, kw_only=True, gc=False):
    objects: Annotated[list[ObjectIdentifier], Xml("Object", flat=True)]
    quiet: Annotated[bool | None, Xml("Quiet")] = None


class DeleteObjectsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    delete: Annotated[Delete, Payload("Delete")]
    mfa: Annotated[str | None, Header("x-amz-mfa")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    bypass_governance_retention: Annotated[bool | None, Header("x-amz-bypass-governance-retention")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None


class CreateMultipartUploadRequest(Struct, frozen=True, kw_only=True, gc=False):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    bucket: Annotated[str, Path("Bucket")]
    cache_control: Annotated[str | None, Header("cache-control")] = None
    content_disposition: Annotated[str | None, Header("content-disposition")] = None
    content_encoding: Annotated[str | None, Header("content-encoding")] = None
    content_language: Annotated[str | None, Header("content-language")] = None
    content_type: Annotated[str | None, Header("content-type")] = None
    expires: Annotated[str | None, Header("expires")] = None
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    key: Annotated[str, Path("Key")]
    metadata: Annotated[dict[str, str] | None, MetadataPrefix("x-amz-meta-")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    storage_class: Annotated[str | None, Header("x-amz-storage-class")] = None
    website_redirect_location: Annotated[str | None, Header("x-amz-website-redirect-location")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    tagging: Annotated[str | None, Header("x-amz-tagging")] = None
    object_lock_mode: Annotated[str | None, Header("x-amz-object-lock-mode")] = None
    object_lock_retain_until_date: Annotated[datetime | None, Header("x-amz-object-lock-retain-until-date", "iso")] = (
        None
    )
    object_lock_legal_hold_status: Annotated[str | None, Header("x-amz-object-lock-legal-hold")] = None
    object_lock_event_hold: Annotated[str | None, Header("x-amz-object-lock-event-hold")] = None
    object_lock_event_hold_duration_days: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-days")
    ] = None
    object_lock_event_hold_duration_years: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-years")
    ] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-checksum-algorithm")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None


class UploadPartRequest(Struct, frozen=True, kw_only=True):
    body: Annotated[object, Streaming()] = None
    bucket: Annotated[str, Path("Bucket")]
    content_length: Annotated[int | None, Header("content-length")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    key: Annotated[str, Path("Key")]
    part_number: Annotated[int, Query("partNumber")]
    upload_id: Annotated[str, Query("uploadId")]
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class UploadPartCopyRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    copy_source: Annotated[str, Header("x-amz-copy-source")]
    copy_source_if_match: Annotated[str | None, Header("x-amz-copy-source-if-match")] = None
    copy_source_if_modified_since: Annotated[datetime | None, Header("x-amz-copy-source-if-modified-since")] = None
    copy_source_if_none_match: Annotated[str | None, Header("x-amz-copy-source-if-none-match")] = None
    copy_source_if_unmodified_since: Annotated[datetime | None, Header("x-amz-copy-source-if-unmodified-since")] = None
    copy_source_range: Annotated[str | None, Header("x-amz-copy-source-range")] = None
    key: Annotated[str, Path("Key")]
    part_number: Annotated[int, Query("partNumber")]
    upload_id: Annotated[str, Query("uploadId")]
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    copy_source_sse_customer_algorithm: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-algorithm")
    ] = None
    copy_source_sse_customer_key: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-key")
    ] = None
    copy_source_sse_customer_key_md5: Annotated[
        str | None, Header("x-amz-copy-source-server-side-encryption-customer-key-md5")
    ] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    expected_source_bucket_owner: Annotated[str | None, Header("x-amz-source-expected-bucket-owner")] = None


class ListPartsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    max_parts: Annotated[int | None, Query("max-parts")] = None
    part_number_marker: Annotated[int | None, Query("part-number-marker")] = None
    upload_id: Annotated[str, Query("uploadId")]
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None


class CompletedPart(Struct, frozen=True, kw_only=True, gc=False):
    etag: Annotated[str | None, Xml("ETag")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None
    part_number: Annotated[int | None, Xml("PartNumber")] = None


class CompletedMultipartUpload(Struct, frozen=True, kw_only=True, gc=False):
    parts: Annotated[list[CompletedPart] | None, Xml("Part", flat=True)] = None


class CompleteMultipartUploadRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    multipart_upload: Annotated[CompletedMultipartUpload | None, Payload("CompleteMultipartUpload")] = None
    upload_id: Annotated[str, Query("uploadId")]
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None
    mpu_object_size: Annotated[int | None, Header("x-amz-mp-object-size")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    if_match: Annotated[str | None, Header("if-match")] = None
    if_none_match: Annotated[str | None, Header("if-none-match")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None


class AbortMultipartUploadRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    upload_id: Annotated[str, Query("uploadId")]
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    if_match_initiated_time: Annotated[datetime | None, Header("x-amz-if-match-initiated-time")] = None


class GetBucketVersioningRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class VersioningConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    mfa_delete: Annotated[str | None, Xml("MfaDelete")] = None
    status: Annotated[str | None, Xml("Status")] = None


class PutBucketVersioningRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    mfa: Annotated[str | None, Header("x-amz-mfa")] = None
    versioning_configuration: Annotated[VersioningConfiguration, Payload("VersioningConfiguration")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketPolicyRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class PutBucketPolicyRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    confirm_remove_self_bucket_access: Annotated[bool | None, Header("x-amz-confirm-remove-self-bucket-access")] = None
    policy: Annotated[str, Payload()]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketPolicyRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketPolicyStatusRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketAclRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class Grantee(Struct, frozen=True, kw_only=True, gc=False):
    display_name: Annotated[str | None, Xml("DisplayName")] = None
    email_address: Annotated[str | None, Xml("EmailAddress")] = None
    id: Annotated[str | None, Xml("ID")] = None
    type: Annotated[str, Attribute("xsi:type", "http://www.w3.org/2001/XMLSchema-instance")]
    uri: Annotated[str | None, Xml("URI")] = None


class Grant(Struct, frozen=True, kw_only=True, gc=False):
    grantee: Annotated[Grantee | None, Xml("Grantee")] = None
    permission: Annotated[str | None, Xml("Permission")] = None


class Owner(Struct, frozen=True, kw_only=True, gc=False):
    display_name: Annotated[str | None, Xml("DisplayName")] = None
    id: Annotated[str | None, Xml("ID")] = None


class AccessControlPolicy(Struct, frozen=True, kw_only=True, gc=False):
    grants: Annotated[list[Grant] | None, Xml("AccessControlList", item="Grant")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None


class PutBucketAclRequest(Struct, frozen=True, kw_only=True, gc=False):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    access_control_policy: Annotated[AccessControlPolicy | None, Payload("AccessControlPolicy")] = None
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write: Annotated[str | None, Header("x-amz-grant-write")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetObjectAclRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class PutObjectAclRequest(Struct, frozen=True, kw_only=True, gc=False):
    acl: Annotated[str | None, Header("x-amz-acl")] = None
    access_control_policy: Annotated[AccessControlPolicy | None, Payload("AccessControlPolicy")] = None
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    grant_full_control: Annotated[str | None, Header("x-amz-grant-full-control")] = None
    grant_read: Annotated[str | None, Header("x-amz-grant-read")] = None
    grant_read_acp: Annotated[str | None, Header("x-amz-grant-read-acp")] = None
    grant_write: Annotated[str | None, Header("x-amz-grant-write")] = None
    grant_write_acp: Annotated[str | None, Header("x-amz-grant-write-acp")] = None
    key: Annotated[str, Path("Key")]
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketCorsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class CORSRule(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("ID")] = None
    allowed_headers: Annotated[list[str] | None, Xml("AllowedHeader", flat=True)] = None
    allowed_methods: Annotated[list[str], Xml("AllowedMethod", flat=True)]
    allowed_origins: Annotated[list[str], Xml("AllowedOrigin", flat=True)]
    expose_headers: Annotated[list[str] | None, Xml("ExposeHeader", flat=True)] = None
    max_age_seconds: Annotated[int | None, Xml("MaxAgeSeconds")] = None


class CORSConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    cors_rules: Annotated[list[CORSRule], Xml("CORSRule", flat=True)]


class PutBucketCorsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    cors_configuration: Annotated[CORSConfiguration, Payload("CORSConfiguration")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketCorsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class Tagging(Struct, frozen=True, kw_only=True, gc=False):
    tag_set: Annotated[list[Tag], Xml("TagSet", item="Tag")]


class PutBucketTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    tagging: Annotated[Tagging, Payload("Tagging")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetObjectTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None


class PutObjectTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    tagging: Annotated[Tagging, Payload("Tagging")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None


class DeleteObjectTaggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketLifecycleConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class LifecycleExpiration(Struct, frozen=True, kw_only=True, gc=False):
    date: Annotated[Timestamp | None, Xml("Date")] = None
    days: Annotated[int | None, Xml("Days")] = None
    expired_object_delete_marker: Annotated[bool | None, Xml("ExpiredObjectDeleteMarker")] = None


class LifecycleRuleAndOperator(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None
    tags: Annotated[list[Tag] | None, Xml("Tag", flat=True)] = None
    object_size_greater_than: Annotated[int | None, Xml("ObjectSizeGreaterThan")] = None
    object_size_less_than: Annotated[int | None, Xml("ObjectSizeLessThan")] = None


class LifecycleRuleFilter(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None
    tag: Annotated[Tag | None, Xml("Tag")] = None
    object_size_greater_than: Annotated[int | None, Xml("ObjectSizeGreaterThan")] = None
    object_size_less_than: Annotated[int | None, Xml("ObjectSizeLessThan")] = None
    and_: Annotated[LifecycleRuleAndOperator | None, Xml("And")] = None


class Transition(Struct, frozen=True, kw_only=True, gc=False):
    date: Annotated[Timestamp | None, Xml("Date")] = None
    days: Annotated[int | None, Xml("Days")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None


class NoncurrentVersionTransition(Struct, frozen=True, kw_only=True, gc=False):
    noncurrent_days: Annotated[int | None, Xml("NoncurrentDays")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    newer_noncurrent_versions: Annotated[int | None, Xml("NewerNoncurrentVersions")] = None


class NoncurrentVersionExpiration(Struct, frozen=True, kw_only=True, gc=False):
    noncurrent_days: Annotated[int | None, Xml("NoncurrentDays")] = None
    newer_noncurrent_versions: Annotated[int | None, Xml("NewerNoncurrentVersions")] = None


class AbortIncompleteMultipartUpload(Struct, frozen=True, kw_only=True, gc=False):
    days_after_initiation: Annotated[int | None, Xml("DaysAfterInitiation")] = None


class LifecycleRule(Struct, frozen=True, kw_only=True, gc=False):
    expiration: Annotated[LifecycleExpiration | None, Xml("Expiration")] = None
    id: Annotated[str | None, Xml("ID")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    filter: Annotated[LifecycleRuleFilter | None, Xml("Filter")] = None
    status: Annotated[str, Xml("Status")]
    transitions: Annotated[list[Transition] | None, Xml("Transition", flat=True)] = None
    noncurrent_version_transitions: Annotated[
        list[NoncurrentVersionTransition] | None, Xml("NoncurrentVersionTransition", flat=True)
    ] = None
    noncurrent_version_expiration: Annotated[NoncurrentVersionExpiration | None, Xml("NoncurrentVersionExpiration")] = (
        None
    )
    abort_incomplete_multipart_upload: Annotated[
        AbortIncompleteMultipartUpload | None, Xml("AbortIncompleteMultipartUpload")
    ] = None


class BucketLifecycleConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    rules: Annotated[list[LifecycleRule], Xml("Rule", flat=True)]


class PutBucketLifecycleConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    lifecycle_configuration: Annotated[BucketLifecycleConfiguration | None, Payload("LifecycleConfiguration")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    transition_default_minimum_object_size: Annotated[
        str | None, Header("x-amz-transition-default-minimum-object-size")
    ] = None


class DeleteBucketLifecycleRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketReplicationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ReplicationRuleOrOperator(Struct, frozen=True, kw_only=True, gc=False):
    prefixes: Annotated[list[str] | None, Xml("Prefix", flat=True)] = None
    tags: Annotated[list[Tag] | None, Xml("Tag", flat=True)] = None


class ReplicationRuleNotOperator(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None
    tag: Annotated[Tag | None, Xml("Tag")] = None
    or_: Annotated[ReplicationRuleOrOperator | None, Xml("Or")] = None


class ReplicationRuleAndOperator(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None
    tags: Annotated[list[Tag] | None, Xml("Tag", flat=True)] = None
    not_: Annotated[ReplicationRuleNotOperator | None, Xml("Not")] = None


class ReplicationRuleFilter(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None
    tag: Annotated[Tag | None, Xml("Tag")] = None
    and_: Annotated[ReplicationRuleAndOperator | None, Xml("And")] = None
    not_: Annotated[ReplicationRuleNotOperator | None, Xml("Not")] = None


class SseKmsEncryptedObjects(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]


class ReplicaModifications(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]


class SourceSelectionCriteria(Struct, frozen=True, kw_only=True, gc=False):
    sse_kms_encrypted_objects: Annotated[SseKmsEncryptedObjects | None, Xml("SseKmsEncryptedObjects")] = None
    replica_modifications: Annotated[ReplicaModifications | None, Xml("ReplicaModifications")] = None


class ExistingObjectReplication(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]


class AccessControlTranslation(Struct, frozen=True, kw_only=True, gc=False):
    owner: Annotated[str, Xml("Owner")]


class UseSourceMultiRegionKey(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]


class EncryptionConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    replica_kms_key_id: Annotated[str | None, Xml("ReplicaKmsKeyID")] = None
    use_source_multi_region_key: Annotated[UseSourceMultiRegionKey | None, Xml("UseSourceMultiRegionKey")] = None


class ReplicationTimeValue(Struct, frozen=True, kw_only=True, gc=False):
    minutes: Annotated[int | None, Xml("Minutes")] = None


class ReplicationTime(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]
    time: Annotated[ReplicationTimeValue, Xml("Time")]


class Metrics(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str, Xml("Status")]
    event_threshold: Annotated[ReplicationTimeValue | None, Xml("EventThreshold")] = None


class Destination(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Xml("Bucket")]
    account: Annotated[str | None, Xml("Account")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    access_control_translation: Annotated[AccessControlTranslation | None, Xml("AccessControlTranslation")] = None
    encryption_configuration: Annotated[EncryptionConfiguration | None, Xml("EncryptionConfiguration")] = None
    replication_time: Annotated[ReplicationTime | None, Xml("ReplicationTime")] = None
    metrics: Annotated[Metrics | None, Xml("Metrics")] = None


class DeleteMarkerReplication(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str | None, Xml("Status")] = None


class ReplicationRule(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("ID")] = None
    priority: Annotated[int | None, Xml("Priority")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    filter: Annotated[ReplicationRuleFilter | None, Xml("Filter")] = None
    status: Annotated[str, Xml("Status")]
    source_selection_criteria: Annotated[SourceSelectionCriteria | None, Xml("SourceSelectionCriteria")] = None
    existing_object_replication: Annotated[ExistingObjectReplication | None, Xml("ExistingObjectReplication")] = None
    destination: Annotated[Destination, Xml("Destination")]
    delete_marker_replication: Annotated[DeleteMarkerReplication | None, Xml("DeleteMarkerReplication")] = None


class ReplicationConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    role: Annotated[str, Xml("Role")]
    rules: Annotated[list[ReplicationRule], Xml("Rule", flat=True)]


class PutBucketReplicationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    replication_configuration: Annotated[ReplicationConfiguration, Payload("ReplicationConfiguration")]
    token: Annotated[str | None, Header("x-amz-bucket-object-lock-token")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketReplicationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketEncryptionRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ServerSideEncryptionByDefault(Struct, frozen=True, kw_only=True, gc=False):
    sse_algorithm: Annotated[str, Xml("SSEAlgorithm")]
    kms_master_key_id: Annotated[str | None, Xml("KMSMasterKeyID")] = None


class BlockedEncryptionTypes(Struct, frozen=True, kw_only=True, gc=False):
    encryption_type: Annotated[list[str] | None, Xml("EncryptionType", flat=True)] = None


class ServerSideEncryptionRule(Struct, frozen=True, kw_only=True, gc=False):
    apply_server_side_encryption_by_default: Annotated[
        ServerSideEncryptionByDefault | None, Xml("ApplyServerSideEncryptionByDefault")
    ] = None
    bucket_key_enabled: Annotated[bool | None, Xml("BucketKeyEnabled")] = None
    blocked_encryption_types: Annotated[BlockedEncryptionTypes | None, Xml("BlockedEncryptionTypes")] = None


class ServerSideEncryptionConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    rules: Annotated[list[ServerSideEncryptionRule], Xml("Rule", flat=True)]


class PutBucketEncryptionRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    server_side_encryption_configuration: Annotated[
        ServerSideEncryptionConfiguration, Payload("ServerSideEncryptionConfiguration")
    ]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketEncryptionRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetObjectLockConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class EventHoldDuration(Struct, frozen=True, kw_only=True, gc=False):
    days: Annotated[int | None, Xml("Days")] = None
    years: Annotated[int | None, Xml("Years")] = None


class DefaultRetention(Struct, frozen=True, kw_only=True, gc=False):
    mode: Annotated[str | None, Xml("Mode")] = None
    days: Annotated[int | None, Xml("Days")] = None
    years: Annotated[int | None, Xml("Years")] = None
    default_event_hold: Annotated[EventHoldDuration | None, Xml("DefaultEventHold")] = None


class ObjectLockRule(Struct, frozen=True, kw_only=True, gc=False):
    default_retention: Annotated[DefaultRetention | None, Xml("DefaultRetention")] = None


class ObjectLockConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    object_lock_enabled: Annotated[str | None, Xml("ObjectLockEnabled")] = None
    rule: Annotated[ObjectLockRule | None, Xml("Rule")] = None


class PutObjectLockConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    object_lock_configuration: Annotated[ObjectLockConfiguration | None, Payload("ObjectLockConfiguration")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    token: Annotated[str | None, Header("x-amz-bucket-object-lock-token")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetObjectRetentionRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ObjectLockRetention(Struct, frozen=True, kw_only=True, gc=False):
    mode: Annotated[str | None, Xml("Mode")] = None
    retain_until_date: Annotated[Timestamp | None, Xml("RetainUntilDate")] = None
    event_hold: Annotated[str | None, Xml("EventHold")] = None
    event_hold_duration: Annotated[EventHoldDuration | None, Xml("EventHoldDuration")] = None


class PutObjectRetentionRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    retention: Annotated[ObjectLockRetention | None, Payload("Retention")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    bypass_governance_retention: Annotated[bool | None, Header("x-amz-bypass-governance-retention")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetObjectLegalHoldRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    version_id: Annotated[str | None, Query("versionId")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ObjectLockLegalHold(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str | None, Xml("Status")] = None


class PutObjectLegalHoldRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    key: Annotated[str, Path("Key")]
    legal_hold: Annotated[ObjectLockLegalHold | None, Payload("LegalHold")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None
    version_id: Annotated[str | None, Query("versionId")] = None
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketWebsiteRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class ErrorDocument(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str, Xml("Key")]


class IndexDocument(Struct, frozen=True, kw_only=True, gc=False):
    suffix: Annotated[str, Xml("Suffix")]


class RedirectAllRequestsTo(Struct, frozen=True, kw_only=True, gc=False):
    host_name: Annotated[str, Xml("HostName")]
    protocol: Annotated[str | None, Xml("Protocol")] = None


class Condition(Struct, frozen=True, kw_only=True, gc=False):
    http_error_code_returned_equals: Annotated[str | None, Xml("HttpErrorCodeReturnedEquals")] = None
    key_prefix_equals: Annotated[str | None, Xml("KeyPrefixEquals")] = None


class Redirect(Struct, frozen=True, kw_only=True, gc=False):
    host_name: Annotated[str | None, Xml("HostName")] = None
    http_redirect_code: Annotated[str | None, Xml("HttpRedirectCode")] = None
    protocol: Annotated[str | None, Xml("Protocol")] = None
    replace_key_prefix_with: Annotated[str | None, Xml("ReplaceKeyPrefixWith")] = None
    replace_key_with: Annotated[str | None, Xml("ReplaceKeyWith")] = None


class RoutingRule(Struct, frozen=True, kw_only=True, gc=False):
    condition: Annotated[Condition | None, Xml("Condition")] = None
    redirect: Annotated[Redirect, Xml("Redirect")]


class WebsiteConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    error_document: Annotated[ErrorDocument | None, Xml("ErrorDocument")] = None
    index_document: Annotated[IndexDocument | None, Xml("IndexDocument")] = None
    redirect_all_requests_to: Annotated[RedirectAllRequestsTo | None, Xml("RedirectAllRequestsTo")] = None
    routing_rules: Annotated[list[RoutingRule] | None, Xml("RoutingRules", item="RoutingRule")] = None


class PutBucketWebsiteRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    website_configuration: Annotated[WebsiteConfiguration, Payload("WebsiteConfiguration")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeleteBucketWebsiteRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketNotificationConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class FilterRule(Struct, frozen=True, kw_only=True, gc=False):
    name: Annotated[str | None, Xml("Name")] = None
    value: Annotated[str | None, Xml("Value")] = None


class S3KeyFilter(Struct, frozen=True, kw_only=True, gc=False):
    filter_rules: Annotated[list[FilterRule] | None, Xml("FilterRule", flat=True)] = None


class NotificationConfigurationFilter(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[S3KeyFilter | None, Xml("S3Key")] = None


class TopicConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("Id")] = None
    topic_arn: Annotated[str, Xml("Topic")]
    events: Annotated[list[str], Xml("Event", flat=True)]
    filter: Annotated[NotificationConfigurationFilter | None, Xml("Filter")] = None


class QueueConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("Id")] = None
    queue_arn: Annotated[str, Xml("Queue")]
    events: Annotated[list[str], Xml("Event", flat=True)]
    filter: Annotated[NotificationConfigurationFilter | None, Xml("Filter")] = None


class LambdaFunctionConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("Id")] = None
    lambda_function_arn: Annotated[str, Xml("CloudFunction")]
    events: Annotated[list[str], Xml("Event", flat=True)]
    filter: Annotated[NotificationConfigurationFilter | None, Xml("Filter")] = None


class EventBridgeConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    pass


class NotificationConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    topic_configurations: Annotated[list[TopicConfiguration] | None, Xml("TopicConfiguration", flat=True)] = None
    queue_configurations: Annotated[list[QueueConfiguration] | None, Xml("QueueConfiguration", flat=True)] = None
    lambda_function_configurations: Annotated[
        list[LambdaFunctionConfiguration] | None, Xml("CloudFunctionConfiguration", flat=True)
    ] = None
    event_bridge_configuration: Annotated[EventBridgeConfiguration | None, Xml("EventBridgeConfiguration")] = None


class PutBucketNotificationConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    notification_configuration: Annotated[NotificationConfiguration, Payload("NotificationConfiguration")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    skip_destination_validation: Annotated[bool | None, Header("x-amz-skip-destination-validation")] = None


class GetPublicAccessBlockRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class PublicAccessBlockConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    block_public_acls: Annotated[bool | None, Xml("BlockPublicAcls")] = None
    ignore_public_acls: Annotated[bool | None, Xml("IgnorePublicAcls")] = None
    block_public_policy: Annotated[bool | None, Xml("BlockPublicPolicy")] = None
    restrict_public_buckets: Annotated[bool | None, Xml("RestrictPublicBuckets")] = None


class PutPublicAccessBlockRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    public_access_block_configuration: Annotated[
        PublicAccessBlockConfiguration, Payload("PublicAccessBlockConfiguration")
    ]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class DeletePublicAccessBlockRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketOwnershipControlsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class OwnershipControlsRule(Struct, frozen=True, kw_only=True, gc=False):
    object_ownership: Annotated[str, Xml("ObjectOwnership")]


class OwnershipControls(Struct, frozen=True, kw_only=True, gc=False):
    rules: Annotated[list[OwnershipControlsRule], Xml("Rule", flat=True)]


class PutBucketOwnershipControlsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    ownership_controls: Annotated[OwnershipControls, Payload("OwnershipControls")]
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None


class DeleteBucketOwnershipControlsRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketLoggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class TargetGrant(Struct, frozen=True, kw_only=True, gc=False):
    grantee: Annotated[Grantee | None, Xml("Grantee")] = None
    permission: Annotated[str | None, Xml("Permission")] = None


class SimplePrefix(Struct, frozen=True, kw_only=True, gc=False):
    pass


class PartitionedPrefix(Struct, frozen=True, kw_only=True, gc=False):
    partition_date_source: Annotated[str | None, Xml("PartitionDateSource")] = None


class TargetObjectKeyFormat(Struct, frozen=True, kw_only=True, gc=False):
    simple_prefix: Annotated[SimplePrefix | None, Xml("SimplePrefix")] = None
    partitioned_prefix: Annotated[PartitionedPrefix | None, Xml("PartitionedPrefix")] = None


class LoggingEnabled(Struct, frozen=True, kw_only=True, gc=False):
    target_bucket: Annotated[str, Xml("TargetBucket")]
    target_grants: Annotated[list[TargetGrant] | None, Xml("TargetGrants", item="Grant")] = None
    target_prefix: Annotated[str, Xml("TargetPrefix")]
    target_object_key_format: Annotated[TargetObjectKeyFormat | None, Xml("TargetObjectKeyFormat")] = None


class BucketLoggingStatus(Struct, frozen=True, kw_only=True, gc=False):
    logging_enabled: Annotated[LoggingEnabled | None, Xml("LoggingEnabled")] = None


class PutBucketLoggingRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    bucket_logging_status: Annotated[BucketLoggingStatus, Payload("BucketLoggingStatus")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketRequestPaymentRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class RequestPaymentConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    payer: Annotated[str, Xml("Payer")]


class PutBucketRequestPaymentRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    content_md5: Annotated[str | None, Header("content-md5")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None
    request_payment_configuration: Annotated[RequestPaymentConfiguration, Payload("RequestPaymentConfiguration")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None


class GetBucketAccelerateConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    request_payer: Annotated[str | None, Header("x-amz-request-payer")] = None


class AccelerateConfiguration(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str | None, Xml("Status")] = None


class PutBucketAccelerateConfigurationRequest(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str, Path("Bucket")]
    accelerate_configuration: Annotated[AccelerateConfiguration, Payload("AccelerateConfiguration")]
    expected_bucket_owner: Annotated[str | None, Header("x-amz-expected-bucket-owner")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-sdk-checksum-algorithm")] = None


class Bucket(Struct, frozen=True, kw_only=True, gc=False):
    name: Annotated[str | None, Xml("Name")] = None
    creation_date: Annotated[Timestamp | None, Xml("CreationDate")] = None
    bucket_region: Annotated[str | None, Xml("BucketRegion")] = None
    bucket_arn: Annotated[str | None, Xml("BucketArn")] = None


class ListBucketsOutput(Struct, frozen=True, kw_only=True, gc=False):
    buckets: Annotated[list[Bucket] | None, Xml("Buckets", item="Bucket")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None
    continuation_token: Annotated[str | None, Xml("ContinuationToken")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None


class CreateBucketOutput(Struct, frozen=True, kw_only=True, gc=False):
    location: Annotated[str | None, Header("location")] = None
    bucket_arn: Annotated[str | None, Header("x-amz-bucket-arn")] = None


class HeadBucketOutput(Struct, frozen=True, kw_only=True, gc=False):
    bucket_arn: Annotated[str | None, Header("x-amz-bucket-arn")] = None
    bucket_location_type: Annotated[str | None, Header("x-amz-bucket-location-type")] = None
    bucket_location_name: Annotated[str | None, Header("x-amz-bucket-location-name")] = None
    bucket_region: Annotated[str | None, Header("x-amz-bucket-region")] = None
    access_point_alias: Annotated[bool | None, Header("x-amz-access-point-alias")] = None


class GetBucketLocationOutput(Struct, frozen=True, kw_only=True, gc=False):
    location_constraint: Annotated[str | None, Xml("LocationConstraint")] = None


class RestoreStatus(Struct, frozen=True, kw_only=True, gc=False):
    is_restore_in_progress: Annotated[bool | None, Xml("IsRestoreInProgress")] = None
    restore_expiry_date: Annotated[Timestamp | None, Xml("RestoreExpiryDate")] = None


class Object(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str | None, Xml("Key")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None
    etag: Annotated[str | None, Xml("ETag")] = None
    checksum_algorithm: Annotated[list[str] | None, Xml("ChecksumAlgorithm", flat=True)] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    size: Annotated[int | None, Xml("Size")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None
    restore_status: Annotated[RestoreStatus | None, Xml("RestoreStatus")] = None


class CommonPrefix(Struct, frozen=True, kw_only=True, gc=False):
    prefix: Annotated[str | None, Xml("Prefix")] = None


class ListObjectsOutput(Struct, frozen=True, kw_only=True, gc=False):
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    marker: Annotated[str | None, Xml("Marker")] = None
    next_marker: Annotated[str | None, Xml("NextMarker")] = None
    contents: Annotated[list[Object] | None, Xml("Contents", flat=True)] = None
    name: Annotated[str | None, Xml("Name")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    delimiter: Annotated[str | None, Xml("Delimiter")] = None
    max_keys: Annotated[int | None, Xml("MaxKeys")] = None
    common_prefixes: Annotated[list[CommonPrefix] | None, Xml("CommonPrefixes", flat=True)] = None
    encoding_type: Annotated[str | None, Xml("EncodingType")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class ListObjectsV2Output(Struct, frozen=True, kw_only=True, gc=False):
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    contents: Annotated[list[Object] | None, Xml("Contents", flat=True)] = None
    name: Annotated[str | None, Xml("Name")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    delimiter: Annotated[str | None, Xml("Delimiter")] = None
    max_keys: Annotated[int | None, Xml("MaxKeys")] = None
    common_prefixes: Annotated[list[CommonPrefix] | None, Xml("CommonPrefixes", flat=True)] = None
    encoding_type: Annotated[str | None, Xml("EncodingType")] = None
    key_count: Annotated[int | None, Xml("KeyCount")] = None
    continuation_token: Annotated[str | None, Xml("ContinuationToken")] = None
    next_continuation_token: Annotated[str | None, Xml("NextContinuationToken")] = None
    start_after: Annotated[str | None, Xml("StartAfter")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class ObjectVersion(Struct, frozen=True, kw_only=True, gc=False):
    etag: Annotated[str | None, Xml("ETag")] = None
    checksum_algorithm: Annotated[list[str] | None, Xml("ChecksumAlgorithm", flat=True)] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    size: Annotated[int | None, Xml("Size")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    key: Annotated[str | None, Xml("Key")] = None
    version_id: Annotated[str | None, Xml("VersionId")] = None
    is_latest: Annotated[bool | None, Xml("IsLatest")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None
    restore_status: Annotated[RestoreStatus | None, Xml("RestoreStatus")] = None


class DeleteMarkerEntry(Struct, frozen=True, kw_only=True, gc=False):
    owner: Annotated[Owner | None, Xml("Owner")] = None
    key: Annotated[str | None, Xml("Key")] = None
    version_id: Annotated[str | None, Xml("VersionId")] = None
    is_latest: Annotated[bool | None, Xml("IsLatest")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None


class ListObjectVersionsOutput(Struct, frozen=True, kw_only=True, gc=False):
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    key_marker: Annotated[str | None, Xml("KeyMarker")] = None
    version_id_marker: Annotated[str | None, Xml("VersionIdMarker")] = None
    next_key_marker: Annotated[str | None, Xml("NextKeyMarker")] = None
    next_version_id_marker: Annotated[str | None, Xml("NextVersionIdMarker")] = None
    versions: Annotated[list[ObjectVersion] | None, Xml("Version", flat=True)] = None
    delete_markers: Annotated[list[DeleteMarkerEntry] | None, Xml("DeleteMarker", flat=True)] = None
    name: Annotated[str | None, Xml("Name")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    delimiter: Annotated[str | None, Xml("Delimiter")] = None
    max_keys: Annotated[int | None, Xml("MaxKeys")] = None
    common_prefixes: Annotated[list[CommonPrefix] | None, Xml("CommonPrefixes", flat=True)] = None
    encoding_type: Annotated[str | None, Xml("EncodingType")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class Initiator(Struct, frozen=True, kw_only=True, gc=False):
    id: Annotated[str | None, Xml("ID")] = None
    display_name: Annotated[str | None, Xml("DisplayName")] = None


class MultipartUpload(Struct, frozen=True, kw_only=True, gc=False):
    upload_id: Annotated[str | None, Xml("UploadId")] = None
    key: Annotated[str | None, Xml("Key")] = None
    initiated: Annotated[Timestamp | None, Xml("Initiated")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None
    initiator: Annotated[Initiator | None, Xml("Initiator")] = None
    checksum_algorithm: Annotated[str | None, Xml("ChecksumAlgorithm")] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    version_id: Annotated[str | None, Xml("VersionId")] = None


class ListMultipartUploadsOutput(Struct, frozen=True, kw_only=True, gc=False):
    bucket: Annotated[str | None, Xml("Bucket")] = None
    key_marker: Annotated[str | None, Xml("KeyMarker")] = None
    upload_id_marker: Annotated[str | None, Xml("UploadIdMarker")] = None
    next_key_marker: Annotated[str | None, Xml("NextKeyMarker")] = None
    prefix: Annotated[str | None, Xml("Prefix")] = None
    delimiter: Annotated[str | None, Xml("Delimiter")] = None
    next_upload_id_marker: Annotated[str | None, Xml("NextUploadIdMarker")] = None
    max_uploads: Annotated[int | None, Xml("MaxUploads")] = None
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    uploads: Annotated[list[MultipartUpload] | None, Xml("Upload", flat=True)] = None
    common_prefixes: Annotated[list[CommonPrefix] | None, Xml("CommonPrefixes", flat=True)] = None
    encoding_type: Annotated[str | None, Xml("EncodingType")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class GetObjectOutput(Struct, frozen=True, kw_only=True):
    body: Annotated[object, Streaming()] = None
    delete_marker: Annotated[bool | None, Header("x-amz-delete-marker")] = None
    accept_ranges: Annotated[str | None, Header("accept-ranges")] = None
    expiration: Annotated[str | None, Header("x-amz-expiration")] = None
    restore: Annotated[str | None, Header("x-amz-restore")] = None
    last_modified: Annotated[Timestamp | None, Header("last-modified")] = None
    content_length: Annotated[int | None, Header("content-length")] = None
    etag: Annotated[str | None, Header("etag")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None
    missing_meta: Annotated[int | None, Header("x-amz-missing-meta")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    cache_control: Annotated[str | None, Header("cache-control")] = None
    content_disposition: Annotated[str | None, Header("content-disposition")] = None
    content_encoding: Annotated[str | None, Header("content-encoding")] = None
    content_language: Annotated[str | None, Header("content-language")] = None
    content_range: Annotated[str | None, Header("content-range")] = None
    content_type: Annotated[str | None, Header("content-type")] = None
    expires: Annotated[str | None, Header("expires")] = None
    website_redirect_location: Annotated[str | None, Header("x-amz-website-redirect-location")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    metadata: Annotated[dict[str, str] | None, MetadataPrefix("x-amz-meta-")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    storage_class: Annotated[str | None, Header("x-amz-storage-class")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    replication_status: Annotated[str | None, Header("x-amz-replication-status")] = None
    parts_count: Annotated[int | None, Header("x-amz-mp-parts-count")] = None
    tag_count: Annotated[int | None, Header("x-amz-tagging-count")] = None
    object_lock_mode: Annotated[str | None, Header("x-amz-object-lock-mode")] = None
    object_lock_retain_until_date: Annotated[Timestamp | None, Header("x-amz-object-lock-retain-until-date", "iso")] = (
        None
    )
    object_lock_legal_hold_status: Annotated[str | None, Header("x-amz-object-lock-legal-hold")] = None
    object_lock_event_hold: Annotated[str | None, Header("x-amz-object-lock-event-hold")] = None
    object_lock_event_hold_duration_days: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-days")
    ] = None
    object_lock_event_hold_duration_years: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-years")
    ] = None


class HeadObjectOutput(Struct, frozen=True, kw_only=True, gc=False):
    delete_marker: Annotated[bool | None, Header("x-amz-delete-marker")] = None
    accept_ranges: Annotated[str | None, Header("accept-ranges")] = None
    expiration: Annotated[str | None, Header("x-amz-expiration")] = None
    restore: Annotated[str | None, Header("x-amz-restore")] = None
    archive_status: Annotated[str | None, Header("x-amz-archive-status")] = None
    last_modified: Annotated[Timestamp | None, Header("last-modified")] = None
    content_length: Annotated[int | None, Header("content-length")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None
    etag: Annotated[str | None, Header("etag")] = None
    missing_meta: Annotated[int | None, Header("x-amz-missing-meta")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    cache_control: Annotated[str | None, Header("cache-control")] = None
    content_disposition: Annotated[str | None, Header("content-disposition")] = None
    content_encoding: Annotated[str | None, Header("content-encoding")] = None
    content_language: Annotated[str | None, Header("content-language")] = None
    content_type: Annotated[str | None, Header("content-type")] = None
    content_range: Annotated[str | None, Header("content-range")] = None
    expires: Annotated[str | None, Header("expires")] = None
    website_redirect_location: Annotated[str | None, Header("x-amz-website-redirect-location")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    metadata: Annotated[dict[str, str] | None, MetadataPrefix("x-amz-meta-")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    storage_class: Annotated[str | None, Header("x-amz-storage-class")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    replication_status: Annotated[str | None, Header("x-amz-replication-status")] = None
    parts_count: Annotated[int | None, Header("x-amz-mp-parts-count")] = None
    tag_count: Annotated[int | None, Header("x-amz-tagging-count")] = None
    object_lock_mode: Annotated[str | None, Header("x-amz-object-lock-mode")] = None
    object_lock_retain_until_date: Annotated[Timestamp | None, Header("x-amz-object-lock-retain-until-date", "iso")] = (
        None
    )
    object_lock_legal_hold_status: Annotated[str | None, Header("x-amz-object-lock-legal-hold")] = None
    object_lock_event_hold: Annotated[str | None, Header("x-amz-object-lock-event-hold")] = None
    object_lock_event_hold_duration_days: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-days")
    ] = None
    object_lock_event_hold_duration_years: Annotated[
        int | None, Header("x-amz-object-lock-event-hold-duration-years")
    ] = None


class Checksum(Struct, frozen=True, kw_only=True, gc=False):
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None


class ObjectPart(Struct, frozen=True, kw_only=True, gc=False):
    part_number: Annotated[int | None, Xml("PartNumber")] = None
    size: Annotated[int | None, Xml("Size")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None


class GetObjectAttributesParts(Struct, frozen=True, kw_only=True, gc=False):
    total_parts_count: Annotated[int | None, Xml("PartsCount")] = None
    part_number_marker: Annotated[int | None, Xml("PartNumberMarker")] = None
    next_part_number_marker: Annotated[int | None, Xml("NextPartNumberMarker")] = None
    max_parts: Annotated[int | None, Xml("MaxParts")] = None
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    parts: Annotated[list[ObjectPart] | None, Xml("Part", flat=True)] = None


class GetObjectAttributesOutput(Struct, frozen=True, kw_only=True, gc=False):
    delete_marker: Annotated[bool | None, Header("x-amz-delete-marker")] = None
    last_modified: Annotated[Timestamp | None, Header("last-modified")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    etag: Annotated[str | None, Xml("ETag")] = None
    checksum: Annotated[Checksum | None, Xml("Checksum")] = None
    object_parts: Annotated[GetObjectAttributesParts | None, Xml("ObjectParts")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    object_size: Annotated[int | None, Xml("ObjectSize")] = None


class PutObjectOutput(Struct, frozen=True, kw_only=True, gc=False):
    expiration: Annotated[str | None, Header("x-amz-expiration")] = None
    etag: Annotated[str | None, Header("etag")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    size: Annotated[int | None, Header("x-amz-object-size")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class CopyObjectResult(Struct, frozen=True, kw_only=True, gc=False):
    etag: Annotated[str | None, Xml("ETag")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None


class CopyObjectOutput(Struct, frozen=True, kw_only=True, gc=False):
    copy_object_result: Annotated[CopyObjectResult | None, Payload("CopyObjectResult")] = None
    expiration: Annotated[str | None, Header("x-amz-expiration")] = None
    copy_source_version_id: Annotated[str | None, Header("x-amz-copy-source-version-id")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class DeleteObjectOutput(Struct, frozen=True, kw_only=True, gc=False):
    delete_marker: Annotated[bool | None, Header("x-amz-delete-marker")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class DeletedObject(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str | None, Xml("Key")] = None
    version_id: Annotated[str | None, Xml("VersionId")] = None
    delete_marker: Annotated[bool | None, Xml("DeleteMarker")] = None
    delete_marker_version_id: Annotated[str | None, Xml("DeleteMarkerVersionId")] = None


class Error(Struct, frozen=True, kw_only=True, gc=False):
    key: Annotated[str | None, Xml("Key")] = None
    version_id: Annotated[str | None, Xml("VersionId")] = None
    code: Annotated[str | None, Xml("Code")] = None
    message: Annotated[str | None, Xml("Message")] = None


class DeleteObjectsOutput(Struct, frozen=True, kw_only=True, gc=False):
    deleted: Annotated[list[DeletedObject] | None, Xml("Deleted", flat=True)] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    errors: Annotated[list[Error] | None, Xml("Error", flat=True)] = None


class CreateMultipartUploadOutput(Struct, frozen=True, kw_only=True, gc=False):
    abort_date: Annotated[Timestamp | None, Header("x-amz-abort-date")] = None
    abort_rule_id: Annotated[str | None, Header("x-amz-abort-rule-id")] = None
    bucket: Annotated[str | None, Xml("Bucket")] = None
    key: Annotated[str | None, Xml("Key")] = None
    upload_id: Annotated[str | None, Xml("UploadId")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    sse_kms_encryption_context: Annotated[str | None, Header("x-amz-server-side-encryption-context")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    checksum_algorithm: Annotated[str | None, Header("x-amz-checksum-algorithm")] = None
    checksum_type: Annotated[str | None, Header("x-amz-checksum-type")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class UploadPartOutput(Struct, frozen=True, kw_only=True, gc=False):
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    etag: Annotated[str | None, Header("etag")] = None
    checksum_crc32: Annotated[str | None, Header("x-amz-checksum-crc32")] = None
    checksum_crc32c: Annotated[str | None, Header("x-amz-checksum-crc32c")] = None
    checksum_crc64nvme: Annotated[str | None, Header("x-amz-checksum-crc64nvme")] = None
    checksum_sha1: Annotated[str | None, Header("x-amz-checksum-sha1")] = None
    checksum_sha256: Annotated[str | None, Header("x-amz-checksum-sha256")] = None
    checksum_sha512: Annotated[str | None, Header("x-amz-checksum-sha512")] = None
    checksum_md5: Annotated[str | None, Header("x-amz-checksum-md5")] = None
    checksum_xxhash64: Annotated[str | None, Header("x-amz-checksum-xxhash64")] = None
    checksum_xxhash3: Annotated[str | None, Header("x-amz-checksum-xxhash3")] = None
    checksum_xxhash128: Annotated[str | None, Header("x-amz-checksum-xxhash128")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class CopyPartResult(Struct, frozen=True, kw_only=True, gc=False):
    etag: Annotated[str | None, Xml("ETag")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None


class UploadPartCopyOutput(Struct, frozen=True, kw_only=True, gc=False):
    copy_source_version_id: Annotated[str | None, Header("x-amz-copy-source-version-id")] = None
    copy_part_result: Annotated[CopyPartResult | None, Payload("CopyPartResult")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    sse_customer_algorithm: Annotated[str | None, Header("x-amz-server-side-encryption-customer-algorithm")] = None
    sse_customer_key_md5: Annotated[str | None, Header("x-amz-server-side-encryption-customer-key-md5")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class Part(Struct, frozen=True, kw_only=True, gc=False):
    part_number: Annotated[int | None, Xml("PartNumber")] = None
    last_modified: Annotated[Timestamp | None, Xml("LastModified")] = None
    etag: Annotated[str | None, Xml("ETag")] = None
    size: Annotated[int | None, Xml("Size")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None


class ListPartsOutput(Struct, frozen=True, kw_only=True, gc=False):
    abort_date: Annotated[Timestamp | None, Header("x-amz-abort-date")] = None
    abort_rule_id: Annotated[str | None, Header("x-amz-abort-rule-id")] = None
    bucket: Annotated[str | None, Xml("Bucket")] = None
    key: Annotated[str | None, Xml("Key")] = None
    upload_id: Annotated[str | None, Xml("UploadId")] = None
    part_number_marker: Annotated[int | None, Xml("PartNumberMarker")] = None
    next_part_number_marker: Annotated[int | None, Xml("NextPartNumberMarker")] = None
    max_parts: Annotated[int | None, Xml("MaxParts")] = None
    is_truncated: Annotated[bool | None, Xml("IsTruncated")] = None
    parts: Annotated[list[Part] | None, Xml("Part", flat=True)] = None
    initiator: Annotated[Initiator | None, Xml("Initiator")] = None
    owner: Annotated[Owner | None, Xml("Owner")] = None
    storage_class: Annotated[str | None, Xml("StorageClass")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    checksum_algorithm: Annotated[str | None, Xml("ChecksumAlgorithm")] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class CompleteMultipartUploadOutput(Struct, frozen=True, kw_only=True, gc=False):
    location: Annotated[str | None, Xml("Location")] = None
    bucket: Annotated[str | None, Xml("Bucket")] = None
    key: Annotated[str | None, Xml("Key")] = None
    expiration: Annotated[str | None, Header("x-amz-expiration")] = None
    etag: Annotated[str | None, Xml("ETag")] = None
    checksum_crc32: Annotated[str | None, Xml("ChecksumCRC32")] = None
    checksum_crc32c: Annotated[str | None, Xml("ChecksumCRC32C")] = None
    checksum_crc64nvme: Annotated[str | None, Xml("ChecksumCRC64NVME")] = None
    checksum_sha1: Annotated[str | None, Xml("ChecksumSHA1")] = None
    checksum_sha256: Annotated[str | None, Xml("ChecksumSHA256")] = None
    checksum_sha512: Annotated[str | None, Xml("ChecksumSHA512")] = None
    checksum_md5: Annotated[str | None, Xml("ChecksumMD5")] = None
    checksum_xxhash64: Annotated[str | None, Xml("ChecksumXXHASH64")] = None
    checksum_xxhash3: Annotated[str | None, Xml("ChecksumXXHASH3")] = None
    checksum_xxhash128: Annotated[str | None, Xml("ChecksumXXHASH128")] = None
    checksum_type: Annotated[str | None, Xml("ChecksumType")] = None
    server_side_encryption: Annotated[str | None, Header("x-amz-server-side-encryption")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    sse_kms_key_id: Annotated[str | None, Header("x-amz-server-side-encryption-aws-kms-key-id")] = None
    bucket_key_enabled: Annotated[bool | None, Header("x-amz-server-side-encryption-bucket-key-enabled")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class AbortMultipartUploadOutput(Struct, frozen=True, kw_only=True, gc=False):
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class GetBucketVersioningOutput(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str | None, Xml("Status")] = None
    mfa_delete: Annotated[str | None, Xml("MfaDelete")] = None


class GetBucketPolicyOutput(Struct, frozen=True, kw_only=True, gc=False):
    policy: Annotated[str | None, Payload()] = None


class PolicyStatus(Struct, frozen=True, kw_only=True, gc=False):
    is_public: Annotated[bool | None, Xml("IsPublic")] = None


class GetBucketPolicyStatusOutput(Struct, frozen=True, kw_only=True, gc=False):
    policy_status: Annotated[PolicyStatus | None, Payload("PolicyStatus")] = None


class GetBucketAclOutput(Struct, frozen=True, kw_only=True, gc=False):
    owner: Annotated[Owner | None, Xml("Owner")] = None
    grants: Annotated[list[Grant] | None, Xml("AccessControlList", item="Grant")] = None


class GetObjectAclOutput(Struct, frozen=True, kw_only=True, gc=False):
    owner: Annotated[Owner | None, Xml("Owner")] = None
    grants: Annotated[list[Grant] | None, Xml("AccessControlList", item="Grant")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class PutObjectAclOutput(Struct, frozen=True, kw_only=True, gc=False):
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class GetBucketCorsOutput(Struct, frozen=True, kw_only=True, gc=False):
    cors_rules: Annotated[list[CORSRule] | None, Xml("CORSRule", flat=True)] = None


class GetBucketTaggingOutput(Struct, frozen=True, kw_only=True, gc=False):
    tag_set: Annotated[list[Tag] | None, Xml("TagSet", item="Tag")] = None


class GetObjectTaggingOutput(Struct, frozen=True, kw_only=True, gc=False):
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None
    tag_set: Annotated[list[Tag] | None, Xml("TagSet", item="Tag")] = None


class PutObjectTaggingOutput(Struct, frozen=True, kw_only=True, gc=False):
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class DeleteObjectTaggingOutput(Struct, frozen=True, kw_only=True, gc=False):
    version_id: Annotated[str | None, Header("x-amz-version-id")] = None


class GetBucketLifecycleConfigurationOutput(Struct, frozen=True, kw_only=True, gc=False):
    rules: Annotated[list[LifecycleRule] | None, Xml("Rule", flat=True)] = None
    transition_default_minimum_object_size: Annotated[
        str | None, Header("x-amz-transition-default-minimum-object-size")
    ] = None


class PutBucketLifecycleConfigurationOutput(Struct, frozen=True, kw_only=True, gc=False):
    transition_default_minimum_object_size: Annotated[
        str | None, Header("x-amz-transition-default-minimum-object-size")
    ] = None


class GetBucketReplicationOutput(Struct, frozen=True, kw_only=True, gc=False):
    replication_configuration: Annotated[ReplicationConfiguration | None, Payload("ReplicationConfiguration")] = None


class GetBucketEncryptionOutput(Struct, frozen=True, kw_only=True, gc=False):
    server_side_encryption_configuration: Annotated[
        ServerSideEncryptionConfiguration | None, Payload("ServerSideEncryptionConfiguration")
    ] = None


class GetObjectLockConfigurationOutput(Struct, frozen=True, kw_only=True, gc=False):
    object_lock_configuration: Annotated[ObjectLockConfiguration | None, Payload("ObjectLockConfiguration")] = None


class PutObjectLockConfigurationOutput(Struct, frozen=True, kw_only=True, gc=False):
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class GetObjectRetentionOutput(Struct, frozen=True, kw_only=True, gc=False):
    retention: Annotated[ObjectLockRetention | None, Payload("Retention")] = None


class PutObjectRetentionOutput(Struct, frozen=True, kw_only=True, gc=False):
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class GetObjectLegalHoldOutput(Struct, frozen=True, kw_only=True, gc=False):
    legal_hold: Annotated[ObjectLockLegalHold | None, Payload("LegalHold")] = None


class PutObjectLegalHoldOutput(Struct, frozen=True, kw_only=True, gc=False):
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


class GetBucketWebsiteOutput(Struct, frozen=True, kw_only=True, gc=False):
    redirect_all_requests_to: Annotated[RedirectAllRequestsTo | None, Xml("RedirectAllRequestsTo")] = None
    index_document: Annotated[IndexDocument | None, Xml("IndexDocument")] = None
    error_document: Annotated[ErrorDocument | None, Xml("ErrorDocument")] = None
    routing_rules: Annotated[list[RoutingRule] | None, Xml("RoutingRules", item="RoutingRule")] = None


class GetPublicAccessBlockOutput(Struct, frozen=True, kw_only=True, gc=False):
    public_access_block_configuration: Annotated[
        PublicAccessBlockConfiguration | None, Payload("PublicAccessBlockConfiguration")
    ] = None


class GetBucketOwnershipControlsOutput(Struct, frozen=True, kw_only=True, gc=False):
    ownership_controls: Annotated[OwnershipControls | None, Payload("OwnershipControls")] = None


class GetBucketLoggingOutput(Struct, frozen=True, kw_only=True, gc=False):
    logging_enabled: Annotated[LoggingEnabled | None, Xml("LoggingEnabled")] = None


class GetBucketRequestPaymentOutput(Struct, frozen=True, kw_only=True, gc=False):
    payer: Annotated[str | None, Xml("Payer")] = None


class GetBucketAccelerateConfigurationOutput(Struct, frozen=True, kw_only=True, gc=False):
    status: Annotated[str | None, Xml("Status")] = None
    request_charged: Annotated[str | None, Header("x-amz-request-charged")] = None


WIRES: Final[tuple[Wire, ...]] = (
    Wire("ListBuckets", "GET", "service", ListBucketsRequest, ListBucketsOutput, output_root="ListAllMyBucketsResult"),
    Wire(
        "CreateBucket",
        "PUT",
        "bucket",
        CreateBucketRequest,
        CreateBucketOutput,
        input_root="CreateBucketConfiguration",
        has_document=True,
    ),
    Wire("HeadBucket", "HEAD", "bucket", HeadBucketRequest, HeadBucketOutput),
    Wire("DeleteBucket", "DELETE", "bucket", DeleteBucketRequest, None, status=204),
    Wire(
        "GetBucketLocation",
        "GET",
        "bucket",
        GetBucketLocationRequest,
        GetBucketLocationOutput,
        query=(("location", ""),),
        output_root="LocationConstraint",
    ),
    Wire("ListObjects", "GET", "bucket", ListObjectsRequest, ListObjectsOutput, output_root="ListBucketResult"),
    Wire(
        "ListObjectsV2",
        "GET",
        "bucket",
        ListObjectsV2Request,
        ListObjectsV2Output,
        query=(("list-type", "2"),),
        output_root="ListBucketResult",
    ),
    Wire(
        "ListObjectVersions",
        "GET",
        "bucket",
        ListObjectVersionsRequest,
        ListObjectVersionsOutput,
        query=(("versions", ""),),
        output_root="ListVersionsResult",
    ),
    Wire(
        "ListMultipartUploads",
        "GET",
        "bucket",
        ListMultipartUploadsRequest,
        ListMultipartUploadsOutput,
        query=(("uploads", ""),),
        output_root="ListMultipartUploadsResult",
    ),
    Wire("GetObject", "GET", "object", GetObjectRequest, GetObjectOutput, streams_out=True),
    Wire("HeadObject", "HEAD", "object", HeadObjectRequest, HeadObjectOutput),
    Wire(
        "GetObjectAttributes",
        "GET",
        "object",
        GetObjectAttributesRequest,
        GetObjectAttributesOutput,
        query=(("attributes", ""),),
        output_root="GetObjectAttributesResponse",
    ),
    Wire("PutObject", "PUT", "object", PutObjectRequest, PutObjectOutput, streams_in=True),
    Wire(
        "CopyObject",
        "PUT",
        "object",
        CopyObjectRequest,
        CopyObjectOutput,
        needs_headers=("x-amz-copy-source",),
        output_root="CopyObjectResult",
    ),
    Wire("DeleteObject", "DELETE", "object", DeleteObjectRequest, DeleteObjectOutput, status=204),
    Wire(
        "DeleteObjects",
        "POST",
        "bucket",
        DeleteObjectsRequest,
        DeleteObjectsOutput,
        query=(("delete", ""),),
        input_root="Delete",
        output_root="DeleteResult",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "CreateMultipartUpload",
        "POST",
        "object",
        CreateMultipartUploadRequest,
        CreateMultipartUploadOutput,
        query=(("uploads", ""),),
        output_root="InitiateMultipartUploadResult",
    ),
    Wire(
        "UploadPart",
        "PUT",
        "object",
        UploadPartRequest,
        UploadPartOutput,
        needs_query=("partNumber", "uploadId"),
        streams_in=True,
    ),
    Wire(
        "UploadPartCopy",
        "PUT",
        "object",
        UploadPartCopyRequest,
        UploadPartCopyOutput,
        needs_query=("partNumber", "uploadId"),
        needs_headers=("x-amz-copy-source",),
        output_root="CopyPartResult",
    ),
    Wire(
        "ListParts",
        "GET",
        "object",
        ListPartsRequest,
        ListPartsOutput,
        needs_query=("uploadId",),
        output_root="ListPartsResult",
    ),
    Wire(
        "CompleteMultipartUpload",
        "POST",
        "object",
        CompleteMultipartUploadRequest,
        CompleteMultipartUploadOutput,
        needs_query=("uploadId",),
        input_root="CompleteMultipartUpload",
        output_root="CompleteMultipartUploadResult",
        has_document=True,
    ),
    Wire(
        "AbortMultipartUpload",
        "DELETE",
        "object",
        AbortMultipartUploadRequest,
        AbortMultipartUploadOutput,
        status=204,
        needs_query=("uploadId",),
    ),
    Wire(
        "GetBucketVersioning",
        "GET",
        "bucket",
        GetBucketVersioningRequest,
        GetBucketVersioningOutput,
        query=(("versioning", ""),),
        output_root="VersioningConfiguration",
    ),
    Wire(
        "PutBucketVersioning",
        "PUT",
        "bucket",
        PutBucketVersioningRequest,
        None,
        query=(("versioning", ""),),
        input_root="VersioningConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire("GetBucketPolicy", "GET", "bucket", GetBucketPolicyRequest, GetBucketPolicyOutput, query=(("policy", ""),)),
    Wire(
        "PutBucketPolicy",
        "PUT",
        "bucket",
        PutBucketPolicyRequest,
        None,
        query=(("policy", ""),),
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketPolicy", "DELETE", "bucket", DeleteBucketPolicyRequest, None, status=204, query=(("policy", ""),)
    ),
    Wire(
        "GetBucketPolicyStatus",
        "GET",
        "bucket",
        GetBucketPolicyStatusRequest,
        GetBucketPolicyStatusOutput,
        query=(("policyStatus", ""),),
        output_root="PolicyStatus",
    ),
    Wire(
        "GetBucketAcl",
        "GET",
        "bucket",
        GetBucketAclRequest,
        GetBucketAclOutput,
        query=(("acl", ""),),
        output_root="AccessControlPolicy",
    ),
    Wire(
        "PutBucketAcl",
        "PUT",
        "bucket",
        PutBucketAclRequest,
        None,
        query=(("acl", ""),),
        input_root="AccessControlPolicy",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "GetObjectAcl",
        "GET",
        "object",
        GetObjectAclRequest,
        GetObjectAclOutput,
        query=(("acl", ""),),
        output_root="AccessControlPolicy",
    ),
    Wire(
        "PutObjectAcl",
        "PUT",
        "object",
        PutObjectAclRequest,
        PutObjectAclOutput,
        query=(("acl", ""),),
        input_root="AccessControlPolicy",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "GetBucketCors",
        "GET",
        "bucket",
        GetBucketCorsRequest,
        GetBucketCorsOutput,
        query=(("cors", ""),),
        output_root="CORSConfiguration",
    ),
    Wire(
        "PutBucketCors",
        "PUT",
        "bucket",
        PutBucketCorsRequest,
        None,
        query=(("cors", ""),),
        input_root="CORSConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire("DeleteBucketCors", "DELETE", "bucket", DeleteBucketCorsRequest, None, status=204, query=(("cors", ""),)),
    Wire(
        "GetBucketTagging",
        "GET",
        "bucket",
        GetBucketTaggingRequest,
        GetBucketTaggingOutput,
        query=(("tagging", ""),),
        output_root="Tagging",
    ),
    Wire(
        "PutBucketTagging",
        "PUT",
        "bucket",
        PutBucketTaggingRequest,
        None,
        query=(("tagging", ""),),
        input_root="Tagging",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketTagging",
        "DELETE",
        "bucket",
        DeleteBucketTaggingRequest,
        None,
        status=204,
        query=(("tagging", ""),),
    ),
    Wire(
        "GetObjectTagging",
        "GET",
        "object",
        GetObjectTaggingRequest,
        GetObjectTaggingOutput,
        query=(("tagging", ""),),
        output_root="Tagging",
    ),
    Wire(
        "PutObjectTagging",
        "PUT",
        "object",
        PutObjectTaggingRequest,
        PutObjectTaggingOutput,
        query=(("tagging", ""),),
        input_root="Tagging",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteObjectTagging",
        "DELETE",
        "object",
        DeleteObjectTaggingRequest,
        DeleteObjectTaggingOutput,
        status=204,
        query=(("tagging", ""),),
    ),
    Wire(
        "GetBucketLifecycleConfiguration",
        "GET",
        "bucket",
        GetBucketLifecycleConfigurationRequest,
        GetBucketLifecycleConfigurationOutput,
        query=(("lifecycle", ""),),
        output_root="LifecycleConfiguration",
    ),
    Wire(
        "PutBucketLifecycleConfiguration",
        "PUT",
        "bucket",
        PutBucketLifecycleConfigurationRequest,
        PutBucketLifecycleConfigurationOutput,
        query=(("lifecycle", ""),),
        input_root="LifecycleConfiguration",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketLifecycle",
        "DELETE",
        "bucket",
        DeleteBucketLifecycleRequest,
        None,
        status=204,
        query=(("lifecycle", ""),),
    ),
    Wire(
        "GetBucketReplication",
        "GET",
        "bucket",
        GetBucketReplicationRequest,
        GetBucketReplicationOutput,
        query=(("replication", ""),),
        output_root="ReplicationConfiguration",
    ),
    Wire(
        "PutBucketReplication",
        "PUT",
        "bucket",
        PutBucketReplicationRequest,
        None,
        query=(("replication", ""),),
        input_root="ReplicationConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketReplication",
        "DELETE",
        "bucket",
        DeleteBucketReplicationRequest,
        None,
        status=204,
        query=(("replication", ""),),
    ),
    Wire(
        "GetBucketEncryption",
        "GET",
        "bucket",
        GetBucketEncryptionRequest,
        GetBucketEncryptionOutput,
        query=(("encryption", ""),),
        output_root="ServerSideEncryptionConfiguration",
    ),
    Wire(
        "PutBucketEncryption",
        "PUT",
        "bucket",
        PutBucketEncryptionRequest,
        None,
        query=(("encryption", ""),),
        input_root="ServerSideEncryptionConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketEncryption",
        "DELETE",
        "bucket",
        DeleteBucketEncryptionRequest,
        None,
        status=204,
        query=(("encryption", ""),),
    ),
    Wire(
        "GetObjectLockConfiguration",
        "GET",
        "bucket",
        GetObjectLockConfigurationRequest,
        GetObjectLockConfigurationOutput,
        query=(("object-lock", ""),),
        output_root="ObjectLockConfiguration",
    ),
    Wire(
        "PutObjectLockConfiguration",
        "PUT",
        "bucket",
        PutObjectLockConfigurationRequest,
        PutObjectLockConfigurationOutput,
        query=(("object-lock", ""),),
        input_root="ObjectLockConfiguration",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "GetObjectRetention",
        "GET",
        "object",
        GetObjectRetentionRequest,
        GetObjectRetentionOutput,
        query=(("retention", ""),),
        output_root="Retention",
    ),
    Wire(
        "PutObjectRetention",
        "PUT",
        "object",
        PutObjectRetentionRequest,
        PutObjectRetentionOutput,
        query=(("retention", ""),),
        input_root="Retention",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "GetObjectLegalHold",
        "GET",
        "object",
        GetObjectLegalHoldRequest,
        GetObjectLegalHoldOutput,
        query=(("legal-hold", ""),),
        output_root="LegalHold",
    ),
    Wire(
        "PutObjectLegalHold",
        "PUT",
        "object",
        PutObjectLegalHoldRequest,
        PutObjectLegalHoldOutput,
        query=(("legal-hold", ""),),
        input_root="LegalHold",
        has_document=True,
        checksum_required=True,
    ),
    Wire(
        "GetBucketWebsite",
        "GET",
        "bucket",
        GetBucketWebsiteRequest,
        GetBucketWebsiteOutput,
        query=(("website", ""),),
        output_root="WebsiteConfiguration",
    ),
    Wire(
        "PutBucketWebsite",
        "PUT",
        "bucket",
        PutBucketWebsiteRequest,
        None,
        query=(("website", ""),),
        input_root="WebsiteConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketWebsite",
        "DELETE",
        "bucket",
        DeleteBucketWebsiteRequest,
        None,
        status=204,
        query=(("website", ""),),
    ),
    Wire(
        "GetBucketNotificationConfiguration",
        "GET",
        "bucket",
        GetBucketNotificationConfigurationRequest,
        NotificationConfiguration,
        query=(("notification", ""),),
        output_root="NotificationConfiguration",
    ),
    Wire(
        "PutBucketNotificationConfiguration",
        "PUT",
        "bucket",
        PutBucketNotificationConfigurationRequest,
        None,
        query=(("notification", ""),),
        input_root="NotificationConfiguration",
        has_document=True,
        body_required=True,
    ),
    Wire(
        "GetPublicAccessBlock",
        "GET",
        "bucket",
        GetPublicAccessBlockRequest,
        GetPublicAccessBlockOutput,
        query=(("publicAccessBlock", ""),),
        output_root="PublicAccessBlockConfiguration",
    ),
    Wire(
        "PutPublicAccessBlock",
        "PUT",
        "bucket",
        PutPublicAccessBlockRequest,
        None,
        query=(("publicAccessBlock", ""),),
        input_root="PublicAccessBlockConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeletePublicAccessBlock",
        "DELETE",
        "bucket",
        DeletePublicAccessBlockRequest,
        None,
        status=204,
        query=(("publicAccessBlock", ""),),
    ),
    Wire(
        "GetBucketOwnershipControls",
        "GET",
        "bucket",
        GetBucketOwnershipControlsRequest,
        GetBucketOwnershipControlsOutput,
        query=(("ownershipControls", ""),),
        output_root="OwnershipControls",
    ),
    Wire(
        "PutBucketOwnershipControls",
        "PUT",
        "bucket",
        PutBucketOwnershipControlsRequest,
        None,
        query=(("ownershipControls", ""),),
        input_root="OwnershipControls",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "DeleteBucketOwnershipControls",
        "DELETE",
        "bucket",
        DeleteBucketOwnershipControlsRequest,
        None,
        status=204,
        query=(("ownershipControls", ""),),
    ),
    Wire(
        "GetBucketLogging",
        "GET",
        "bucket",
        GetBucketLoggingRequest,
        GetBucketLoggingOutput,
        query=(("logging", ""),),
        output_root="BucketLoggingStatus",
    ),
    Wire(
        "PutBucketLogging",
        "PUT",
        "bucket",
        PutBucketLoggingRequest,
        None,
        query=(("logging", ""),),
        input_root="BucketLoggingStatus",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "GetBucketRequestPayment",
        "GET",
        "bucket",
        GetBucketRequestPaymentRequest,
        GetBucketRequestPaymentOutput,
        query=(("requestPayment", ""),),
        output_root="RequestPaymentConfiguration",
    ),
    Wire(
        "PutBucketRequestPayment",
        "PUT",
        "bucket",
        PutBucketRequestPaymentRequest,
        None,
        query=(("requestPayment", ""),),
        input_root="RequestPaymentConfiguration",
        has_document=True,
        body_required=True,
        checksum_required=True,
    ),
    Wire(
        "GetBucketAccelerateConfiguration",
        "GET",
        "bucket",
        GetBucketAccelerateConfigurationRequest,
        GetBucketAccelerateConfigurationOutput,
        query=(("accelerate", ""),),
        output_root="AccelerateConfiguration",
    ),
    Wire(
        "PutBucketAccelerateConfiguration",
        "PUT",
        "bucket",
        PutBucketAccelerateConfigurationRequest,
        None,
        query=(("accelerate", ""),),
        input_root="AccelerateConfiguration",
        has_document=True,
        body_required=True,
    ),
)

# Every key that by itself names a sub-resource in some operation of S3, offered here or not.
SUBRESOURCES: Final = frozenset(
    [
        "abac",
        "accelerate",
        "acl",
        "analytics",
        "annotation",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metadataAnnotationTable",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "uploads",
        "versioning",
        "versions",
        "website",
    ]
)

# What checked headers and parameters may say, by their names on the wire.
VALUES: Final = {
    "encoding-type": frozenset(["url"]),
    "x-amz-acl": frozenset(
        [
            "authenticated-read",
            "aws-exec-read",
            "bucket-owner-full-control",
            "bucket-owner-read",
            "private",
            "public-read",
            "public-read-write",
        ]
    ),
    "x-amz-checksum-algorithm": frozenset(
        ["CRC32", "CRC32C", "CRC64NVME", "MD5", "SHA1", "SHA256", "SHA512", "XXHASH128", "XXHASH3", "XXHASH64"]
    ),
    "x-amz-checksum-type": frozenset(["COMPOSITE", "FULL_OBJECT"]),
    "x-amz-metadata-directive": frozenset(["COPY", "REPLACE"]),
    "x-amz-object-attributes": frozenset(["Checksum", "ETag", "ObjectParts", "ObjectSize", "StorageClass"]),
    "x-amz-object-lock-legal-hold": frozenset(["OFF", "ON"]),
    "x-amz-object-lock-mode": frozenset(["COMPLIANCE", "GOVERNANCE"]),
    "x-amz-object-ownership": frozenset(["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
    "x-amz-optional-object-attributes": frozenset(["RestoreStatus"]),
    "x-amz-sdk-checksum-algorithm": frozenset(
        ["CRC32", "CRC32C", "CRC64NVME", "MD5", "SHA1", "SHA256", "SHA512", "XXHASH128", "XXHASH3", "XXHASH64"]
    ),
    "x-amz-storage-class": frozenset(
        [
            "AWS_BACKUP_LOW_COST_WARM",
            "AWS_BACKUP_WARM",
            "DEEP_ARCHIVE",
            "EXPRESS_ONEZONE",
            "FSX_ONTAP",
            "FSX_OPENZFS",
            "GLACIER",
            "GLACIER_IR",
            "INTELLIGENT_TIERING",
            "ONEZONE_IA",
            "OUTPOSTS",
            "REDUCED_REDUNDANCY",
            "SNOW",
            "STANDARD",
            "STANDARD_IA",
        ]
    ),
    "x-amz-tagging-directive": frozenset(["COPY", "REPLACE"]),
}
