/* The cyclic redundancy checks of S3: CRC32 and CRC32C through isa-l, CRC64NVME by carry-less multiplication.
 *
 * Each takes the value so far (0 at first) and more bytes, and returns the new value, like zlib's crc32.
 */
#ifndef NIMBUS_PLANE_CRC_H
#define NIMBUS_PLANE_CRC_H

#include <stdbool.h>
#include <stdint.h>

#include "span.h"

uint32_t nb_crc32(uint32_t crc, nb_span data);
uint32_t nb_crc32c(uint32_t crc, nb_span data);
uint64_t nb_crc64nvme(uint64_t crc, nb_span data);

/* CRC64NVME without vector instructions: the fall-back, and the tests' second opinion. */
uint64_t nb_crc64nvme_portable(uint64_t crc, nb_span data);

#endif
