#include "_cgo_export.h"

#include <string.h>
#include <zlib.h>

struct source {
    uintptr_t handle;
    unsigned char buffer[512];
};

static unsigned take(void *at, z_const unsigned char **next) {
    struct source *source = at;
    *next = source->buffer;
    return streamRead(source->handle, source->buffer, sizeof source->buffer);
}

static int give(void *at, unsigned char *bytes, unsigned size) {
    struct source *source = at;
    return streamWrite(source->handle, bytes, size);
}

int inflate_stream(uintptr_t handle) {
    /* On the stack of a thread that Go made: a C library may give those little. */
    unsigned char window[1 << 15];
    struct source source = {handle};
    z_stream z;
    int code;

    memset(&z, 0, sizeof z);
    code = inflateBackInit(&z, 15, window);
    if (code != Z_OK) return code;
    code = inflateBack(&z, take, &source, give, &source);
    inflateBackEnd(&z);
    return code;
}
