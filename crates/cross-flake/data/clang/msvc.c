/* What stands between Windows and main() in programs for the MSVC ABI: Microsoft's is a part of Visual Studio, this one is our own.
 * The C library itself, UCRT, belongs to Windows since version 10 and is only called.
 *
 * msvc.sh compiles this file once for each part, so that a program has only the parts that it names. Facts come from
 *
 *   [PE]    Microsoft's "PE Format": the sections .tls and .CRT, the directory of thread-local storage, the load configuration
 *   [CRT]   "CRT initialization" and the reference pages of the functions, in Microsoft's documentation of C and C++
 *   [UCRT]  MinGW-w64's corecrt_startup.h, and its lists of what UCRT exports
 *   [x64], [ARM64]  "x64 prolog and epilog", "Overview of ARM64 ABI conventions"
 *   [LLD], [clang]  the names that LLD's COFF/Driver.cpp and Writer.cpp look for, and those that clang's MicrosoftCXXABI.cpp emits
 */

typedef __UINTPTR_TYPE__ word;
typedef void (*initialiser)(void);
typedef int (*checked_initialiser)(void);
typedef void(__stdcall *thread_callback)(void *module, unsigned long reason, void *reserved);

/* The reasons for which Windows calls a library and the callbacks of threads: DllMain's page. */
enum { PROCESS_DETACH, PROCESS_ATTACH, THREAD_ATTACH, THREAD_DETACH };

#define IN(name) __attribute__((section(name), used))
/* The linker sorts sections of one name by what follows the $ [PE]: whatever stands between two marks is a table. */
#define MARK(type, name, section) IN(section) const type name = 0

#ifdef __i386__
#define SYMBOL(name) "_" #name
#else
#define SYMBOL(name) #name
#endif

extern int is_library __asm__("__cross_flake_is_library");
extern const initialiser first_initialiser __asm__("__cross_flake_xca"), last_initialiser __asm__("__cross_flake_xcz");
extern const checked_initialiser first_checked __asm__("__cross_flake_xia"), last_checked __asm__("__cross_flake_xiz");
extern const initialiser first_of_thread __asm__("__cross_flake_xda"), last_of_thread __asm__("__cross_flake_xdz");

#ifdef __cplusplus
extern "C" {
#endif
void __security_init_cookie(void);
void _initterm(const initialiser *first, const initialiser *last);
int _initterm_e(const checked_initialiser *first, const checked_initialiser *last);
#ifdef __cplusplus
}
#endif

/* ── Programs ──────────────────────────────────────────────────────────────────────────────────── */

#if defined PART_main || defined PART_wmain || defined PART_WinMain || defined PART_wWinMain

/* The entry points are those that LLD, and rustc for `windows_subsystem`, name [LLD]. */
#if defined PART_main
#define ENTRY mainCRTStartup
int main(int, char **, char **);
#elif defined PART_wmain
#define ENTRY wmainCRTStartup
#define WIDE
int wmain(int, unsigned short **, unsigned short **);
#elif defined PART_WinMain
#define ENTRY WinMainCRTStartup
#define WINDOWS
int __stdcall WinMain(void *, void *, char *, int);
#else
#define ENTRY wWinMainCRTStartup
#define WINDOWS
#define WIDE
int __stdcall wWinMain(void *, void *, unsigned short *, int);
#endif

#ifdef WIDE
typedef unsigned short character;
#define CALL(narrow, wide) wide
#else
typedef char character;
#define CALL(narrow, wide) narrow
#endif

/* [UCRT]; the numbers are those of its enumerations. */
enum { CONSOLE_APPLICATION = 1, WINDOWS_APPLICATION = 2, ARGUMENTS_AS_THEY_ARE = 1 };
void _set_app_type(int);
int CALL(_configure_narrow_argv, _configure_wide_argv)(int);
int CALL(_initialize_narrow_environment, _initialize_wide_environment)(void);
character **CALL(_get_initial_narrow_environment, _get_initial_wide_environment)(void);
character *CALL(_get_narrow_winmain_command_line, _get_wide_winmain_command_line)(void);
int *__p___argc(void);
character ***CALL(__p___argv, __p___wargv)(void);
void exit(int), _exit(int);
int _seh_filter_exe(unsigned long, void *);
unsigned long _exception_code(void);
void *_exception_info(void);

