// The C library for C++: results by value, errors by exception.
#ifndef LINES_HPP
#define LINES_HPP

#include "pack.h"

#include <iosfwd>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace lines {

class error : public std::runtime_error {
public:
    explicit error(pack_status status) : std::runtime_error(pack_message(status)), status(status) {}
    pack_status status;
};

std::string pack(const std::string &bytes);
std::string unpack(const std::string &bytes);

// The packed file's contents.
std::string read(const std::string &path);

// Every line once, with how often it is there; the most frequent first, then by name.
using counted = std::pair<std::string, unsigned>;
std::vector<counted> count(std::istream &text);

} // namespace lines

#endif
