#include "load/ledger.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

namespace touchstone::load {

Arrival SequenceLog::note(std::uint32_t number) {
    if (number == next_) {
        ++next_;
        return Arrival::in_order;
    }
    if (number > next_) {
        if (!gaps_) gaps_ = std::make_unique<Gaps>();
        gaps_->emplace(next_, number);
        missing_ += number - next_;
        next_ = number + 1;
        return Arrival::in_order;
    }
    if (!gaps_) return Arrival::duplicate;
    auto after = gaps_->upper_bound(number);
    if (after == gaps_->begin()) return Arrival::duplicate;
    const auto gap = std::prev(after);
    const auto [first, end] = *gap;
    if (number >= end) return Arrival::duplicate;
    gaps_->erase(gap);
    if (first < number) gaps_->emplace(first, number);
    if (number + 1 < end) gaps_->emplace(number + 1, end);
    --missing_;
    return Arrival::late;
}

bool OnceLog::note(std::uint32_t publisher, std::uint32_t number) {
    if (publisher >= bits_.size()) bits_.resize(publisher + 1U);
    auto& bits = bits_[publisher];
    const std::size_t word = number / 64;
    if (word >= bits.size()) bits.resize(std::max(word + 1, bits.size() * 2));
    const auto bit = std::uint64_t{1} << (number % 64U);
    if ((bits[word] & bit) != 0) return false;
    bits[word] |= bit;
    return true;
}

std::uint64_t OnceLog::merge(const OnceLog& other) {
    std::uint64_t both = 0;
    if (other.bits_.size() > bits_.size()) bits_.resize(other.bits_.size());
    for (std::size_t i = 0; i < other.bits_.size(); ++i) {
        auto& own = bits_[i];
        const auto& more = other.bits_[i];
        if (more.size() > own.size()) own.resize(more.size());
        for (std::size_t word = 0; word < more.size(); ++word) {
            both += static_cast<std::uint64_t>(std::popcount(own[word] & more[word]));
            own[word] |= more[word];
        }
    }
    return both;
}

std::uint64_t OnceLog::received(std::uint32_t publisher) const {
    if (publisher >= bits_.size()) return 0;
    std::uint64_t sum = 0;
    for (const auto word : bits_[publisher]) sum += static_cast<std::uint64_t>(std::popcount(word));
    return sum;
}

}  // namespace touchstone::load
