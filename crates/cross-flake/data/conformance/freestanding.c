/* Proves that a compiler without a libc still brings what the C standard asks of it: the freestanding
 * headers, and assertions about the target that hold when they compile. It is not linked.
 *
 *     $CC -std=c11 -ffreestanding -Wall -Wextra -Werror -c freestanding.c -o freestanding.o
 */

#include <float.h>
#include <iso646.h>
#include <limits.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#if __STDC_HOSTED__ != 0
#error "this must be compiled with -ffreestanding"
#endif

_Static_assert(CHAR_BIT == 8, "a byte has eight bits");
_Static_assert(sizeof(int32_t) == 4 && sizeof(int64_t) == 8, "integers have the widths in their names");
_Static_assert(sizeof(uintptr_t) == sizeof(void *) && sizeof(size_t) == sizeof(void *),
               "addresses are one width");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8 && FLT_RADIX == 2 && DBL_MANT_DIG == 53,
               "floats are IEEE's");
_Static_assert(offsetof(struct { char first; int64_t second; }, second) % alignof(int32_t) == 0,
               "members are aligned");

static uint32_t counter = 3;
static uint8_t zeros[16];

/* Copying a struct and clearing an array may become calls of memcpy and memset: whoever links brings
 * those four functions (memcmp and memmove as well), and for Rust that is compiler-builtins. */
struct block {
    uint8_t bytes[64];
};

void copy_block(struct block *to, const struct block *from) { *to = *from; }

uint32_t count(void) { return counter += zeros[0] + 1u; }

int sum(int numbers, ...) {
    va_list list;
    va_start(list, numbers);
    int total = 0;
    while (numbers-- > 0) total += va_arg(list, int);
    va_end(list);
    return total;
}

bool neither(bool a, bool b) { return not(a or b); }

/* 64 by 64 bits: a runtime library's work on 32-bit processors. */
uint64_t divide(uint64_t a, uint64_t b) { return b ? a / b : 0; }

noreturn void stop(void) {
    for (volatile int forever = 1; forever;) {
    }
    __builtin_unreachable();
}
