/* Stands for libbootstrapper.o: `main`, which finds the managed code by the bounds of its sections. */

#include <stdio.h>
#include <string.h>

extern const char *const __start___modules[], *const __stop___modules[];
extern char __start___managedcode[], __stop___managedcode[], __start___unbox[], __stop___unbox[];

int managed_main(unsigned long *packed, int *of_thread);
const char *runtime_exports(void);
const char *runtime_unwinds(const void *code);

int main(void) {
    unsigned long packed;
    int of_thread, of_main = managed_main(&packed, &of_thread);
    printf("modules %d %s\n", (int)(__stop___modules - __start___modules), __start___modules[0]);
    printf("managed code %s\n", __stop___managedcode - __start___managedcode > 4 << 20 ? "whole" : "cut");
    printf("unboxing stubs %s\n", __stop___unbox > __start___unbox ? "present" : "missing");
    printf("threads %d %d\n", of_thread, of_main);
    printf("zlib %s\n", packed < 60 ? "packs" : "fails");
    printf("exports %s\n", runtime_exports());
    char *code = (char *)managed_main;
#ifdef __thumb__
    code -= (unsigned)code & 1;
#endif
    printf("unwind tables %s\n", runtime_unwinds(code));
    return 0;
}
