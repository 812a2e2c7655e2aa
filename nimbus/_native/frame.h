/* The stored formats of the data room. All integers are little-endian; all hashes are XXH3-64.
 *
 * Segment (<epoch>/<id>.seg): frames, one after the other from offset 0, nothing else.
 *
 *   frame  = header, payload, zeros up to the next multiple of NB_FRAME_ALIGN
 *   header   offset size
 *                 0    4  magic "NbF1"
 *                 4    1  version, 1
 *                 5    1  flags, 0
 *                 6    1  dead: 0, or NB_FRAME_DEAD once the payload was dropped. The only byte that ever changes;
 *                         the header's hash takes it as 0
 *                 7    1  0
 *                 8    4  payload length in bytes
 *                12    4  position: offset of this header in the segment, divided by NB_FRAME_ALIGN
 *                16    8  hash of the payload
 *                24    8  hash of bytes 0 to 24, seeded with the first 8 bytes of the segment's id
 *
 *   Seed and position make a header valid in one place of one file only: not a stray write, not a block of
 *   another file, not a payload that looks like a frame passes for one. A header is aligned to its own size, so it
 *   lies within one sector and is on the disk whole or not at all. A walk goes from header to header; the
 *   first that does not check out ends the segment: after a crash that is the tail that was never synced,
 *   hence never acknowledged. Payloads of dead frames may have been punched out; a run of dead frames may have become
 *   one dead frame that covers them all.
 *
 * Blob (<epoch>/<id>.blob): one large object.
 *
 *   data     blocks of NB_BLOCK_SIZE bytes from offset 0 (the last one shorter): ready for sendfile
 *   table    one hash for each block
 *   footer   offset size
 *                 0    4  magic "NbB1"
 *                 4    4  version, 1
 *                 8    8  block size in bytes
 *                16    8  data length in bytes
 *                24    8  hash of the table
 *                32    8  hash of bytes 0 to 32
 *
 * Who reads either comes with a location from the metadata: it holds length and hash of the payload (of the
 * table), so that the chain of checks begins outside the file, and a header or footer is needed for repair only.
 */
#ifndef NIMBUS_FRAME_H
#define NIMBUS_FRAME_H

#include <stdint.h>
#include <string.h>

#define NB_FRAME_MAGIC 0x3146624eu /* "NbF1" */
#define NB_FRAME_VERSION 1
#define NB_FRAME_HEADER_SIZE 32
#define NB_FRAME_ALIGN 32
#define NB_FRAME_DEAD 0xdd
#define NB_FRAME_DEAD_OFFSET 6
#define NB_FRAME_LENGTH_MAX (1u << 30) /* a merged run of dead frames may be as long as a segment */

#define NB_BLOB_MAGIC 0x3142624eu /* "NbB1" */
#define NB_BLOB_VERSION 1
#define NB_BLOB_FOOTER_SIZE 40
#define NB_BLOCK_SIZE (256u << 10)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the stored formats are little-endian; this machine is not"
#endif

typedef struct {
    uint32_t magic;
    uint8_t version;
    uint8_t flags;
    uint8_t dead;
    uint8_t zero;
    uint32_t length;
    uint32_t position;
    uint64_t payload_hash;
    uint64_t header_hash;
} nb_frame_header;

typedef struct {
    uint32_t magic;
    uint32_t version;
    uint64_t block_size;
    uint64_t data_length;
    uint64_t table_hash;
    uint64_t footer_hash;
} nb_blob_footer;

_Static_assert(sizeof(nb_frame_header) == NB_FRAME_HEADER_SIZE, "the header has no padding");
_Static_assert(sizeof(nb_blob_footer) == NB_BLOB_FOOTER_SIZE, "the footer has no padding");

/* Bytes that a frame with this payload takes in its segment. */
static inline uint64_t nb_frame_size(uint64_t payload_length) {
    return (NB_FRAME_HEADER_SIZE + payload_length + NB_FRAME_ALIGN - 1) & ~(uint64_t)(NB_FRAME_ALIGN - 1);
}

/* Fill `header` for a payload of `length` bytes at segment offset `offset`. Pure; any thread. */
void nb_frame_encode(nb_frame_header *header, uint64_t seed, uint64_t offset, uint32_t length, uint64_t payload_hash,
                     int dead);

/* Whether the NB_FRAME_HEADER_SIZE bytes at `bytes` are the header of a frame at `offset`; copies it out. Pure. */
int nb_frame_decode(const void *bytes, uint64_t seed, uint64_t offset, nb_frame_header *header);

#endif
