/* Packed files: "ZPK1", the length and the CRC-32 of the contents (32 bits each, big-endian), a zlib stream. */
#ifndef PACK_H
#define PACK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Also the exit codes of the programs. */
enum pack_status { PACK_OK = 0, PACK_DAMAGED = 1, PACK_USAGE = 2, PACK_FILE = 3, PACK_MEMORY = 4 };

#define PACK_HEADER 12

/* Each gives memory that the caller frees, also for zero bytes; nothing unless it returns PACK_OK. */
enum pack_status pack_bytes(const unsigned char *in, size_t in_size, unsigned char **out, size_t *out_size);
enum pack_status unpack_bytes(const unsigned char *in, size_t in_size, unsigned char **out, size_t *out_size);
enum pack_status pack_read_file(const char *path, unsigned char **out, size_t *out_size);

enum pack_status pack_write_file(const char *path, const unsigned char *in, size_t in_size);

const char *pack_message(enum pack_status status);

#ifdef __cplusplus
}
#endif

#endif
