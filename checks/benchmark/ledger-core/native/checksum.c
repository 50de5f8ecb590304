#include <stddef.h>
#include <stdint.h>

#ifdef HAVE_ROTATE
uint32_t ledger_rotate(uint32_t value);
#else
static uint32_t ledger_rotate(uint32_t value) { return value << 5 | value >> 27; }
#endif

/* A rotating sum: the same bytes in another order have another sum. */
uint32_t ledger_checksum(const unsigned char *bytes, size_t length) {
    uint32_t sum = 0x9e3779b9u;
    for (size_t i = 0; i < length; i++)
        sum = ledger_rotate(sum) ^ bytes[i];
    return sum;
}
