/* Proves that a target's C compiler, its libc and its zlib belong together: it compiles, links
 * with -lz and runs, and each check prints one line. Exits with 0, or 1 if any check failed.
 *
 *     $CC conformance.c -lz -lm -o conformance && $CROSSCOMPILING_EMULATOR ./conformance
 */

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static int passes = 0, failures = 0;

/* Lines as libtest prints them, so that whoever runs this counts it like any other test. */
static void check(const char *name, int passed) {
    printf("test %s ... %s\n", name, passed ? "ok" : "FAILED");
    passes += passed != 0;
    failures += passed == 0;
}

static void sizes(void) {
    const uint32_t one = 1;
    int little = *(const unsigned char *)&one;
    printf("       pointer %u, long %u, wchar_t %u, time_t %u, long double %u, char %s, %s endian\n",
           (unsigned)sizeof(void *), (unsigned)sizeof(long), (unsigned)sizeof(wchar_t),
           (unsigned)sizeof(time_t), (unsigned)sizeof(long double),
           CHAR_MIN < 0 ? "signed" : "unsigned", little ? "little" : "big");
#ifdef __BYTE_ORDER__
    check("the compiler knows its byte order", little == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__));
#endif
    check("size_t is as wide as a pointer", sizeof(size_t) == sizeof(void *));
}

static void text(void) {
    char line[64];
    int length = snprintf(line, sizeof line, "%d %lld %u %.3f %s", -1, 1LL << 40, 7u, 1.5, "x");
    check("printf formats every width", length == 26 && !strcmp(line, "-1 1099511627776 7 1.500 x"));
    check("strtod reads what printf wrote", strtod("0.1", NULL) == 0.1);
    errno = 0;
    check("errno reports what does not fit", strtol("999999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
}

static void memory(void) {
    size_t size = 1 << 20;
    unsigned char *block = calloc(1, size);
    int zero = block && !block[0] && !block[size - 1];
    if (block) memset(block, 0x5a, size);
    unsigned char *larger = block ? realloc(block, 4 * size) : NULL;
    check("malloc gives zeros and keeps bytes when it grows", zero && larger && larger[size - 1] == 0x5a);
    free(larger ? larger : block);
}

static void mathematics(void) {
    volatile double two = 2, half = 0.5;
    check("libm computes", fabs(sqrt(two) * sqrt(two) - 2) < 1e-15 && fabs(pow(two, half) - sqrt(two)) < 1e-15);
}

static void clocks(void) {
    time_t now = time(NULL);
    /* 2020-01-01. */
    check("the clock is set", now > (time_t)1577836800);
}

static void files(void) {
    /* In the working directory: wasm has no other folder, and Windows no /tmp. */
    const char *name = "conformance.tmp";
    const unsigned char bytes[] = {'\n', 0, 26, '\r', '\n', 255};
    unsigned char read[sizeof bytes + 1] = {0};
    FILE *file = fopen(name, "wb");
    int passed = file && fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes;
    passed &= file && !fclose(file);
    file = fopen(name, "rb");
    passed &= file && fread(read, 1, sizeof read, file) == sizeof bytes && !memcmp(read, bytes, sizeof bytes);
    passed &= file && !fclose(file);
    check("files keep every byte", passed && !remove(name));
    check("a missing file is ENOENT", !fopen(name, "rb") && errno == ENOENT);
}

static void zlib(void) {
    static unsigned char data[100000], unpacked[sizeof data];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * i >> 7);
    uLongf packed_size = compressBound(sizeof data), size = sizeof unpacked;
    unsigned char *packed = malloc(packed_size);
    int passed = packed && compress2(packed, &packed_size, data, sizeof data, 9) == Z_OK &&
                 uncompress(unpacked, &size, packed, packed_size) == Z_OK && size == sizeof data &&
                 !memcmp(data, unpacked, size);
    check("data survives compress and uncompress", passed && packed_size < sizeof data);
    if (packed) packed[packed_size - 1] ^= 1;
    size = sizeof unpacked;
    check("damaged data is an error", packed && uncompress(unpacked, &size, packed, packed_size) == Z_DATA_ERROR);
    free(packed);
    check("crc32 has its published value", crc32(0, (const unsigned char *)"123456789", 9) == 0xcbf43926u);
    check("adler32 has its published value", adler32(1, (const unsigned char *)"Wikipedia", 9) == 0x11e60398u);
    /* The header's zlib and the linked one may come from two different places. */
    check("the header is that of the library", zlibVersion()[0] == ZLIB_VERSION[0] && zlibCompileFlags() != 0);
    /* uInt, uLong and pointers, two bits each: 0 for 16 bits, 1 for 32, 2 for 64. */
    unsigned flags = (unsigned)zlibCompileFlags();
    check("the library was built for these widths",
          (2u << (flags & 3)) == sizeof(uInt) && (2u << (flags >> 2 & 3)) == sizeof(uLong) &&
              (2u << (flags >> 4 & 3)) == sizeof(void *));
}

int main(void) {
    sizes();
    text();
    memory();
    mathematics();
    clocks();
    files();
    zlib();
    printf("test result: %s. %d passed; %d failed; 0 ignored\n", failures ? "FAILED" : "ok", passes, failures);
    return failures != 0;
}
