// What became of messages: each publisher numbers its own from 0, and receivers write the numbers
// down. Loss, duplicates and violations of the order follow from that, whatever the target says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace touchstone::load {

enum class Arrival : std::uint8_t {
    in_order,
    late,  // a later message of the same publisher was there before
    duplicate,
};

/// The messages of one publisher at one subscriber who is to get all of them. 16 bytes while they
/// come in order.
class SequenceLog {
public:
    Arrival note(std::uint32_t number);

    /// Different messages that came.
    [[nodiscard]] std::uint64_t received() const { return next_ - missing_; }
    /// Of the first `sent` ones, those that did not.
    [[nodiscard]] std::uint64_t lost(std::uint64_t sent) const {
        return sent > received() ? sent - received() : 0;
    }

private:
    using Gaps =
        std::map<std::uint32_t, std::uint32_t>;  // first missing, first that is there again

    std::uint32_t next_ = 0;     // above all that came
    std::uint32_t missing_ = 0;  // below next_
    std::unique_ptr<Gaps> gaps_;
};

/// Messages that one receiver among many gets: a Shared Subscription's. One bit each. Every thread
/// has its own, and they are merged in the end.
class OnceLog {
public:
    /// Whether nobody had it before.
    bool note(std::uint32_t publisher, std::uint32_t number);
    /// Takes over what `other` knows. Returns how many messages both have.
    std::uint64_t merge(const OnceLog& other);

    [[nodiscard]] std::uint64_t received(std::uint32_t publisher) const;

private:
    std::vector<std::vector<std::uint64_t>> bits_;  // by publisher
};

}  // namespace touchstone::load