#ifdef WINDOWS
/* [PE]: the linker's name for the beginning of the image. */
extern char __ImageBase;
typedef struct {
    unsigned long size;
    void *names[3];
    unsigned long numbers[7], flags;
    unsigned short show, more;
    void *rest[4];
} startup_info;
void __stdcall GetStartupInfoW(startup_info *);
#endif

static int run(void) {
    _set_app_type(
#ifdef WINDOWS
        WINDOWS_APPLICATION
#else
        CONSOLE_APPLICATION
#endif
    );
    if (CALL(_configure_narrow_argv, _configure_wide_argv)(ARGUMENTS_AS_THEY_ARE) ||
        CALL(_initialize_narrow_environment, _initialize_wide_environment)() || _initterm_e(&first_checked, &last_checked))
        /* "runtime error", as [CRT] calls a failure before main. */
        return 255;
    _initterm(&first_initialiser, &last_initialiser);
#ifdef WINDOWS
    startup_info info;
    GetStartupInfoW(&info);
    /* STARTF_USESHOWWINDOW, SW_SHOWDEFAULT: the page of STARTUPINFO. */
    return CALL(WinMain, wWinMain)(&__ImageBase, 0, CALL(_get_narrow_winmain_command_line, _get_wide_winmain_command_line)(),
                                   info.flags & 1 ? info.show : 10);
#else
    return CALL(main, wmain)(*__p___argc(), *CALL(__p___argv, __p___wargv)(),
                             CALL(_get_initial_narrow_environment, _get_initial_wide_environment)());
#endif
}

/* The cookie has to be there before any function that has one on its stack. */
static __attribute__((noinline)) void guarded(void) {
    /* Kept by the filter: the handler of wine 8 does not hear of it. */
    volatile unsigned long code = 0;
    __try {
        exit(run());
        /* What Windows calls an exception is a signal for C [CRT: signal]. */
    } __except (_seh_filter_exe(code = _exception_code(), _exception_info())) {
        _exit((int)code);
    }
}

int ENTRY(void) {
    __security_init_cookie();
    guarded();
    return 0;
}
#endif

/* ── Libraries ─────────────────────────────────────────────────────────────────────────────────── */

#ifdef PART_dll
int __stdcall DllMain(void *, unsigned long, void *);
void leave(void) __asm__("__cross_flake_leave");

int __stdcall _DllMainCRTStartup(void *module, unsigned long reason, void *reserved) {
    if (reason == PROCESS_ATTACH) {
        __security_init_cookie();
        is_library = 1;
        if (_initterm_e(&first_checked, &last_checked)) return 0;
        _initterm(&first_initialiser, &last_initialiser);
    }
    int result = DllMain(module, reason, reserved);
    if (reason == PROCESS_DETACH || (reason == PROCESS_ATTACH && !result)) leave();
    return result;
}
#endif

#ifdef PART_dllmain
/* For libraries without one. */
int __stdcall DllMain(void *module, unsigned long reason, void *reserved) { return 1; }
#endif

/* ── Initialisers ──────────────────────────────────────────────────────────────────────────────── */

#ifdef PART_initialisers
/* C's, which may fail, in XI; those of C++ in XC; those of each thread in XD [CRT]. */
MARK(checked_initialiser, first_checked, ".CRT$XIA");
MARK(checked_initialiser, last_checked, ".CRT$XIZ");
MARK(initialiser, first_initialiser, ".CRT$XCA");
MARK(initialiser, last_initialiser, ".CRT$XCZ");
MARK(initialiser, first_of_thread, ".CRT$XDA");
MARK(initialiser, last_of_thread, ".CRT$XDZ");
#endif

/* ── atexit ────────────────────────────────────────────────────────────────────────────────────── */

#ifdef PART_atexit
/* UCRT's own table is the program's. What a library registers has to be called when that is unloaded: a table of its own [UCRT]. */
typedef struct {
    void *first, *last, *end;
} table;
int _crt_atexit(initialiser);
int _register_onexit_function(table *, checked_initialiser);
int _execute_onexit_table(table *);

int is_library;
/* All zeros is what _initialize_onexit_table makes of it. */
static table own;

checked_initialiser _onexit(checked_initialiser function) {
    int failed = is_library ? _register_onexit_function(&own, function) : _crt_atexit((initialiser)function);
    return failed ? 0 : function;
}
int atexit(initialiser function) { return _onexit((checked_initialiser)function) ? 0 : -1; }

void leave(void) __asm__("__cross_flake_leave");
void leave(void) { _execute_onexit_table(&own); }
#endif

