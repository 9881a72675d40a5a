#include "load/histogram.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

constexpr unsigned half_magnitude = 10;
constexpr std::uint64_t half_count = 1U << half_magnitude;
constexpr std::uint64_t sub_bucket_mask = 2 * half_count - 1;

// HdrHistogram's V2: the last digit but one says that words have a variable length.
constexpr std::uint32_t encoding_cookie = 0x1c84'9313U;
constexpr std::uint32_t compressed_cookie = 0x1c84'9314U;

void put_big_endian(std::string& to, std::uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) to += static_cast<char>(value >> (8 * i) & 0xFFU);
}

/// ZigZag, then seven bits to a byte, least significant first; a ninth byte has eight.
void put_count(std::string& to, std::int64_t count) {
    auto rest = static_cast<std::uint64_t>(count) << 1U ^ static_cast<std::uint64_t>(count >> 63U);
    for (int i = 0; i < 8; ++i) {
        if (rest < 0x80U) {
            to += static_cast<char>(rest);
            return;
        }
        to += static_cast<char>((rest & 0x7FU) | 0x80U);
        rest >>= 7U;
    }
    to += static_cast<char>(rest);
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const bool is_there = at + i < bytes.size();
            group = group << 8U | (is_there ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            const bool is_there = at + i <= bytes.size();
            text += is_there ? alphabet[group >> (18 - 6 * i) & 0x3FU] : '=';
        }
    }
    return text;
}

std::string deflated(const std::string& bytes) {
    auto size = compressBound(static_cast<uLong>(bytes.size()));
    std::string packed(size, '\0');
    const int code = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()),
                               static_cast<uLong>(bytes.size()), Z_DEFAULT_COMPRESSION);
    CHECK(code == Z_OK);
    packed.resize(size);
    return packed;
}

}  // namespace

std::size_t Histogram::index_of(Nanos value) {
    const auto raw = static_cast<std::uint64_t>(value);
    const auto bucket =
        static_cast<unsigned>(std::bit_width(raw | sub_bucket_mask)) - (half_magnitude + 1);
    const auto sub_bucket = raw >> bucket;
    return static_cast<std::size_t>((std::uint64_t{bucket} << half_magnitude) + sub_bucket);
}

Nanos Histogram::lowest_of(std::size_t index) {
    if (index < 2 * half_count) return static_cast<Nanos>(index);
    const auto bucket = (index >> half_magnitude) - 1;
    return static_cast<Nanos>((index & (half_count - 1)) + half_count) << bucket;
}

Nanos Histogram::highest_of(std::size_t index) {
    return lowest_of(index + 1) - 1;
}

Nanos Histogram::largest_equivalent(Nanos value) {
    return highest_of(index_of(std::clamp(value, Nanos{0}, value_max)));
}

void Histogram::add(Nanos value, std::uint64_t count) {
    if (count == 0) return;
    value = std::clamp(value, Nanos{0}, value_max);
    const auto index = index_of(value);
    if (index >= counts_.size()) counts_.resize(index + 1);
    counts_[index] += count;
    count_ += count;
    max_ = std::max(max_, value);
    sum_ += static_cast<double>(value) * static_cast<double>(count);
}

void Histogram::add(const Histogram& other) {
    if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
    sum_ += other.sum_;
}

void Histogram::clear() {
    std::ranges::fill(counts_, 0U);
    count_ = 0;
    max_ = 0;
    sum_ = 0;
}

double Histogram::mean() const {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::optional<Nanos> Histogram::quantile(double quantile) const {
    const double scarcer = std::min(quantile, 1 - quantile) * static_cast<double>(count_);
    // 1 - 0.9 is a little less than a tenth.
    if (scarcer + 1e-6 < static_cast<double>(beyond_min)) return std::nullopt;
    const auto rank = static_cast<std::uint64_t>(
        std::max(1.0, std::ceil(quantile * static_cast<double>(count_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= rank) return std::min(highest_of(i), max_);
    }
    return max_;
}

std::uint64_t Histogram::count_above(Nanos bound) const {
    std::uint64_t above = 0;
    for (auto i = index_of(std::clamp(bound, Nanos{0}, value_max)) + 1; i < counts_.size(); ++i) {
        above += counts_[i];
    }
    return above;
}

std::string Histogram::encode() const {
    std::string counts;
    std::int64_t zeros = 0;
    for (const auto count : counts_) {
        if (count == 0) {
            ++zeros;
            continue;
        }
        if (zeros > 0) put_count(counts, zeros == 1 ? 0 : -zeros);
        zeros = 0;
        put_count(counts, static_cast<std::int64_t>(count));
    }
    std::string text;
    put_big_endian(text, encoding_cookie, 4);
    put_big_endian(text, counts.size(), 4);
    put_big_endian(text, 0, 4);  // how far the counts are shifted
    put_big_endian(text, significant_digits, 4);
    put_big_endian(text, 1, 8);  // the lowest value that is told from 0
    put_big_endian(text, static_cast<std::uint64_t>(value_max), 8);
    put_big_endian(text, std::bit_cast<std::uint64_t>(1.0), 8);  // integer to double
    return text + counts;
}

std::string Histogram::encode_compressed_base64() const {
    const auto packed = deflated(encode());
    std::string text;
    put_big_endian(text, compressed_cookie, 4);
    put_big_endian(text, packed.size(), 4);
    return base64(text + packed);
}

}  // namespace touchstone::load
