/* Differences between neighbours: slow signals become small numbers, which deflate well. */

#include <stddef.h>
#include <stdint.h>

/* Unsigned, because what overflows here comes back in the other direction. */
void samplepack_delta(uint32_t *samples, size_t count)
{
    uint32_t before = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t now = samples[i];
        samples[i] = now - before;
        before = now;
    }
}

void samplepack_sum(uint32_t *samples, size_t count)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += samples[i];
        samples[i] = sum;
    }
}

/* The processor that this compiler compiled for, as `platform.machine()` of the target names it. */
const char *samplepack_machine(void)
{
#if defined(__x86_64__)
    return "x86_64";
#elif defined(__i386__)
    return "i686";
#elif defined(__aarch64__)
    return "aarch64";
#elif defined(__arm__)
    return "armv7l";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "ppc64le";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__loongarch64)
    return "loongarch64";
#else
    return "another";
#endif
}