/* ── Thread-local storage ──────────────────────────────────────────────────────────────────────── */

#ifdef PART_tls
#ifdef __i386__
/* Where 32-bit code finds a thread's variables, by [PE] and winternl.h: ThreadLocalStoragePointer in the block that fs points to. */
__asm__(".globl __tls_array\n__tls_array = 0x2c\n");
#endif
/* "The .tls Section" of [PE]. LLD takes the directory by the name of _tls_used and sets its alignment [LLD]. */
unsigned long _tls_index;
IN(".tls") char _tls_start = 0;
IN(".tls$ZZZ") char _tls_end = 0;
static MARK(thread_callback, first_callback, ".CRT$XLA");
static MARK(thread_callback, last_callback, ".CRT$XLZ");

struct directory {
    const void *start, *end, *index, *callbacks;
    unsigned zeros, characteristics;
};
IN(".rdata$T") const struct directory _tls_used = {&_tls_start, &_tls_end, &_tls_index, &first_callback + 1, 0, 0};
#endif

/* ── Cookies on the stack ──────────────────────────────────────────────────────────────────────── */

#ifdef PART_cookie
/* /GS and -fstack-protector. The values are those that mean "not set yet" [CRT: __security_init_cookie]. */
#ifdef _WIN64
#define UNSET 0x00002B992DDFA232
#else
#define UNSET 0xBB40E64E
#endif
word __security_cookie = UNSET, __security_cookie_complement = ~(word)UNSET;

void __stdcall GetSystemTimeAsFileTime(unsigned long *);
int __stdcall QueryPerformanceCounter(unsigned long *);
unsigned long __stdcall GetCurrentThreadId(void);
unsigned long __stdcall GetCurrentProcessId(void);

/* Windows finds it by the load configuration and has set it before the entry point, since version 8; here is the same for others. */
void __security_init_cookie(void) {
    unsigned long time[2], count[2];
    if (__security_cookie == UNSET) {
        GetSystemTimeAsFileTime(time);
        QueryPerformanceCounter(count);
        word cookie = (word)&cookie ^ time[0] ^ time[1] ^ count[0] ^ count[1] ^ GetCurrentThreadId() ^ GetCurrentProcessId();
#ifdef _WIN64
        cookie ^= (word)count[0] << 32 ^ (word)time[0] << 24;
        /* The upper 16 bits are zeros, which makes a string that runs over it stop, and which the check asks for. */
        cookie &= 0x0000FFFFFFFFFFFF;
#endif
        __security_cookie = cookie == UNSET || !cookie ? UNSET + 1 : cookie;
    }
    __security_cookie_complement = ~__security_cookie;
}

/* The check is called where a function's result is in its register already, so it uses no other than its argument's. */
#if defined __x86_64__
__asm__(".globl __security_check_cookie\n"
        "__security_check_cookie:\n"
        "  cmpq __security_cookie(%rip), %rcx\n"
        "  jne 1f\n"
        "  rolq $16, %rcx\n"
        "  testw $0xffff, %cx\n"
        "  jne 1f\n"
        "  ret\n"
        "1: jmp __report_gsfailure\n");
#elif defined __i386__
__asm__(".globl @__security_check_cookie@4\n"
        "@__security_check_cookie@4:\n"
        "  cmpl ___security_cookie, %ecx\n"
        "  jne ___report_gsfailure\n"
        "  ret\n");
#elif defined __aarch64__
__asm__(".globl __security_check_cookie\n"
        "__security_check_cookie:\n"
        "  adrp x16, __security_cookie\n"
        "  ldr x16, [x16, :lo12:__security_cookie]\n"
        "  cmp x16, x0\n"
        "  b.ne 1f\n"
        "  ret\n"
        "1: b __report_gsfailure\n");
#endif

/* FAST_FAIL_STACK_COOKIE_CHECK_FAILURE, by the instruction of __fastfail's page: no handler of the program sees it. */
__attribute__((noreturn, used)) void __report_gsfailure(word cookie) {
#if defined __aarch64__
    register word code __asm__("x0") = 2;
    __asm__ volatile("brk #0xf003" : : "r"(code));
#else
    __asm__ volatile("int $0x29" : : "c"(2));
#endif
    __builtin_unreachable();
}

/* The load configuration [PE], as far as it names the cookie: at 0x58, in 32-bit programs at 0x3c. LLD takes it by its name. Without a
 * table of exception handlers, which every object would have to be made for, 32-bit Windows takes all handlers of the program. */
