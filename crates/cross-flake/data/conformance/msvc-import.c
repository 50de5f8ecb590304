/* Uses msvc-library.c from the start or, with DELAYED, from the first call on. Exits with 0, or 1 if any check failed.
 *
 *     $CC msvc-import.c msvc-library.lib -o msvc-import.exe
 *     $CC -DDELAYED -Wl,-delayload:msvc-library.dll msvc-import.c msvc-library.lib -ldelayimp -o msvc-delayed.exe
 */

#include <stdio.h>
#include <windows.h>

static int passes = 0, failures = 0;

/* Lines as libtest prints them, so that whoever runs this counts it like any other test. */
static void check(const char *name, int passed) {
    printf("test %s ... %s\n", name, passed ? "ok" : "FAILED");
    passes += passed != 0;
    failures += passed == 0;
}

int exported(void), numbered(int);
void count_end(int *);

static DWORD WINAPI thread(void *result) { return *(int *)result = exported(), 0; }

int main(void) {
    HMODULE at_start = GetModuleHandleA("msvc-library.dll");
#ifdef DELAYED
    check("a library that is delayed is not there at the start", !at_start);
#else
    extern __declspec(dllimport) int exported_variable;
    check("a library and its variable are there at the start", at_start && exported_variable == 6);
#endif
    check("its initialisers ran before its DllMain, once", exported() == 141);
    int result = 0;
    HANDLE handle = CreateThread(NULL, 0, thread, &result, 0, NULL);
    WaitForSingleObject(handle, INFINITE);
    check("a thread has the library's variables for itself", result == 141 && exported() == 142);
    HMODULE library = GetModuleHandleA("msvc-library.dll");
    check("a function without a name is imported by its number",
          numbered(21) == 42 && GetProcAddress(library, (LPCSTR)7) && !GetProcAddress(library, "numbered"));
#ifdef DELAYED
    int ended = 0;
    count_end(&ended);
    check("what it told atexit is called when it is unloaded", FreeLibrary(library) && ended == 1 && !GetModuleHandleA("msvc-library.dll"));
#endif
    printf("test result: %s. %d passed; %d failed; 0 ignored\n", failures ? "FAILED" : "ok", passes, failures);
    return failures != 0;
}
