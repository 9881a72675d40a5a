#include "conformance/packets/draft.hpp"

#include <algorithm>
#include <stdexcept>

namespace touchstone::conformance {

namespace {

int digit_of(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    throw std::logic_error{std::string{"not a hex digit: "} + character};
}

}  // namespace

void put_u16(Buffer& out, std::uint32_t value) {
    out.push_back(static_cast<std::byte>(value >> 8U));
    out.push_back(static_cast<std::byte>(value));
}

void put_u32(Buffer& out, std::uint32_t value) {
    put_u16(out, value >> 16U);
    put_u16(out, value);
}

void put_variable(Buffer& out, std::uint32_t value) {
    do {
        const auto more = value > 0x7F ? 0x80U : 0U;
        out.push_back(static_cast<std::byte>((value & 0x7FU) | more));
        value >>= 7U;
    } while (value > 0);
}

void put_text(Buffer& out, std::string_view text) {
    text = text.substr(0, 0xFFFF);
    put_u16(out, static_cast<std::uint32_t>(text.size()));
    append(out, as_bytes(text));
}

Buffer hex(std::string_view digits) {
    Buffer out;
    std::optional<int> high;
    for (const char character : digits) {
        if (character == ' ') continue;
        const int value = digit_of(character);
        if (high.has_value()) {
            out.push_back(static_cast<std::byte>(*high * 16 + value));
            high.reset();
        } else {
            high = value;
        }
    }
    if (high.has_value()) throw std::logic_error{"odd number of hex digits"};
    return out;
}

std::string to_hex(Bytes bytes, std::size_t limit_bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < std::min(bytes.size(), limit_bytes); ++i) {
        if (i > 0) text += ' ';
        const auto value = std::to_integer<unsigned>(bytes[i]);
        text += digits[value >> 4U];
        text += digits[value & 15U];
    }
    if (bytes.size() > limit_bytes) text += " …";
    return text;
}

Buffer buffer_of(std::string_view text) {
    const auto bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

Draft& Draft::plain(std::string_view name, Bytes bytes) {
    fields_.push_back({.name = std::string{name}, .content = {bytes.begin(), bytes.end()}});
    return *this;
}

Draft& Draft::byte(std::string_view name, std::uint32_t value) {
    const auto content = static_cast<std::byte>(value);
    return plain(name, Bytes{&content, 1});
}

Draft& Draft::u16(std::string_view name, std::uint32_t value) {
    Buffer content;
    put_u16(content, value);
    return plain(name, content);
}

Draft& Draft::text(std::string_view name, std::string_view text) {
    fields_.push_back({.name = std::string{name}, .kind = Kind::text, .content = buffer_of(text)});
    return *this;
}

Draft& Draft::properties(std::string_view name, const Properties& properties) {
    Field field{.name = std::string{name}, .kind = Kind::properties};
    for (const auto& property : properties) put_property(field.content, property);
    fields_.push_back(std::move(field));
    return *this;
}

Draft& Draft::first_byte(std::uint8_t value) {
    first_byte_ = value;
    return *this;
}

Draft& Draft::remaining_length(Bytes bytes) {
    remaining_length_.emplace(bytes.begin(), bytes.end());
    return *this;
}

Draft& Draft::set(std::string_view name, Bytes bytes) {
    at(name).content.assign(bytes.begin(), bytes.end());
    return *this;
}

Draft& Draft::set(std::string_view name, std::string_view text) {
    return set(name, as_bytes(text));
}

Draft& Draft::flip(std::string_view name, std::uint8_t bits) {
    auto& content = at(name).content;
    if (content.size() != 1) throw std::logic_error{std::string{name} + " is not one byte"};
    content.front() ^= std::byte{bits};
    return *this;
}

Draft& Draft::set_length(std::string_view name, Bytes bytes) {
    at(name).length.emplace(bytes.begin(), bytes.end());
    return *this;
}

Draft& Draft::drop(std::string_view name) {
    const auto* field = &at(name);
    fields_.erase(fields_.begin() + (field - fields_.data()));
    return *this;
}

Draft& Draft::add(const Property& property, std::string_view name) {
    put_property(at(name).content, property);
    return *this;
}

Draft& Draft::add_raw(Bytes bytes, std::string_view name) {
    touchstone::append(at(name).content, bytes);
    return *this;
}

Draft& Draft::append(Bytes bytes) {
    return plain("", bytes);
}

Draft& Draft::truncate(std::size_t size_bytes) {
    truncated_to_ = size_bytes;
    return *this;
}

bool Draft::has(std::string_view name) const {
    return std::ranges::find(fields_, name, &Field::name) != fields_.end();
}

std::vector<std::string> Draft::names() const {
    std::vector<std::string> names;
    names.reserve(fields_.size());
    for (const auto& field : fields_) names.push_back(field.name);
    return names;
}

Buffer Draft::bytes() const {
    Buffer body;
    for (const auto& field : fields_) {
        if (field.length.has_value()) {
            touchstone::append(body, *field.length);
        } else if (field.kind == Kind::text) {
            put_u16(body, static_cast<std::uint32_t>(field.content.size()));
        } else if (field.kind == Kind::properties) {
            put_variable(body, static_cast<std::uint32_t>(field.content.size()));
        }
        touchstone::append(body, field.content);
    }
    if (truncated_to_.has_value()) body.resize(std::min(body.size(), *truncated_to_));

    Buffer out{static_cast<std::byte>(first_byte_)};
    if (remaining_length_.has_value()) {
        touchstone::append(out, *remaining_length_);
    } else {
        put_variable(out, static_cast<std::uint32_t>(body.size()));
    }
    touchstone::append(out, body);
    return out;
}

Draft::Field& Draft::at(std::string_view name) {
    const auto found = std::ranges::find(fields_, name, &Field::name);
    if (found == fields_.end()) {
        throw std::logic_error{"the packet has no field named " + std::string{name}};
    }
    return *found;
}

}  // namespace touchstone::conformance