struct configuration {
    unsigned size;
#ifdef _WIN64
    char before[0x58 - 4];
    word *cookie;
    char after[0x10];
#else
    char before[0x3c - 4];
    word *cookie;
    char after[0x8];
#endif
};
IN(".rdata") const struct configuration _load_config_used = {.size = sizeof(struct configuration), .cookie = &__security_cookie};
#endif

/* ── Stack probes ──────────────────────────────────────────────────────────────────────────────── */

#ifdef PART_chkstk
/* Windows puts one page more on a stack when the last one is touched, so functions with more than a page on it touch each in order. */
#if defined __x86_64__
/* [x64]: the size in rax; of all registers r10 and r11 may change, and the caller moves the stack pointer. */
__asm__(".globl __chkstk\n"
        "__chkstk:\n"
        "  leaq 8(%rsp), %r10\n"
        "  movq %rax, %r11\n"
        "1: cmpq $0x1000, %r11\n"
        "  jb 2f\n"
        "  subq $0x1000, %r10\n"
        "  testb %al, (%r10)\n"
        "  subq $0x1000, %r11\n"
        "  jmp 1b\n"
        "2: subq %r11, %r10\n"
        "  testb %al, (%r10)\n"
        "  ret\n"
        /* MinGW's, which keeps all registers. */
        ".globl ___chkstk_ms\n"
        "___chkstk_ms:\n"
        "  pushq %r10\n"
        "  pushq %r11\n"
        "  callq __chkstk\n"
        "  popq %r11\n"
        "  popq %r10\n"
        "  ret\n");
#elif defined __i386__
/* The size in eax, and the stack pointer is moved on return; no other register changes. The last name is MinGW's. */
__asm__(".globl __chkstk, __alloca_probe, __alloca\n"
        "__alloca_probe:\n"
        "__alloca:\n"
        "__chkstk:\n"
        "  pushl %ecx\n"
        "  leal 8(%esp), %ecx\n"
        "1: cmpl $0x1000, %eax\n"
        "  jb 2f\n"
        "  subl $0x1000, %ecx\n"
        "  testb %al, (%ecx)\n"
        "  subl $0x1000, %eax\n"
        "  jmp 1b\n"
        "2: subl %eax, %ecx\n"
        "  testb %al, (%ecx)\n"
        "  movl %esp, %eax\n"
        "  movl %ecx, %esp\n"
        "  movl (%eax), %ecx\n"
        "  movl 4(%eax), %eax\n"
        "  jmp *%eax\n");
#elif defined __aarch64__
/* [ARM64]: the size in x15 in units of 16 bytes; x16 and x17 may change, and the caller moves the stack pointer. */
__asm__(".globl __chkstk\n"
        "__chkstk:\n"
        "  lsl x16, x15, #4\n"
        "  mov x17, sp\n"
        "1: cmp x16, #0x1000\n"
        "  b.lo 2f\n"
        "  sub x17, x17, #0x1000\n"
        "  ldr xzr, [x17]\n"
        "  sub x16, x16, #0x1000\n"
        "  b 1b\n"
        "2: sub x17, x17, x16\n"
        "  ldr xzr, [x17]\n"
        "  ret\n");
#endif
#endif

/* ── Names that compilers write ────────────────────────────────────────────────────────────────── */

#ifdef PART_fltused
/* In every object that has floating-point numbers; nobody reads it. */
int _fltused = 1;
#endif

#ifdef PART_type_info
/* The virtual table of C++'s type_info: descriptors of exceptions, Rust's panics among them, point to it, and are compared by name. */
const void *const type_info[2] __asm__("??_7type_info@@6B@") = {0, 0};
#endif

#ifdef PART_terminate
/* For exceptions in functions that must not throw [clang]. */
void terminate(void);
void __std_terminate(void) { terminate(); }
#endif

/* ── C++ without its standard library ──────────────────────────────────────────────────────────── */

#ifdef PART_new
using size = decltype(sizeof 0);
extern "C" {
void *malloc(size);
void free(void *), abort(void);
}
namespace std {
using new_handler = void (*)();
static new_handler handler;
new_handler get_new_handler() noexcept { return handler; }
new_handler set_new_handler(new_handler next) noexcept {
    new_handler last = handler;
    handler = next;
    return last;
}
struct nothrow_t {
    explicit nothrow_t() = default;
};
extern const nothrow_t nothrow;
const nothrow_t nothrow;
} // namespace std

