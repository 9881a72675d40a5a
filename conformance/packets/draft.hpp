// A Control Packet before it becomes bytes: fields in the order of the wire, each with a name, so
// that every one of them can be made wrong on purpose. Knows layout only; the rules are the
// reader's and the cases' business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"
#include "conformance/packets/properties.hpp"

namespace touchstone::conformance {

/// Two Byte Integer (§1.5.2); the upper bits of `value` are cut off.
void put_u16(Buffer& out, std::uint32_t value);
/// Four Byte Integer (§1.5.3).
void put_u32(Buffer& out, std::uint32_t value);
/// Variable Byte Integer (§1.5.5), shortest form. A value above 268,435,455 takes five bytes, which
/// no receiver accepts.
void put_variable(Buffer& out, std::uint32_t value);
/// Two-byte length and the bytes (§1.5.4, §1.5.6). Text beyond 65,535 bytes is cut off.
void put_text(Buffer& out, std::string_view text);

/// "C0 80 00" as bytes; blanks are ignored. Throws std::logic_error on anything that is not hex: a
/// defect of a case.
[[nodiscard]] Buffer hex(std::string_view digits);
/// Bytes as "c0 80 00", at most `limit_bytes` of them, then "…".
[[nodiscard]] std::string to_hex(Bytes bytes, std::size_t limit_bytes = 256);

/// Bytes that hold `text`.
[[nodiscard]] Buffer buffer_of(std::string_view text);

class Draft {
public:
    explicit Draft(std::uint8_t first_byte) : first_byte_{first_byte} {}

    // Building: fields are appended in the order of the wire.
    Draft& plain(std::string_view name, Bytes bytes);
    Draft& byte(std::string_view name, std::uint32_t value);
    Draft& u16(std::string_view name, std::uint32_t value);
    /// A field with a two-byte length before it, computed when the packet is built.
    Draft& text(std::string_view name, std::string_view text);
    /// A property set with its Property Length, computed when the packet is built.
    Draft& properties(std::string_view name, const Properties& properties);

    // Wrong on purpose. A name that is not there is a defect of the case: std::logic_error.
    Draft& first_byte(std::uint8_t value);
    /// Replaces the Remaining Length, whatever the fields add up to.
    Draft& remaining_length(Bytes bytes);
    /// Replaces the content of a field; its length follows the new content.
    Draft& set(std::string_view name, Bytes bytes);
    Draft& set(std::string_view name, std::string_view text);
    /// Inverts `bits` of a field of one byte and leaves its other bits, which depend on what else
    /// is in the packet.
    Draft& flip(std::string_view name, std::uint8_t bits);
    /// Replaces the length in front of a text field or a property set, and leaves the content.
    Draft& set_length(std::string_view name, Bytes bytes);
    Draft& drop(std::string_view name);
    /// Appends a property to the property set `name`, allowed there or not.
    Draft& add(const Property& property, std::string_view name = "properties");
    /// Appends raw bytes to the property set `name`; the Property Length counts them.
    Draft& add_raw(Bytes bytes, std::string_view name = "properties");
    /// Bytes after the last field; the Remaining Length counts them.
    Draft& append(Bytes bytes);
    /// Cuts the packet after `size_bytes` bytes of its body; the Remaining Length follows.
    Draft& truncate(std::size_t size_bytes);

    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> names() const;

    /// The packet as it goes out.
    [[nodiscard]] Buffer bytes() const;

private:
    enum class Kind : std::uint8_t { plain, text, properties };
    struct Field {
        std::string name;
        Kind kind = Kind::plain;
        Buffer content{};
        std::optional<Buffer> length{};
    };

    [[nodiscard]] Field& at(std::string_view name);

    std::uint8_t first_byte_;
    std::optional<Buffer> remaining_length_{};
    std::optional<std::size_t> truncated_to_{};
    std::vector<Field> fields_{};
};

}  // namespace touchstone::conformance
