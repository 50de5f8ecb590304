/* Stands for libRuntime.WorkstationGC.a and the libraries in C below .NET's own. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <zlib.h>

/* What debuggers read; .NET 11 asks the linker for it by name. */
const char DotNetRuntimeContractDescriptor[] = "DNCCDAC";

double shim_cosine(double angle) { return cos(angle); }

unsigned long shim_pack(const char *text, unsigned long length) {
    static unsigned char packed[4096];
    uLongf size = sizeof packed;
    return compress(packed, &size, (const unsigned char *)text, length) == Z_OK ? size : ~0UL;
}

static void *run(void *code) { return (void *)(intptr_t)((int (*)(void))code)(); }

int shim_in_thread(int (*code)(void)) {
    pthread_t thread;
    void *result;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) || pthread_create(&thread, NULL, run, (void *)code)) return -1;
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

/* Whether other code of the process finds the application's export. */
const char *runtime_exports(void) {
#ifdef STATIC
    return "none";
#else
    int (*answer)(void) = (int (*)(void))dlsym(dlopen(NULL, RTLD_NOW), "answer");
    return !answer ? "missing" : answer() == 42 ? "answer" : "wrong";
#endif
}

/* Looks a function up as an unwinder does, in the table that --eh-frame-hdr makes; 32-bit ARM has one of its own. */
static int look_up(struct dl_phdr_info *program, size_t size, void *wanted) {
    const char *code = *(const char **)wanted;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &program->dlpi_phdr[i];
        const char *table = (const char *)(program->dlpi_addr + header->p_vaddr);
#ifdef __arm__
        const int32_t *entry = (const int32_t *)table;
        if (header->p_type != PT_ARM_EXIDX) continue;
        for (size_t n = header->p_memsz / 8; n--; entry += 2)
            /* An offset of 31 bits from the entry itself (EHABI32, 5). */
            if ((const char *)entry + (entry[0] << 1 >> 1) == code) return entry[1] != 1;
#else
        const int32_t *entry = (const int32_t *)(table + 12);
        /* Version 1, a count of 4 bytes, a table of 4-byte offsets from its start (LSB, "The .eh_frame_hdr section"). */
        if (header->p_type != PT_GNU_EH_FRAME || table[0] != 1 || table[2] != 3 || table[3] != 0x3b) continue;
        for (uint32_t n = ((const uint32_t *)table)[2]; n--; entry += 2)
            if (table + entry[0] == code) return 1;
#endif
    }
    return 0;
}

const char *runtime_unwinds(const void *code) { return dl_iterate_phdr(look_up, &code) ? "complete" : "missing"; }
