# Look-ups as Python sees them; included by plane.pyx. See plane.pyi for what each name promises.


cdef class Lookup:
    """See plane.pyi."""

    cdef nb_lookup *lookup  # NULL once it was answered
    cdef Plane plane
    cdef readonly bytes bucket
    cdef readonly bytes key

    def __dealloc__(self):
        self.decline()

    cpdef decline(self):
        cdef nb_lookup *lookup = self.lookup
        self.lookup = NULL
        if lookup != NULL:
            nb_lookup_decline(lookup)

    def miss(self, str owner_id not None):
        cdef nb_fill fill
        cdef nb_lookup *lookup = self.lookup
        assert lookup != NULL, "answered twice"
        owner = owner_id.encode()
        memset(&fill, 0, sizeof(fill))
        fill.kind = NB_ENTRY_MISSING
        fill.name = nb_span(lookup.target.name, lookup.target.bucket_len + 1 + lookup.target.key_len)
        fill.owner = span_of(owner)
        self.lookup = NULL
        with nogil:
            nb_lookup_fill(self.plane.plane, lookup, &fill)

    def fill(self, found):
        cdef nb_fill fill
        cdef nb_lookup *lookup = self.lookup
        assert lookup != NULL, "answered twice"
        extents, parts = list(found.extents), list(found.parts)
        if len(extents) > NB_EXTENTS_MAX or len(parts) > NB_PARTS_MAX:
            self.decline()
            return
        assert sum([extent.length for extent in extents]) == found.size, "the extents are not the object"
        assert not parts or sum([part.size for part in parts]) == found.size, "the parts are not the object"
        owner, etag, modified_http = found.owner_id.encode(), found.etag.encode(), found.modified_http.encode()
        headers, headers_304, checksum_headers = found.headers, found.headers_304, found.checksum_headers
        fill.kind = NB_ENTRY_OBJECT
        fill.name = nb_span(lookup.target.name, lookup.target.bucket_len + 1 + lookup.target.key_len)
        fill.owner, fill.etag, fill.modified_http = span_of(owner), span_of(etag), span_of(modified_http)
        fill.headers, fill.headers_304 = span_of(headers), span_of(headers_304)
        fill.checksum_headers = span_of(checksum_headers)
        fill.size = found.size
        fill.modified_s = found.modified_s
        take_parts(parts, &fill)
        fill.extents_count = 0
        if open_extents(self.plane.plane, extents, &fill, True) != NB_OK:
            self.decline()
            return
        self.lookup = NULL
        with nogil:
            nb_lookup_fill(self.plane.plane, lookup, &fill)


cdef Lookup lookup_of(Plane plane, nb_lookup *lookup):
    cdef Lookup self = Lookup.__new__(Lookup)
    self.lookup = lookup
    self.plane = plane
    self.bucket = lookup.target.name[: lookup.target.bucket_len]
    self.key = (lookup.target.name + lookup.target.bucket_len + 1)[: lookup.target.key_len]
    return self


cdef take_parts(list parts, nb_fill *fill):
    """The texts stay those of `parts`."""
    cdef uint64_t at = 0
    cdef nb_part *native
    cdef bytes headers
    fill.parts_count = 0
    for part in parts:
        native = &fill.parts[fill.parts_count]
        headers = part.checksum_headers
        native.start = at
        at += part.size
        native.end = at
        native.number = part.number
        native.checksum_headers = span_of(headers)
        fill.parts_count += 1


cdef nb_status open_extents(nb_plane *plane, list extents, nb_fill *fill, bint wait) except *:
    """Open the files; on failure those that are open are given back. Without `wait` it may say NB_WOULD_BLOCK."""
    cdef nb_file *file = NULL
    cdef nb_status status
    cdef uint64_t length
    cdef uint64_t hash
    cdef const char *path
    cdef size_t wanted = len(extents)
    with nogil:
        nb_cache_make_room(&plane.cache, wanted)
    for extent in extents:
        encoded = extent.path.encode()
        path, length, hash = encoded, extent.length, extent.hash
        if extent.is_blob:
            with nogil:
                status = nb_files_take_blob(&plane.cache.files, path, length, hash, wait, &file)
        else:
            with nogil:
                status = nb_files_take_segment(&plane.cache.files, path, wait, &file)
        if status != NB_OK:
            for index in range(fill.extents_count):
                nb_files_give(&plane.cache.files, fill.extents[index].file)
            return status
        fill.extents[fill.extents_count].file = file
        fill.extents[fill.extents_count].offset = extent.offset
        fill.extents[fill.extents_count].length = length
        fill.extents[fill.extents_count].hash = hash
        fill.extents_count += 1
    return NB_OK
