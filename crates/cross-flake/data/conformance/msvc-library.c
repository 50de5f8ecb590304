/* A library for Microsoft's ABI, for msvc-import.c: with initialisers, variables of threads, functions for its end, and a function that
 * is exported by its number alone.
 *
 *     $CC -shared msvc-library.c -o msvc-library.dll
 */

#include <stdlib.h>
#include <windows.h>

static int initialised, attached;
static int *ended;
static __declspec(thread) int calls = 40;

static void initialise(void) { initialised = attached == 0; }
__attribute__((section(".CRT$XCU"), used)) static void (*const of_library)(void) = initialise;

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved) {
    attached += reason == DLL_PROCESS_ATTACH && initialised == 1;
    return TRUE;
}

static void end(void) { ++*ended; }

__declspec(dllexport) int exported_variable = 6;
__declspec(dllexport) int exported(void) { return attached * 100 + ++calls; }
__declspec(dllexport) void count_end(int *counter) {
    ended = counter;
    atexit(end);
}

/* Objects name what they export as they do any symbol. */
#ifdef __i386__
#pragma comment(linker, "/export:_numbered,@7,NONAME")
#else
#pragma comment(linker, "/export:numbered,@7,NONAME")
#endif
int numbered(int n) { return 2 * n; }
