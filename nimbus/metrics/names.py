"""Every metric of this store, with its unit and its meaning: the page for whoever builds a dashboard or an alert.

Names follow Prometheus: base units (seconds, bytes), the unit last, `_total` after it for counters. The ones of
the process are those that every Prometheus client library uses, so that ready-made dashboards understand them.
"""

from __future__ import annotations

from typing import Final

from nimbus.metrics.api import Kind, Metric


def _counter(name: str, help: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, help, labels)


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, help, labels)


def _histogram(name: str, help: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, help, labels)


# --- S3 requests, whoever answered them -----------------------------------------------------------------
# `operation` is S3's name of it; `other` is what this store does not offer, or could not be told from the head.
REQUESTS: Final = _counter(
    "nimbus_s3_requests_total",
    "Requests answered, by operation and HTTP status; status 0: the client was gone before an answer.",
    "operation",
    "status",
)
REQUEST_SECONDS: Final = _histogram(
    "nimbus_s3_request_duration_seconds",
    "Time from the head of a request to the last byte of its answer handed to the kernel or the listener.",
    "operation",
)
RECEIVED_BYTES: Final = _counter(
    "nimbus_s3_received_bytes_total", "Bytes of request bodies taken from clients, with their framing.", "operation"
)
SENT_BYTES: Final = _counter("nimbus_s3_sent_bytes_total", "Bytes of answer bodies, without heads.", "operation")
REQUESTS_IN_FLIGHT: Final = _gauge("nimbus_s3_requests_in_flight", "Requests being answered now.")
ERRORS: Final = _counter(
    "nimbus_s3_errors_total",
    "Errors by S3's code; SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed and AccessDenied are "
    "failed authentications.",
    "code",
)
DAMAGED: Final = _counter(
    "nimbus_s3_damaged_total", "Requests that met stored bytes which are damaged, missing or not readable."
)

# --- the commit thread ----------------------------------------------------------------------------------
COMMIT_GROUPS: Final = _counter("nimbus_commit_groups_total", "Groups of mutations that shared one write and sync.")
COMMIT_MUTATIONS: Final = _counter(
    "nimbus_commit_mutations_total", "Mutations answered: durable, or refused by their own conditions."
)
COMMIT_WAITING: Final = _gauge("nimbus_commit_waiting", "Mutations queued or being made durable now.")
COMMIT_SYNC_SECONDS: Final = _histogram("nimbus_commit_sync_duration_seconds", "Time of a sync of the metadata's log.")

# --- bytes and the garbage they become ------------------------------------------------------------------
DATA_WRITTEN_BYTES: Final = _counter("nimbus_data_written_bytes_total", "Bytes written to the data engine.")
DATA_READ_BYTES: Final = _counter("nimbus_data_read_bytes_total", "Verified bytes of objects that were read.")
DATA_DROPPED_BYTES: Final = _counter("nimbus_data_dropped_bytes_total", "Bytes given back by the data engine.")
DATA_SYNC_SECONDS: Final = _histogram("nimbus_data_sync_duration_seconds", "Time of a sync of the data engine.")
GARBAGE_FREED: Final = _counter("nimbus_garbage_rows_freed_total", "Rows of the garbage queue that were freed.")
GARBAGE_HELD: Final = _gauge("nimbus_garbage_rows_held", "Garbage rows that wait for a reader to end.")
GARBAGE_DISCARDED: Final = _gauge("nimbus_garbage_discarded_writes", "Refused writes whose bytes wait to be freed.")
GARBAGE_AGAIN: Final = _gauge("nimbus_garbage_rows_again", "Garbage rows that are tried again, most after a failure.")
QUARANTINE_LOCATIONS: Final = _gauge(
    "nimbus_quarantine_locations",
    "Writes found after an unclean stop that no metadata names; `waiting` ones are dropped when their time is over, "
    "`held` ones when the operator says so.",
    "state",
)
QUARANTINE_BYTES: Final = _gauge("nimbus_quarantine_bytes", "Bytes on the disk of these writes.", "state")
METADATA_UNREADABLE: Final = _counter(
    "nimbus_metadata_unreadable_total", "Reads of listings that met metadata that cannot be read; the log names it."
)
METADATA_SKIPPED: Final = _counter(
    "nimbus_metadata_skipped_total", "Of these, those that left it out, so that a listing was not whole."
)

