/* What this target's C compiler believes, for Rust to compare with what rustc believes.
 * Only the headers of a freestanding compiler, so that it compiles where there is no libc. */

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The only way to tell glibc's headers from musl's. */
#if defined(__linux__) && defined(__has_include)
#if __has_include(<features.h>)
#include <features.h>
#endif
#endif

enum colour { RED = -1, GREEN = 5, BLUE = 70000 };

/* Every member needs padding somewhere; int64_t is aligned to 4 on i686 Linux and to 8 on arm. */
struct mixed {
    bool flag;
    int64_t wide;
    char letter;
    double real;
    void *pointer;
    enum colour colour;
    float narrow;
    uint16_t tail;
};

/* Travels in registers on most targets, and differently on each. */
struct pair {
    int32_t whole;
    float part;
};

/* Too large for registers. */
struct triple {
    int64_t first;
    double second;
    int8_t third;
};

/* Mirrors `Layout` in src/platform.rs. */
struct layout {
    uint32_t char_is_signed, size_of_int, size_of_long, size_of_size_t, size_of_pointer;
    uint32_t size_of_bool, size_of_enum, size_of_int128, align_of_int128, align_of_int64, align_of_double;
    uint32_t size_of_mixed, align_of_mixed;
    uint32_t flag, wide, letter, real, pointer, colour, narrow, tail;
    uint32_t size_of_pair, size_of_triple;
};

/* Alignment inside a struct is what counts: _Alignof(int64_t) is 8 on i686 with some compilers. */
#define ALIGN_OF(type) offsetof(struct { char before; type member; }, member)

void hello_layout(struct layout *out) {
    *out = (struct layout){
        .char_is_signed = CHAR_MIN < 0,
        .size_of_int = sizeof(int),
        .size_of_long = sizeof(long),
        .size_of_size_t = sizeof(size_t),
        .size_of_pointer = sizeof(void *),
        .size_of_bool = sizeof(bool),
        .size_of_enum = sizeof(enum colour),
#ifdef __SIZEOF_INT128__
        .size_of_int128 = sizeof(__int128),
        .align_of_int128 = ALIGN_OF(__int128),
#endif
        .align_of_int64 = ALIGN_OF(int64_t),
        .align_of_double = ALIGN_OF(double),
        .size_of_mixed = sizeof(struct mixed),
        .align_of_mixed = ALIGN_OF(struct mixed),
        .flag = offsetof(struct mixed, flag),
        .wide = offsetof(struct mixed, wide),
        .letter = offsetof(struct mixed, letter),
        .real = offsetof(struct mixed, real),
        .pointer = offsetof(struct mixed, pointer),
        .colour = offsetof(struct mixed, colour),
        .narrow = offsetof(struct mixed, narrow),
        .tail = offsetof(struct mixed, tail),
        .size_of_pair = sizeof(struct pair),
        .size_of_triple = sizeof(struct triple),
    };
}

void hello_fill_mixed(struct mixed *out) {
    *out = (struct mixed){
        .flag = true,
        .wide = INT64_C(-0x0123456789abcdef),
        .letter = 'z',
        .real = -0.1,
        .pointer = out,
        .colour = BLUE,
        .narrow = 1.5f,
        .tail = 0xbeef,
    };
}

/* The names that Rust uses. */
const char *hello_arch(void) {
#if defined(__x86_64__)
    return "x86_64";
#elif defined(__i386__)
    return "x86";
#elif defined(__aarch64__)
    return "aarch64";
#elif defined(__arm__)
    return "arm";
#elif defined(__mips64)
    return "mips64";
#elif defined(__mips__)
    return "mips";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__riscv)
    return "riscv32";
#elif defined(__powerpc64__)
    return "powerpc64";
#elif defined(__powerpc__)
    return "powerpc";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__loongarch64)
    return "loongarch64";
#elif defined(__wasm32__)
    return "wasm32";
#else
    return "a processor that c/platform.c does not name";
#endif
}

const char *hello_os(void) {
#if defined(__linux__)
    return "linux";
#elif defined(_WIN32)
    return "windows";
#elif defined(__APPLE__)
    return "macos";
#elif defined(__FreeBSD__)
    return "freebsd";
#elif defined(__wasi__)
    return "wasi";
#else
    return "";
#endif
}

/* Which libc's headers a Linux build saw; empty elsewhere. */
const char *hello_libc(void) {
#if defined(__linux__) && defined(__GLIBC__)
    return "gnu";
#elif defined(__linux__)
    return "musl";
#else
    return "";
#endif
}

uint32_t hello_first_four_bytes_as_number(const uint8_t *bytes) {
    union {
        uint8_t bytes[4];
        uint32_t number;
    } view = {{bytes[0], bytes[1], bytes[2], bytes[3]}};
    return view.number;
}

float hello_half_float(float value) { return value / 2; }
double hello_half_double(double value) { return value / 2; }
bool hello_not(bool value) { return !value; }
enum colour hello_next_colour(enum colour colour) {
    return colour == RED ? GREEN : colour == GREEN ? BLUE : RED;
}

struct pair hello_swap_sign(struct pair pair) {
    return (struct pair){-pair.whole, -pair.part};
}

struct triple hello_double_up(int32_t before, struct triple triple, int32_t after) {
    return (struct triple){
        .first = triple.first * 2 + before,
        .second = triple.second * 2,
        .third = (int8_t)(triple.third * 2 + after),
    };
}

/* Every count is followed by an int, an int64_t and a double: each is passed its own way. */
double hello_sum(int count, ...) {
    va_list arguments;
    va_start(arguments, count);
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += va_arg(arguments, int);
        sum += (double)va_arg(arguments, int64_t);
        sum += va_arg(arguments, double);
    }
    va_end(arguments);
    return sum;
}

int64_t hello_fold(const int32_t *values, size_t count, int64_t start,
                   int64_t (*step)(void *context, int64_t sum, int32_t value), void *context) {
    for (size_t i = 0; i < count; i++) {
        start = step(context, start, values[i]);
    }
    return start;
}
