#!/usr/bin/env bash
# @aws-sdk/s3-request-presigner 3.1169.0 with @aws-sdk/client-s3 3.1175.0 (Node.js 20): what becomes of a PutObjectCommand.
#
# Valid input: getSignedUrl of a PutObjectCommand with ContentType, CacheControl, ContentDisposition, IfNoneMatch, Metadata.
#   - ContentType and CacheControl are neither in the URL nor among the signed headers, so that whoever uploads decides;
#     ContentDisposition and IfNoneMatch are signed headers that the uploader must repeat; Metadata moves into the query;
#   - `hoistableHeaders` brings none of the four into the query; `signableHeaders` makes the two of them signed headers;
#   - the query states the CRC32 of a body of no bytes, x-amz-checksum-crc32=AAAAAA==, for whatever will be uploaded, so
#     that a store which believed checksums in a presigned query would refuse every upload.
#
# Exit status 0: still so. 1: it behaves otherwise, read again. 2: could not be tried.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0 || exit 2
cat >presign.mjs <<'JS'
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const client = new S3Client({
  region: "us-east-1",
  endpoint: "http://127.0.0.1:9",
  forcePathStyle: true,
  credentials: { accessKeyId: "access", secretAccessKey: "secret" },
});
const command = () => new PutObjectCommand({
  Bucket: "bucket", Key: "key", ContentType: "image/png", CacheControl: "max-age=60",
  ContentDisposition: "inline", IfNoneMatch: "*", Metadata: { colour: "red" },
});
const four = ["content-type", "cache-control", "content-disposition", "if-none-match"];
const seen = {};
for (const [name, options] of [
  ["plain", {}],
  ["hoistable", { hoistableHeaders: new Set(four) }],
  ["signable", { signableHeaders: new Set(["content-type", "cache-control"]) }],
]) {
  const query = new URL(await getSignedUrl(client, command(), options)).searchParams;
  seen[name] = {
    signed: query.get("X-Amz-SignedHeaders"),
    hoisted: [...query.keys()].filter((key) => four.includes(key.toLowerCase())),
    colour: query.get("x-amz-meta-colour"),
    crc32: query.get("x-amz-checksum-crc32"),
  };
  console.log(name, JSON.stringify(seen[name]));
}
const few = "content-disposition;host;if-none-match", all = "cache-control;content-disposition;content-type;host;if-none-match";
const same = seen.plain.signed === few && seen.hoistable.signed === few && seen.signable.signed === all
  && Object.values(seen).every((one) => one.hoisted.length === 0 && one.colour === "red" && one.crc32 === "AAAAAA==");
process.exit(same ? 0 : 1);
JS
node --no-warnings presign.mjs
