#include "../src/lines.hpp"
#include "check.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iomanip>
#include <sstream>

namespace {

struct counter {
    explicit counter(int &left) : left(left) {}
    ~counter() { ++left; }
    int &left;
};

// Two frames and a destructor between the throw and the catch; the throw itself is in another file, from a library.
std::string unpack_below(const std::string &bytes, int &left) {
    counter here(left);
    return lines::unpack(bytes) + "!";
}

void exceptions_cross_functions() {
    int left = 0;
    bool caught = false;
    try {
        unpack_below("this is not packed", left);
    } catch (const lines::error &error) {
        caught = error.status == PACK_DAMAGED && std::string(error.what()).find("damaged") != std::string::npos;
    }
    CHECK(caught && left == 1);

    caught = false;
    try {
        lines::read("no such file");
    } catch (const std::exception &error) { // by its base
        const lines::error *ours = dynamic_cast<const lines::error *>(&error);
        caught = ours && ours->status == PACK_FILE;
    }
    CHECK(caught);

    caught = false;
    try {
        std::vector<int>(3).at(3) = 1; // thrown by the standard library itself
    } catch (const std::out_of_range &) {
        caught = true;
    }
    CHECK(caught);
}

void strings_vectors_and_sort() {
    std::string text;
    std::vector<std::string> words;
    for (int number = 0; number < 1000; ++number) {
        words.push_back("word " + std::to_string(number * 7919 % 1000));
        text += words.back() + "\n";
    }
    std::sort(words.begin(), words.end());
    CHECK(std::is_sorted(words.begin(), words.end()) && words.front() == "word 0" && words.back() == "word 999");
    CHECK(std::unique(words.begin(), words.end()) == words.end());
    CHECK(lines::pack(text).size() < text.size() && lines::unpack(lines::pack(text)) == text);
}

void streams() {
    std::ostringstream out;
    out << std::hex << std::setfill('0') << std::setw(8) << 0xbeefu << ' ' << std::fixed << std::setprecision(2) << 2.5;
    CHECK(out.str() == "0000beef 2.50");
    std::istringstream in("12 x");
    int number = 0;
    CHECK(in >> number && number == 12);
    CHECK(!(in >> number));

    std::istringstream text("b\na\nb\nc\n");
    std::vector<lines::counted> counted = lines::count(text);
    CHECK(counted.size() == 3 && counted[0] == lines::counted("b", 2) && counted[1].first == "a");
}

void files() {
    const char *path = "lines-test.tmp";
    std::string packed = lines::pack("one\r\ntwo\n");
    {
        std::ofstream file(path, std::ios::binary);
        file << packed;
        CHECK(file.good());
    }
    CHECK(lines::read(path) == "one\r\ntwo\n");
    std::ifstream file(path, std::ios::binary);
    CHECK(file && file.get() == 'Z');
    file.close();
    CHECK(std::remove(path) == 0);
}

} // namespace

int main() {
    exceptions_cross_functions();
    strings_vectors_and_sort();
    streams();
    files();
    return report("lines");
}
