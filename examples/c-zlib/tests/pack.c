#include "../src/pack.h"
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char rock[] = "round and round the ragged rock\n"
                           "round and round the ragged rock\n"
                           "round and round the ragged rock\n"
                           "round and round the ragged rock\n";

/* By Python's zlib and struct, on x86_64. */
static const unsigned char rock_packed[] = {
    90, 80, 75, 49, 0,  0,   0,   128, 56,  31, 56, 152, 120, 218, 43, 202, 47, 205, 75, 81,  72, 4,  226, 34,
    48, 171, 36, 35, 85, 161, 40, 49,  61,  61, 21, 36,  144, 156, 205, 85, 68, 99,  121, 0,  185, 17, 46,  29,
};

/* The same bytes everywhere: Knuth's MMIX generator. Arithmetic of 64 bits, also where words have 32. */
static unsigned char *noise(size_t size) {
    uint64_t state = 1;
    unsigned char *bytes = malloc(size + 1);
    for (size_t at = 0; at < size; at++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[at] = (unsigned char)(state >> 56);
    }
    return bytes;
}

static void checksums_have_their_published_values(void) {
    unsigned char *bytes = noise(1000000);
    CHECK(crc32(0, (const Bytef *)"123456789", 9) == 0xcbf43926);
    CHECK(adler32(1, (const Bytef *)"Wikipedia", 9) == 0x11e60398);
    CHECK(crc32(0, NULL, 0) == 0);
    CHECK(adler32(0, NULL, 0) == 1);
    CHECK(crc32(0, bytes, 1000000) == 0x4bea4db4);
    CHECK(adler32(1, bytes, 1000000) == 0x24420da0);
    free(bytes);
}

/* What zlib was compiled with: 0 for 16 bits, 1 for 32, 2 for 64. */
static size_t zlib_size(int shift) { return (size_t)2 << (zlibCompileFlags() >> shift & 3); }

static void header_and_library_agree(void) {
    CHECK(zlibVersion()[0] == ZLIB_VERSION[0]);
    CHECK(zlib_size(0) == sizeof(uInt));
    CHECK(zlib_size(2) == sizeof(uLong));
    CHECK(zlib_size(4) == sizeof(voidpf));
}

static void sizes_and_byte_order(void) {
    const uint32_t word = 0x01020304;
    unsigned char first;
    memcpy(&first, &word, 1);
    CHECK(CHAR_BIT == 8 && sizeof(int) == 4 && sizeof(long long) == 8);
    CHECK(sizeof(size_t) == sizeof(void *));
#ifdef _WIN32
    CHECK(sizeof(long) == 4);
#else
    CHECK(sizeof(long) == sizeof(void *));
#endif
    /* An emulator of the other byte order would show here. */
    CHECK(first == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 1 : 4));
    printf("%s-endian, %d bits, long has %d\n", first == 1 ? "big" : "little", (int)sizeof(void *) * 8,
           (int)sizeof(long) * 8);
}

static int descending(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

static void the_c_library_works(void) {
    int numbers[] = {3, -1, 70000, 0, 12};
    char text[64];
    qsort(numbers, 5, sizeof *numbers, descending);
    CHECK(numbers[0] == 70000 && numbers[1] == 12 && numbers[4] == -1);
    snprintf(text, sizeof text, "%" PRIu64 " %.3f %-5s|", UINT64_MAX, 2.0 / 3, "ab");
    CHECK(strcmp(text, "18446744073709551615 0.667 ab   |") == 0);
    errno = 0;
    CHECK(strtol("99999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
    CHECK(strtod("1.5e3", NULL) == 1500.0);
}

static void a_file_packed_elsewhere_unpacks_here(void) {
    unsigned char *out;
    size_t size;
    if (unpack_bytes(rock_packed, sizeof rock_packed, &out, &size) == PACK_OK) {
        CHECK(size == strlen(rock) && memcmp(out, rock, size) == 0);
        CHECK(crc32(0, out, (uInt)size) == 0x381f3898);
        CHECK(adler32(1, out, (uInt)size) == 0xb9112e1d);
        free(out);
    } else {
        CHECK(!"unpacked");
    }
    /* Other versions of zlib may pack otherwise, but the header is ours. */
    if (pack_bytes((const unsigned char *)rock, strlen(rock), &out, &size) == PACK_OK) {
        CHECK(size > PACK_HEADER && memcmp(out, rock_packed, PACK_HEADER) == 0);
        free(out);
    } else {
        CHECK(!"packed");
    }
}

static void data_survives_the_round_trip(void) {
    static const size_t sizes[] = {0, 1, 1000, 65536, 1000000};
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        unsigned char *in = noise(sizes[at]), *packed = NULL, *out = NULL;
        size_t packed_size = 0, size = 0;
        CHECK(pack_bytes(in, sizes[at], &packed, &packed_size) == PACK_OK);
        CHECK(packed && unpack_bytes(packed, packed_size, &out, &size) == PACK_OK);
        CHECK(out && size == sizes[at] && memcmp(in, out, size) == 0);
        free(in);
        free(packed);
        free(out);
    }
}

static void damage_is_noticed(void) {
    unsigned char bytes[sizeof rock_packed], *out;
    size_t size;
    int unnoticed = 0;
    for (size_t at = 0; at < sizeof bytes; at++) {
        memcpy(bytes, rock_packed, sizeof bytes);
        bytes[at] ^= 1;
        if (unpack_bytes(bytes, sizeof bytes, &out, &size) == PACK_OK) {
            unnoticed++;
            free(out);
        }
    }
    CHECK(unnoticed == 0);
    for (size_t cut = 0; cut < sizeof bytes; cut++) CHECK(unpack_bytes(rock_packed, cut, &out, &size) == PACK_DAMAGED);
}

static void files_keep_every_byte(void) {
    /* What Windows changes or stops at in text files. */
    static const unsigned char awkward[] = {'a', '\n', 'b', '\r', '\n', 0x1a, 0, 0xff, '\n'};
    const char *path = "pack-test.tmp";
    unsigned char *out = NULL;
    size_t size = 0;
    CHECK(pack_write_file(path, awkward, sizeof awkward) == PACK_OK);
    CHECK(pack_read_file(path, &out, &size) == PACK_OK);
    CHECK(out && size == sizeof awkward && memcmp(out, awkward, size) == 0);
    free(out);
    CHECK(remove(path) == 0);
    CHECK(pack_read_file(path, &out, &size) == PACK_FILE);
    CHECK(pack_write_file("no such folder/file", awkward, 1) == PACK_FILE);
}

int main(void) {
    checksums_have_their_published_values();
    header_and_library_agree();
    sizes_and_byte_order();
    the_c_library_works();
    a_file_packed_elsewhere_unpacks_here();
    data_survives_the_round_trip();
    damage_is_noticed();
    files_keep_every_byte();
    return report("pack");
}