void *operator new(size n, const std::nothrow_t &) noexcept { return malloc(n ? n : 1); }
void *operator new[](size n, const std::nothrow_t &) noexcept { return malloc(n ? n : 1); }
void *operator new(size n) {
    for (;;) {
        if (void *memory = malloc(n ? n : 1)) return memory;
        /* There is no std::bad_alloc to throw. */
        if (!std::handler) abort();
        std::handler();
    }
}
void *operator new[](size n) { return operator new(n); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete(void *memory, size) noexcept { free(memory); }
void operator delete[](void *memory, size) noexcept { free(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { free(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { free(memory); }
#endif

#ifdef PART_statics
/* Variables in functions, which the first thread that comes there initialises. A guard is 0, -1 while a thread is at it, and
 * then the number of that initialisation; a thread knows up to which number it has seen all [clang]. */
typedef struct {
    void *inside;
} waiting;
void __stdcall AcquireSRWLockExclusive(waiting *);
void __stdcall ReleaseSRWLockExclusive(waiting *);
void __stdcall WakeAllConditionVariable(waiting *);
int __stdcall SleepConditionVariableSRW(waiting *, waiting *, unsigned long, unsigned long);

#define NONE_YET (-__INT_MAX__ - 1)
__declspec(thread) int _Init_thread_epoch = NONE_YET;
static int epoch = NONE_YET;
static waiting lock, changed;

void _Init_thread_header(int *guard) {
    AcquireSRWLockExclusive(&lock);
    /* For as long as it takes: INFINITE. */
    while (*guard == -1) SleepConditionVariableSRW(&changed, &lock, -1, 0);
    if (*guard == 0)
        *guard = -1;
    else
        _Init_thread_epoch = epoch;
    ReleaseSRWLockExclusive(&lock);
}
static void finish(int *guard, int value) {
    *guard = value;
    ReleaseSRWLockExclusive(&lock);
    WakeAllConditionVariable(&changed);
}
void _Init_thread_footer(int *guard) {
    AcquireSRWLockExclusive(&lock);
    _Init_thread_epoch = ++epoch;
    finish(guard, epoch);
}
void _Init_thread_abort(int *guard) {
    AcquireSRWLockExclusive(&lock);
    finish(guard, 0);
}
#endif

#ifdef PART_threads
/* thread_local of C++: clang puts a thread's initialisers into .CRT$XD and asks for __dyn_tls_init by name [clang]; destructors are
 * registered while the thread runs. Windows calls what stands in .CRT$XL for each thread but, as far as C++ sees, the first. */
void *malloc(word);
void free(void *);
void _register_thread_local_exe_atexit_callback(thread_callback);

char __declspec(thread) __tls_guard;
static __declspec(thread) struct destructor {
    struct destructor *next;
    initialiser function;
} * destructors;

void __dyn_tls_on_demand_init(void) {
    if (__tls_guard) return;
    __tls_guard = 1;
    _initterm(&first_of_thread, &last_of_thread);
}
void __stdcall __dyn_tls_init(void *module, unsigned long reason, void *reserved) {
    if (reason == THREAD_ATTACH) __dyn_tls_on_demand_init();
}
static void __stdcall destroy(void *module, unsigned long reason, void *reserved) {
    if (reason != THREAD_DETACH && reason != PROCESS_DETACH) return;
    while (destructors) {
        struct destructor *last = destructors;
        destructors = last->next;
        last->function();
        free(last);
    }
}
int __tlregdtor(initialiser function) {
    struct destructor *new = malloc(sizeof *new);
    if (!new) return -1;
    *new = (struct destructor){destructors, function};
    destructors = new;
    return 0;
}
/* The first thread's: after the initialisers of the program; and before what atexit has been told, which a library has in DllMain. */
static void first_thread(void) {
    if (!is_library) _register_thread_local_exe_atexit_callback(destroy);
    __dyn_tls_on_demand_init();
}
IN(".CRT$XCY") static const initialiser of_first_thread = first_thread;
IN(".CRT$XLC") static const thread_callback on_attach = __dyn_tls_init;
IN(".CRT$XLD") static const thread_callback on_detach = destroy;
/* Whoever registers destructors needs the directory. */
extern const char tls_used __asm__(SYMBOL(_tls_used));
IN(".rdata") static const char *const directory = &tls_used;
#endif
