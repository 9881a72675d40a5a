#include "simulator/fleet/pages.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

namespace touchstone::simulator::fleet {

namespace {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20U;

}  // namespace

Pages::Pages(std::size_t bytes) {
    if (bytes == 0) return;
    // Whole huge pages, or the last one would be small ones.
    bytes_ = (bytes + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
    data_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED) {
        throw std::runtime_error{
            fmt::format("no room for {} MiB: {}; simulate fewer devices, or --tier T3",
                        bytes_ >> 20U, std::strerror(errno))};
    }
    // A request: a system without huge pages gives small ones, and the run is slower.
    ::madvise(data_, bytes_, MADV_HUGEPAGE);
}

Pages::~Pages() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

ResidentBytes resident_bytes() {
    std::ifstream status{"/proc/self/status"};
    std::string word;
    ResidentBytes resident;
    std::size_t size_kib = 0;
    while (status >> word) {
        if (word == "VmHWM:" && status >> size_kib) resident.peak = size_kib * 1024;
        if (word == "VmRSS:" && status >> size_kib) resident.now = size_kib * 1024;
    }
    return resident;
}

std::size_t heap_bytes() {
#ifdef __GLIBC__
    const auto figures = ::mallinfo2();
    return figures.uordblks + figures.hblkhd;
#else
    return 0;
#endif
}

}  // namespace touchstone::simulator::fleet
