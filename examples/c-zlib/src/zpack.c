/* zpack pack|unpack IN OUT, zpack sum FILE. */
#include "pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static enum pack_status run(int argc, char **argv) {
    unsigned char *in, *out;
    size_t in_size, out_size;
    enum pack_status status;
    int sum = argc == 3 && strcmp(argv[1], "sum") == 0;
    int pack = argc == 4 && strcmp(argv[1], "pack") == 0;
    int unpack = argc == 4 && strcmp(argv[1], "unpack") == 0;

    if (!sum && !pack && !unpack) return PACK_USAGE;
    status = pack_read_file(argv[2], &in, &in_size);
    if (status) return status;
    if (sum) {
        printf("crc32 %08lx adler32 %08lx bytes %lu\n", crc32(0, in, (uInt)in_size), adler32(1, in, (uInt)in_size),
               (unsigned long)in_size);
    } else {
        status = (pack ? pack_bytes : unpack_bytes)(in, in_size, &out, &out_size);
        if (!status) {
            status = pack_write_file(argv[3], out, out_size);
            free(out);
        }
    }
    free(in);
    return status;
}

int main(int argc, char **argv) {
    enum pack_status status = run(argc, argv);
    if (status) fprintf(stderr, "zpack: %s\n", pack_message(status));
    return (int)status;
}
