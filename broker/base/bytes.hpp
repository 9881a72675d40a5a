// Bytes: what arrives and leaves. A view never owns; a Buffer is where packets are built.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace touchstone {

using Bytes = std::span<const std::byte>;
using Buffer = std::vector<std::byte>;

/// The same memory seen as bytes. Valid as long as `text`'s memory is.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}

/// The same memory seen as text. Valid as long as `bytes`' memory is.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Buffer& buffer, Bytes bytes) {
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

}  // namespace touchstone
