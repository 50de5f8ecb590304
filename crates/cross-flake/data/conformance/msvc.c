/* Proves that the start of a program for Microsoft's ABI is complete: what Visual Studio's runtime does before and around main, and what
 * its compiler calls without being asked. Exits with 0, or 1 if any check failed.
 *
 *     $CC msvc.c -o msvc.exe && $CROSSCOMPILING_EMULATOR ./msvc.exe
 */

#include <excpt.h>
#include <intrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static int passes = 0, failures = 0;

/* Lines as libtest prints them, so that whoever runs this counts it like any other test. */
static void check(const char *name, int passed) {
    printf("test %s ... %s\n", name, passed ? "ok" : "FAILED");
    passes += passed != 0;
    failures += passed == 0;
}

/* ── Initialisers and thread-local storage ─────────────────────────────────────────────────────── */

static int initialised, attached, detached;
static __declspec(thread) int own = 7;
static __declspec(thread) __declspec(align(64)) char wide[64];

static int initialise_c(void) { return initialised |= 1, 0; }
static void initialise_cxx(void) { initialised = initialised == 1 ? 3 : -1; }
__attribute__((section(".CRT$XIU"), used)) static int (*const of_c)(void) = initialise_c;
__attribute__((section(".CRT$XCU"), used)) static void (*const of_cxx)(void) = initialise_cxx;

static void NTAPI on_thread(PVOID module, DWORD reason, PVOID reserved) {
    attached += reason == DLL_THREAD_ATTACH;
    detached += reason == DLL_THREAD_DETACH;
}
__attribute__((section(".CRT$XLM"), used)) static const PIMAGE_TLS_CALLBACK callback = on_thread;

static DWORD WINAPI thread(void *result) {
    int fresh = own == 7 && (uintptr_t)wide % 64 == 0;
    own = 8;
    *(int *)result = fresh;
    return 0;
}

static void threads(void) {
    int fresh = 0;
    own = 9;
    HANDLE handle = CreateThread(NULL, 0, thread, &fresh, 0, NULL);
    WaitForSingleObject(handle, INFINITE);
    check("a thread has variables of its own, aligned", fresh && own == 9);
    check("callbacks hear of a thread's start and end", attached == 1 && detached == 1);
}

/* ── Exceptions of the system ──────────────────────────────────────────────────────────────────── */

static volatile int *volatile nowhere = NULL;
static int order;

/* clang looks for exceptions where functions are called. */
static __attribute__((noinline)) void violate(void) {
    order = order * 10 + 1;
    *nowhere = 1;
}
static void finally(void) {
    __try {
        violate();
    } __finally {
        order = order * 10 + 3;
    }
}
static int filter(unsigned long code) {
    order = order * 10 + 2;
    return code == EXCEPTION_ACCESS_VIOLATION ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH;
}
static void exceptions(void) {
    __try {
        finally();
    } __except (filter(GetExceptionCode())) {
        order = order * 10 + 4;
    }
    check("an access violation is caught, filters first and then __finally", order == 1234);
    volatile unsigned long seen = 0;
    __try {
        RaiseException(0xE0001234, 0, 0, NULL);
    } __except (seen = GetExceptionCode(), EXCEPTION_EXECUTE_HANDLER) {
        seen++;
    }
    check("an exception of the program's own is caught", seen == 0xE0001235);
    static jmp_buf back;
    volatile int jumps = 0;
    if (setjmp(back) == 0) {
        jumps++;
        longjmp(back, 1);
    }
    check("longjmp comes back", jumps == 1);
}

/* ── What compilers call ───────────────────────────────────────────────────────────────────────── */

static __attribute__((noinline)) unsigned large(unsigned seed) {
    /* 1 MB of 1 MB is not to be had, and one probe in each page is. */
    volatile unsigned char frame[200000];
    for (unsigned i = 0; i < sizeof frame; i += 4096) frame[i] = (unsigned char)(i >> 12 ^ seed);
    unsigned sum = 0;
    for (unsigned i = 0; i < sizeof frame; i += 4096) sum += (unsigned char)(frame[i] ^ seed) == (unsigned char)(i >> 12);
    return sum;
}
static __attribute__((noinline)) int guarded(const char *text) {
    char copy[16];
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    return copy[0];
}
extern uintptr_t __security_cookie;

static void helpers(void) {
    check("a frame of many pages is touched in order", large(5) == (200000 + 4095) / 4096);
    check("a function with a guarded frame returns", guarded("x") == 'x');
    check("the cookie is not the one that everybody knows", __security_cookie != 0 && __security_cookie != 0xBB40E64E &&
                                                                 (uint64_t)__security_cookie != 0x2B992DDFA232);
    volatile int64_t large_number = 1000000000000, divisor = 7;
    volatile uint64_t unsigned_number = UINT64_MAX;
    check("64 bits are divided and shifted", large_number / divisor == 142857142857 && large_number % divisor == 1 &&
                                                 unsigned_number / 10 == 1844674407370955161 &&
                                                 unsigned_number % 10 == 5 && unsigned_number >> (int)(divisor * 9) == 1);
    volatile double real = 1e15;
    check("numbers with a fraction become integers and back", (int64_t)real == 1000000000000000 &&
                                                                  (double)unsigned_number > 1.8e19 && (uint64_t)real == 1000000000000000);
    long bit = 0;
    unsigned long index = 0;
    check("intrinsics work", _InterlockedIncrement(&bit) == 1 && _BitScanReverse(&index, 0x800) && index == 11);
    LONG64 large_sum = 1;
    check("and those that windows.h has by its own names", InterlockedAdd(&bit, 4) == 5 && InterlockedAdd64(&large_sum, 1ll << 40) == (1ll << 40) + 1 &&
                                                               !InterlockedBitTestAndSet(&bit, 1) && InterlockedBitTestAndReset(&bit, 0) && bit == 6);
}

/* ── The end ───────────────────────────────────────────────────────────────────────────────────── */

static int ended;
static void first_registered(void) {
    check("what atexit was told is called in reverse", ended == 1);
    printf("test result: %s. %d passed; %d failed; 0 ignored\n", failures ? "FAILED" : "ok", passes, failures);
    fflush(stdout);
    if (failures) _exit(1);
}
static void last_registered(void) { ended++; }

int main(int argc, char **argv, char **envp) {
    atexit(first_registered);
    atexit(last_registered);
    check("initialisers ran in order", initialised == 3);
    check("arguments and the environment are there", argc == 1 && argv[0] && !argv[1] && envp && envp[0] && getenv("PATH"));
    threads();
    exceptions();
    helpers();
    return 0;
}
