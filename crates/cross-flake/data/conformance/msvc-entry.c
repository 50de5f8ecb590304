/* Proves that programs start by each of the names that Windows has for main: ENTRY is wmain, WinMain or wWinMain. Exits with 0, or 1 if
 * any check failed.
 *
 *     $CC -DENTRY=wmain msvc-entry.c -o msvc-wmain.exe
 *     $CC -DENTRY=WinMain -Wl,-subsystem:windows msvc-entry.c -o msvc-WinMain.exe
 */

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

static int initialised;
static void initialise(void) { initialised = 1; }
__attribute__((section(".CRT$XCU"), used)) static void (*const of_program)(void) = initialise;

/* The subsystem, as the file's header says it. */
static int subsystem(void) {
    char *base = (char *)GetModuleHandleA(NULL);
    return ((IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew))->OptionalHeader.Subsystem;
}

/* How the first window is to be shown, as whoever started the program has said or not. */
static int shown(void) {
    STARTUPINFOA info;
    GetStartupInfoA(&info);
    return info.dwFlags & STARTF_USESHOWWINDOW ? info.wShowWindow : SW_SHOWDEFAULT;
}

/* Lines as libtest prints them, so that whoever runs this counts it like any other test. */
static int result(const char *name, int passed) {
    passed = passed && initialised;
    printf("test a program starts by %s ... %s\n", name, passed ? "ok" : "FAILED");
    printf("test result: %s. %d passed; %d failed; 0 ignored\n", passed ? "ok" : "FAILED", passed, !passed);
    return !passed;
}

#define wmain 1
#define WinMain 2
#define wWinMain 3
#if ENTRY == wmain
#undef wmain
int wmain(int argc, wchar_t **argv, wchar_t **envp) {
    return result("wmain", argc == 1 && wcsstr(argv[0], L"wmain") && envp[0] && _wgetenv(L"PATH") && subsystem() == IMAGE_SUBSYSTEM_WINDOWS_CUI);
}
#elif ENTRY == WinMain
#undef WinMain
int WINAPI WinMain(HINSTANCE instance, HINSTANCE before, LPSTR line, int show) {
    return result("WinMain", instance == GetModuleHandleA(NULL) && !before && !*line && show == shown() &&
                                 subsystem() == IMAGE_SUBSYSTEM_WINDOWS_GUI);
}
#else
#undef wWinMain
int WINAPI wWinMain(HINSTANCE instance, HINSTANCE before, LPWSTR line, int show) {
    return result("wWinMain", instance == GetModuleHandleA(NULL) && !before && !*line && show == shown() &&
                                  subsystem() == IMAGE_SUBSYSTEM_WINDOWS_GUI);
}
#endif
