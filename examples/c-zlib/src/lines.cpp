#include "lines.hpp"

#include <algorithm>
#include <cstdlib>
#include <istream>
#include <map>
#include <memory>

namespace lines {

namespace {

struct free_memory {
    void operator()(unsigned char *bytes) const { std::free(bytes); }
};

// Throws through the caller, which has the C library's memory in its hands.
std::string take(pack_status status, unsigned char *bytes, std::size_t size) {
    if (status != PACK_OK) throw error(status);
    std::unique_ptr<unsigned char, free_memory> owner(bytes);
    return std::string(reinterpret_cast<char *>(bytes), size);
}

const unsigned char *data(const std::string &bytes) { return reinterpret_cast<const unsigned char *>(bytes.data()); }

} // namespace

std::string pack(const std::string &bytes) {
    unsigned char *out = nullptr;
    std::size_t size = 0;
    pack_status status = pack_bytes(data(bytes), bytes.size(), &out, &size);
    return take(status, out, size);
}

std::string unpack(const std::string &bytes) {
    unsigned char *out = nullptr;
    std::size_t size = 0;
    pack_status status = unpack_bytes(data(bytes), bytes.size(), &out, &size);
    return take(status, out, size);
}

std::string read(const std::string &path) {
    unsigned char *out = nullptr;
    std::size_t size = 0;
    pack_status status = pack_read_file(path.c_str(), &out, &size);
    return unpack(take(status, out, size));
}

std::vector<counted> count(std::istream &text) {
    std::map<std::string, unsigned> found;
    for (std::string line; std::getline(text, line);) ++found[line];
    std::vector<counted> sorted(found.begin(), found.end());
    std::sort(sorted.begin(), sorted.end(), [](const counted &a, const counted &b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    return sorted;
}

} // namespace lines
