#include "pack.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* zlib counts in uLong, which has 32 bits on Windows. */
#define LARGEST (1u << 30)

static const unsigned char magic[4] = {'Z', 'P', 'K', '1'};

static void put32(unsigned char *at, uint32_t value) {
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

static uint32_t get32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

enum pack_status pack_bytes(const unsigned char *in, size_t in_size, unsigned char **out, size_t *out_size) {
    uLongf room;
    unsigned char *packed;

    if (in_size > LARGEST) return PACK_MEMORY;
    room = compressBound((uLong)in_size);
    packed = malloc(PACK_HEADER + (size_t)room);
    if (!packed) return PACK_MEMORY;
    if (compress2(packed + PACK_HEADER, &room, in, (uLong)in_size, Z_BEST_COMPRESSION) != Z_OK) {
        free(packed);
        return PACK_MEMORY;
    }
    memcpy(packed, magic, sizeof magic);
    put32(packed + 4, (uint32_t)in_size);
    put32(packed + 8, (uint32_t)crc32(0, in, (uInt)in_size));
    *out = packed;
    *out_size = PACK_HEADER + (size_t)room;
    return PACK_OK;
}

enum pack_status unpack_bytes(const unsigned char *in, size_t in_size, unsigned char **out, size_t *out_size) {
    uint32_t size;
    uLongf room;
    unsigned char *bytes;

    if (in_size < PACK_HEADER || in_size > LARGEST || memcmp(in, magic, sizeof magic) != 0) return PACK_DAMAGED;
    size = get32(in + 4);
    /* Deflate shrinks to 1/1032 at best: a damaged length does not get to ask for a gigabyte. */
    if (size > LARGEST || size / 1032 > in_size) return PACK_DAMAGED;
    bytes = malloc(size ? size : 1);
    if (!bytes) return PACK_MEMORY;
    room = size;
    if (uncompress(bytes, &room, in + PACK_HEADER, (uLong)(in_size - PACK_HEADER)) != Z_OK || room != size ||
        crc32(0, bytes, size) != get32(in + 8)) {
        free(bytes);
        return PACK_DAMAGED;
    }
    *out = bytes;
    *out_size = size;
    return PACK_OK;
}

enum pack_status pack_read_file(const char *path, unsigned char **out, size_t *out_size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL, *grown;
    size_t size = 0, room = 0;
    int failed;

    if (!file) return PACK_FILE;
    do {
        if (size == room) {
            room = room ? room * 2 : 4096;
            grown = room <= LARGEST ? realloc(bytes, room) : NULL;
            if (!grown) {
                free(bytes);
                fclose(file);
                return PACK_MEMORY;
            }
            bytes = grown;
        }
        size += fread(bytes + size, 1, room - size, file);
    } while (!feof(file) && !ferror(file));
    failed = ferror(file);
    fclose(file);
    if (failed) {
        free(bytes);
        return PACK_FILE;
    }
    *out = bytes;
    *out_size = size;
    return PACK_OK;
}

enum pack_status pack_write_file(const char *path, const unsigned char *in, size_t in_size) {
    FILE *file = fopen(path, "wb");
    int failed;

    if (!file) return PACK_FILE;
    failed = fwrite(in, 1, in_size, file) != in_size;
    /* A full disk may show only here. */
    failed |= fclose(file) != 0;
    return failed ? PACK_FILE : PACK_OK;
}

const char *pack_message(enum pack_status status) {
    switch (status) {
    case PACK_OK: return "all is well";
    case PACK_DAMAGED: return "this is no packed file, or it is damaged";
    case PACK_USAGE: return "usage: zpack pack|unpack IN OUT, or zpack sum FILE";
    case PACK_FILE: return "the file cannot be read or written";
    case PACK_MEMORY: return "too large, or out of memory";
    }
    return "unknown status";
}
