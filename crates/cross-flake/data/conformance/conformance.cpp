// Proves that a target's C++ compiler brings a C++ library that links and runs: containers, streams,
// static objects, and exceptions and threads where the target has them. Exits with 0, or 1 if any check failed.
//
//     $CXX -std=c++17 conformance.cpp -o conformance-cpp && $CROSSCOMPILING_EMULATOR ./conformance-cpp

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#ifdef __cpp_exceptions
#include <stdexcept>
#endif
// WASI's first version has no threads.
#ifndef __wasi__
#include <atomic>
#include <mutex>
#include <thread>
#endif

namespace {

int passes = 0, failures = 0;

// Lines as libtest prints them, so that whoever runs this counts it like any other test.
void check(const char *name, bool passed) {
    std::cout << "test " << name << " ... " << (passed ? "ok" : "FAILED") << std::endl;
    ++(passed ? passes : failures);
}

// Lives before main, which the startup code has to see to.
const std::map<std::string, int> before_main{{"one", 1}, {"two", 2}};

struct Shape {
    virtual ~Shape() = default;
    virtual int sides() const { return 0; }
};
struct Square : Shape {
    int sides() const override { return 4; }
};

} // namespace

int main() {
    check("static objects are built before main", before_main.size() == 2 && before_main.at("two") == 2);

    std::vector<std::string> words{"pear", "apple", "fig"};
    std::sort(words.begin(), words.end());
    std::ostringstream text;
    for (const auto &word : words) text << word << ' ' << 1.5 << ';';
    check("containers, algorithms and streams work", text.str() == "apple 1.5;fig 1.5;pear 1.5;");

    std::unique_ptr<Shape> shape = std::make_unique<Square>();
    check("virtual functions are called", shape->sides() == 4);

#ifdef __cpp_rtti
    check("dynamic_cast knows the type", dynamic_cast<Square *>(shape.get()) != nullptr);
#endif
#ifdef __cpp_exceptions
    bool caught = false;
    try {
        // From inside the library, so that it too must have unwind tables.
        (void)std::string("short").at(100);
    } catch (const std::out_of_range &) {
        caught = true;
    }
    check("an exception reaches its catch", caught);
#endif

#ifndef __wasi__
    std::atomic<int> counted{0};
    int locked = 0;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int n = 0; n < 8; ++n) {
        threads.emplace_back([&] {
            for (int i = 0; i < 100; ++i) {
                ++counted;
                std::lock_guard<std::mutex> guard(mutex);
                ++locked;
            }
        });
    }
    for (auto &thread : threads) thread.join();
    check("threads run, and a mutex holds", counted == 800 && locked == 800);
#endif

    std::cout << "test result: " << (failures ? "FAILED" : "ok") << ". " << passes << " passed; " << failures
              << " failed; 0 ignored" << std::endl;
    return failures != 0;
}