# --- the native plane, in front of the Python front ------------------------------------------------------
# What the plane answers itself is counted among the S3 requests above, as what it relays is by the application.
PLANE_REQUESTS: Final = _counter(
    "nimbus_plane_requests_total", "Requests on native connections, by what became of them.", "operation"
)
PLANE_REQUEST_SECONDS: Final = _histogram(
    "nimbus_plane_request_duration_seconds", "Time from the head of a request to the last byte sent.", "operation"
)
PLANE_CONNECTIONS: Final = _gauge("nimbus_plane_connections", "Client connections open now.")
PLANE_IN_FLIGHT: Final = _gauge("nimbus_plane_requests_in_flight", "Requests being answered now.")
# Counters of the plane that go by one name: the plane's own name -> the metric.
PLANE_COUNTERS: Final = {
    "received_bytes": _counter("nimbus_plane_received_bytes_total", "Bytes received from clients, heads included."),
    "sent_bytes": _counter("nimbus_plane_sent_bytes_total", "Bytes sent to clients, heads included."),
    "relayed_bytes": _counter(
        "nimbus_plane_relayed_bytes_total", "Bytes of answers that came from the application behind, heads included."
    ),
    "relayed_body_bytes": _counter(
        "nimbus_plane_relayed_body_bytes_total", "Bytes of request bodies that were passed on to the application."
    ),
    "accepted": _counter("nimbus_plane_connections_accepted_total", "Connections accepted."),
    "evicted": _counter(
        "nimbus_plane_connections_evicted_total", "Connections that waited for nothing, closed to make room for others."
    ),
    "refused": _counter("nimbus_plane_connections_refused_total", "Connections or requests refused as too many."),
    "timed_out": _counter("nimbus_plane_connections_timed_out_total", "Connections cut off by a timer."),
    "malformed": _counter("nimbus_plane_requests_malformed_total", "Heads that the strict parser refused."),
    "accept_failures": _counter("nimbus_plane_accept_failures_total", "Failures to accept, as without descriptors."),
    "unreadable": _counter(
        "nimbus_plane_unreadable_total", "Answers cut off because stored bytes could not be read or were damaged."
    ),
    "upstream_failures": _counter("nimbus_plane_upstream_failures_total", "Relayed requests whose upstream failed."),
}

# --- the access log, when there is one -------------------------------------------------------------------
ACCESS_LOG_LINES: Final = _counter("nimbus_access_log_lines_total", "Lines written to the access log.")
ACCESS_LOG_DROPPED: Final = _counter(
    "nimbus_access_log_dropped_lines_total", "Lines that were lost, because the file was too slow for them or failed."
)

# --- the process ----------------------------------------------------------------------------------------
BUILD_INFO: Final = _gauge("nimbus_build_info", "Always 1; the labels tell what runs.", "version", "python")
PROCESS_CPU_SECONDS: Final = _counter("process_cpu_seconds_total", "CPU time of all threads, user and system.")
PROCESS_RESIDENT_BYTES: Final = _gauge("process_resident_memory_bytes", "Memory that is in RAM.")
PROCESS_VIRTUAL_BYTES: Final = _gauge("process_virtual_memory_bytes", "Address space.")
PROCESS_OPEN_FDS: Final = _gauge("process_open_fds", "Open file descriptors: connections and files.")
PROCESS_MAX_FDS: Final = _gauge("process_max_fds", "How many file descriptors may be open.")
PROCESS_START_SECONDS: Final = _gauge("process_start_time_seconds", "When the process began, since the epoch.")

METRICS: Final = (
    REQUESTS,
    REQUEST_SECONDS,
    RECEIVED_BYTES,
    SENT_BYTES,
    REQUESTS_IN_FLIGHT,
    ERRORS,
    DAMAGED,
    COMMIT_GROUPS,
    COMMIT_MUTATIONS,
    COMMIT_WAITING,
    COMMIT_SYNC_SECONDS,
    DATA_WRITTEN_BYTES,
    DATA_READ_BYTES,
    DATA_DROPPED_BYTES,
    DATA_SYNC_SECONDS,
    GARBAGE_FREED,
    GARBAGE_HELD,
    GARBAGE_DISCARDED,
    GARBAGE_AGAIN,
    QUARANTINE_LOCATIONS,
    QUARANTINE_BYTES,
    METADATA_UNREADABLE,
    METADATA_SKIPPED,
    PLANE_REQUESTS,
    PLANE_REQUEST_SECONDS,
    PLANE_CONNECTIONS,
    PLANE_IN_FLIGHT,
    *PLANE_COUNTERS.values(),
    ACCESS_LOG_LINES,
    ACCESS_LOG_DROPPED,
    BUILD_INFO,
    PROCESS_CPU_SECONDS,
    PROCESS_RESIDENT_BYTES,
    PROCESS_VIRTUAL_BYTES,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_START_SECONDS,
)
