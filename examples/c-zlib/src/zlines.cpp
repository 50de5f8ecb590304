// zlines FILE: counts the lines of a packed text.
#include "lines.hpp"

#include <iomanip>
#include <iostream>
#include <sstream>

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: zlines FILE\n";
        return PACK_USAGE;
    }
    try {
        std::istringstream text(lines::read(argv[1]));
        for (const lines::counted &line : lines::count(text)) {
            std::cout << std::setw(3) << line.second << ' ' << line.first << '\n';
        }
    } catch (const lines::error &error) {
        std::cerr << "zlines: " << error.what() << '\n';
        return error.status;
    }
    return 0;
}
