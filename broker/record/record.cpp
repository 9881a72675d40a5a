#include "broker/record/record.hpp"

#include <array>

#include "broker/base/hash.hpp"

namespace touchstone::record {

namespace {

constexpr std::size_t size_and_kind_bytes = 4 + 1;
constexpr std::size_t head_bytes = size_and_kind_bytes + 4 + 8;

std::uint64_t checksum_of(Kind kind, Bytes payload) {
    return hash_of(as_text(payload), static_cast<std::uint64_t>(kind));
}

std::uint32_t checksum_of_head(Bytes size_and_kind) {
    return static_cast<std::uint32_t>(hash_of(as_text(size_and_kind), 0));
}

void put_number(Buffer& to, std::uint64_t value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i, value >>= 8U) {
        to.push_back(static_cast<std::byte>(value & 0xFFU));
    }
}

std::uint64_t number_at(Bytes bytes) {
    std::uint64_t value = 0;
    for (auto one = bytes.rbegin(); one != bytes.rend(); ++one) {
        value = value << 8U | std::to_integer<std::uint64_t>(*one);
    }
    return value;
}

}  // namespace

std::string_view name_of(Kind kind) {
    switch (kind) {
        case Kind::begin: return "begin";
        case Kind::found: return "found";
        case Kind::recovered: return "recovered";
        case Kind::open: return "open";
        case Kind::bytes: return "bytes";
        case Kind::written: return "written";
        case Kind::close: return "close";
        case Kind::peer: return "peer";
        case Kind::tick: return "tick";
        case Kind::stored: return "stored";
        case Kind::read: return "read";
        case Kind::authenticated: return "authenticated";
        case Kind::publish: return "publish";
        case Kind::rules: return "rules";
        case Kind::stop: return "stop";
        case Kind::sent: return "sent";
        case Kind::closed: return "closed";
        case Kind::aborted: return "aborted";
        case Kind::moved: return "moved";
        case Kind::resumed: return "resumed";
        case Kind::told_peer: return "told_peer";
        case Kind::drawn: return "drawn";
        case Kind::asked: return "asked";
        case Kind::forgotten: return "forgotten";
        case Kind::connected: return "connected";
        case Kind::disconnected: return "disconnected";
        case Kind::put: return "put";
        case Kind::erased: return "erased";
        case Kind::committed: return "committed";
        case Kind::looked_up: return "looked_up";
        case Kind::readable: return "readable";
        case Kind::unusable: return "unusable";
        case Kind::taken: return "taken";
        case Kind::end: return "end";
    }
    return "?";
}

void put_frame(Buffer& to, Kind kind, Bytes payload) {
    const auto begin = to.size();
    put_number(to, payload.size(), 4);
    put_number(to, static_cast<std::uint64_t>(kind), 1);
    put_number(to, checksum_of_head(Bytes{to}.subspan(begin)), 4);
    put_number(to, checksum_of(kind, payload), 8);
    append(to, payload);
}

std::variant<Frames, std::string> frames_of(Bytes file) {
    if (!as_text(file).starts_with(magic)) {
        return std::string{"byte 0: this is no record of a broker, or of another format; a record "
                           "that this build can read begins with the line '"} +
               std::string{magic.substr(0, magic.size() - 1)} +
               "', one of another format is replayed by the build that wrote it";
    }
    Frames frames;
    std::size_t at = magic.size();
    const auto damaged = [&](std::string_view what) {
        return "byte " + std::to_string(at) + ": " + std::string{what} +
               "; the file was damaged, take another copy of it or record again";
    };
    while (at < file.size()) {
        const Bytes rest = file.subspan(at);
        if (rest.size() < head_bytes) {
            frames.is_torn = true;
            break;
        }
        const Bytes head = rest.first(size_and_kind_bytes);
        if (number_at(rest.subspan(size_and_kind_bytes, 4)) != checksum_of_head(head)) {
            return damaged("the checksum of a frame's size is wrong");
        }
        const auto size_bytes = number_at(head.first(4));
        if (rest.size() - head_bytes < size_bytes) {
            frames.is_torn = true;
            break;
        }
        const auto kind = static_cast<Kind>(rest[4]);
        const Bytes payload = rest.subspan(head_bytes, size_bytes);
        if (number_at(rest.subspan(size_and_kind_bytes + 4, 8)) != checksum_of(kind, payload)) {
            return damaged("the checksum of a frame is wrong");
        }
        if (name_of(kind) == "?") return damaged("a frame of an unknown kind");
        frames.all.push_back({kind, payload, at});
        at += head_bytes + payload.size();
    }
    if (frames.all.empty() || frames.all.front().kind != Kind::begin) {
        at = magic.size();
        return damaged("the frame that begins a record is missing");
    }
    return frames;
}

}  // namespace touchstone::record
