/* uint32_t ledger_rotate(uint32_t value): five bits to the left. */
#if defined(__APPLE__)
#define NAME _ledger_rotate
#else
#define NAME ledger_rotate
#endif

    .text
    .globl NAME
#if defined(__x86_64__)
#if !defined(_WIN32) && !defined(__APPLE__)
    .type NAME, @function
#endif
NAME:
#if defined(_WIN32)
    movl %ecx, %eax
#else
    movl %edi, %eax
#endif
    roll $5, %eax
    ret
#elif defined(__aarch64__)
    .p2align 2
NAME:
    ror w0, w0, #27
    ret
#elif defined(__riscv)
    .p2align 2
NAME:
    slliw a1, a0, 5
    srliw a0, a0, 27
    or a0, a0, a1
    ret
#endif

#if defined(__linux__) || defined(__FreeBSD__)
    .section .note.GNU-stack, "", %progbits
#endif
