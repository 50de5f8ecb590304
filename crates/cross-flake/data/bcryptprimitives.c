/* bcryptprimitives.dll for wine before 9, which lacks it: Rust's std imports ProcessPrng from there since 1.78. It is
 * forwarded to the function of advapi32 that is known as RtlGenRandom, and no code is needed for that. */
__asm__(".section .drectve,\"yn\"\n.ascii \" -export:ProcessPrng=advapi32.SystemFunction036\"\n");

int __stdcall DllMainCRTStartup(void *module, unsigned long reason, void *reserved) {
    (void)module, (void)reason, (void)reserved;
    return 1;
}
