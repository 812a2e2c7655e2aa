# Bytes that the application has the plane send: see plane.pyi and plane/tickets.h. A part of plane.pyx.

cdef enum:
    SETTLED_PER_CALL_MAX = 64


cdef uint64_t number_of(bytes ticket) except? 0:
    cdef uint64_t number = nb_ticket_parse(<const char *>ticket, len(ticket))
    assert number, "no ticket"
    return number


def offer_bytes(Plane plane not None, extents, uint64_t start, uint64_t end, uint64_t body_size_bytes, bint wait):
    """See plane.pyi."""
    cdef nb_fill fill
    cdef uint64_t number = 0
    cdef nb_offer offer
    cdef nb_status status
    runs = list(extents)
    assert len(runs) <= NB_EXTENTS_MAX, f"{len(runs)} extents"
    assert start < end <= sum([extent.length for extent in runs]), "the extents do not hold the bytes"
    assert end - start <= body_size_bytes, "more bytes than the body has"
    memset(&fill, 0, sizeof(fill))
    fill.name = nb_span(b"", 0)
    offer.at, offer.end, offer.body_size_bytes = start, end, body_size_bytes
    status = open_extents(plane.plane, runs, &fill, wait)
    if status == NB_OK:
        with nogil:
            status = nb_relay_offer(plane.plane, &fill, &offer, wait, &number)
    if status == NB_WOULD_BLOCK:
        raise BlockingIOError
    return b"%016x" % number if status == NB_OK else None


def withdraw_offer(Plane plane not None, bytes ticket not None):
    """See plane.pyi."""
    cdef nb_offer offer
    cdef uint64_t number = number_of(ticket)
    if not nb_tickets_withdraw(&plane.plane.tickets, number, &offer):
        return False
    with nogil:
        nb_cache_give(&plane.plane.cache, offer.entry)
    return True


def settled_fd(Plane plane not None):
    """See plane.pyi."""
    return plane.plane.tickets.settled_fd


def take_settled(Plane plane not None):
    """See plane.pyi."""
    cdef nb_settled settled[SETTLED_PER_CALL_MAX]
    cdef size_t count = nb_tickets_collect(&plane.plane.tickets, settled, SETTLED_PER_CALL_MAX)
    return [
        (b"%016x" % settled[index].number, settled[index].sent_bytes, bool(settled[index].is_unreadable))
        for index in range(count)
    ]


def frame_files_read(Plane plane not None, int64_t timeout_ms):
    """See plane.pyi."""
    cdef nb_frame_files files
    cdef bint is_known
    if not plane.running:
        return frozenset()
    with nogil:
        is_known = nb_readers_ask(plane.plane, timeout_ms, &files)
    if not is_known:
        return None
    try:
        return frozenset([(<char **>files.paths)[index].decode() for index in range(files.count)])
    finally:
        for index in range(files.count):
            free((<char **>files.paths)[index])
