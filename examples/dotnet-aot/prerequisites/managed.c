/* Stands for the object file that ilc makes of an application: code in a section of its own that is larger than a branch of
   some processors reaches, data of threads, unwind tables, and references to what the .NET libraries link. */

#define MANAGED __attribute__((section("__managedcode"), noinline))

__asm__(".pushsection __managedcode,\"ax\",%progbits\n"
        ".zero 4 << 20\n"
        ".popsection\n");

double shim_cosine(double angle);
unsigned long shim_pack(const char *text, unsigned long length);
int shim_in_thread(int (*code)(void));

static __thread int depth = 20;

MANAGED static int grow(void) { return ++depth; }

/* [UnmanagedCallersOnly(EntryPoint = "answer")] */
MANAGED int answer(void) { return 2 * depth; }

MANAGED int managed_main(unsigned long *packed, int *of_thread) {
    char text[2300];
    for (unsigned i = 0; i < sizeof text; i++) text[i] = "hello from Native AOT, "[i % 23];
    *packed = shim_pack(text, sizeof text);
    *of_thread = shim_in_thread(grow);
    return grow() + (int)shim_cosine(0);
}

/* Stubs that unbox `this`. */
__attribute__((section("__unbox"))) int unbox_answer(void) { return answer(); }

/* What the runtime starts from. Nothing refers to it but the bounds of its section, as with ilc: a linker that collects
   unused sections must keep it nevertheless. */
static const struct { char signature[4]; int (*unbox)(void); } module_header = {"RTR", unbox_answer};
__attribute__((section("__modules"), used)) static const void *const module = &module_header;
