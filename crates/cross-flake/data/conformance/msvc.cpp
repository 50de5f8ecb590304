// Proves what C++ of Microsoft's ABI needs of the start of a program, without a standard library: static objects, those of functions
// and of threads, new and delete, exceptions. Exits with 0, or 1 if any check failed.
//
//     $CXX msvc.cpp -o msvc-cxx.exe && $CROSSCOMPILING_EMULATOR ./msvc-cxx.exe

#include <stdio.h>
#include <windows.h>

static int passes = 0, failures = 0;

// Lines as libtest prints them, so that whoever runs this counts it like any other test.
static void check(const char *name, bool passed) {
    printf("test %s ... %s\n", name, passed ? "ok" : "FAILED");
    ++(passed ? passes : failures);
}

static int alive = 0;

struct Counted {
    int value;
    explicit Counted(int value) : value(value) { ++alive; }
    virtual ~Counted() { --alive; }
    virtual int twice() const { return 2 * value; }
};
struct Derived : Counted {
    Derived() : Counted(5) {}
    int twice() const override { return -2 * value; }
};

static Counted before_main(3);

static Counted &of_function() {
    static Counted once(4);
    return once;
}

static thread_local Counted of_thread(6);

static DWORD WINAPI race(void *) { return of_function().twice(); }
static DWORD WINAPI touch(void *result) {
    of_thread.value += 1;
    *static_cast<int *>(result) = of_thread.value;
    return 0;
}

struct Error {
    int code;
};

static int thrown(int n) {
    Counted unwound(n);
    try {
        if (n > 1) throw Error{n};
        if (n > 0) throw n;
    } catch (const Error &error) {
        return error.code * 10;
    } catch (int number) {
        return -number;
    }
    return 0;
}

struct Last {
    ~Last() {
        check("static objects live to the end", before_main.value == 3);
        printf("test result: %s. %d passed; %d failed; 0 ignored\n", failures ? "FAILED" : "ok", passes, failures);
        fflush(stdout);
    }
};

int main() {
    static Last last;
    check("static objects are built before main", before_main.twice() == 6);
    int built = alive;
    HANDLE threads[4];
    for (HANDLE &thread : threads) thread = CreateThread(nullptr, 0, race, nullptr, 0, nullptr);
    WaitForMultipleObjects(4, threads, TRUE, INFINITE);
    check("an object of a function is built once", alive == built + 1 && of_function().value == 4);

    check("a thread's objects are its own", of_thread.value == 6);
    built = alive;
    int result = 0;
    HANDLE thread = CreateThread(nullptr, 0, touch, &result, 0, nullptr);
    WaitForSingleObject(thread, INFINITE);
    check("and end with it", result == 7 && of_thread.value == 6 && alive == built);

    Counted *made = new Derived, *many = new Derived[3];
    check("new, delete and virtual functions work", made->twice() == -10 && alive == built + 4);
    delete made;
    delete[] static_cast<Derived *>(many);
    check("destructors are called", alive == built);
    check("exceptions are caught by their type, and objects destroyed", thrown(0) == 0 && thrown(1) == -1 && thrown(4) == 40 && alive == built);
    return failures != 0;
}
