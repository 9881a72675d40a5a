#include "reports/pcapng.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "reports/summary.hpp"

namespace touchstone::reports {

namespace {

constexpr std::uint16_t link_type_raw = 101;
constexpr std::uint16_t mqtt_port = 1883;
constexpr std::uint16_t first_client_port = 50'000;
/// A segment's payload; larger packets of MQTT become several. An IPv4 packet has at most 65,535
/// bytes.
constexpr std::size_t segment_bytes_max = 60'000;

enum TcpFlags : std::uint8_t { fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10 };

void put_le16(std::string& out, std::uint32_t value) {
    out += static_cast<char>(value & 0xFFU);
    out += static_cast<char>(value >> 8U & 0xFFU);
}
void put_le32(std::string& out, std::uint32_t value) {
    put_le16(out, value & 0xFFFFU);
    put_le16(out, value >> 16U);
}
void put_be16(std::string& out, std::uint32_t value) {
    out += static_cast<char>(value >> 8U & 0xFFU);
    out += static_cast<char>(value & 0xFFU);
}
void put_be32(std::string& out, std::uint32_t value) {
    put_be16(out, value >> 16U);
    put_be16(out, value & 0xFFFFU);
}

void pad(std::string& out) {
    while (out.size() % 4 != 0) out += '\0';
}

void put_option(std::string& out, std::uint16_t code, std::string_view text) {
    text = text.substr(0, 60'000);
    put_le16(out, code);
    put_le16(out, static_cast<std::uint32_t>(text.size()));
    out += text;
    pad(out);
}

/// A block with `body` (a multiple of 4 bytes).
void put_block(std::string& out, std::uint32_t type, const std::string& body) {
    const auto size = static_cast<std::uint32_t>(body.size() + 12);
    put_le32(out, type);
    put_le32(out, size);
    out += body;
    put_le32(out, size);
}

constexpr std::uint16_t option_comment = 1;

/// The sum of RFC 1071 §1 over `bytes`, to be folded and complemented.
std::uint32_t sum_of(std::string_view bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
        sum += i % 2 == 0 ? byte << 8U : byte;
    }
    return sum;
}
std::uint16_t checksum_of(std::uint32_t sum) {
    while (sum > 0xFFFFU) sum = (sum & 0xFFFFU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
}

struct Endpoint {
    std::uint32_t address = 0;
    std::uint16_t port = 0;
};

/// One direction of a connection counts bytes from here.
struct Stream {
    Endpoint client;
    std::uint32_t client_sequence = 1'000;
    std::uint32_t broker_sequence = 1'000;
    bool is_open = false;
};

class Capture {
public:
    explicit Capture(const results::CaseResult& result) {
        std::string section;
        put_le32(section, 0x1A2B'3C4D);  // Byte-Order Magic
        put_le16(section, 1);            // version 1.0
        put_le16(section, 0);
        put_le32(section, 0xFFFF'FFFF);  // Section Length: unknown
        put_le32(section, 0xFFFF'FFFF);
        put_option(section, option_comment,
                   fmt::format("{}: {}\n{}\n{}", result.case_id(), result.title(),
                               verdict_text(overall_verdict(result)), result.reason()));
        put_option(section, 4, "touchstone conform");  // shb_userappl
        put_le32(section, 0);                          // end of the options
        put_block(out_, 0x0A0D'0D0A, section);

        std::string interface;
        put_le16(interface, link_type_raw);
        put_le16(interface, 0);
        put_le32(interface, 0);  // SnapLen: no limit
        put_block(out_, 1, interface);
    }

    void add(const results::Step& step) {
        using Step = results::Step;
        if (step.kind() == Step::opened) {
            close_if_open(step.from(), step.time_us());
            open(step.from(), step.time_us());
        } else if (step.kind() == Step::closed) {
            end(step);
        } else if (step.kind() == Step::packet) {
            send(step);
        } else {
            // What is said between packets goes to the next one.
            comment_ += (comment_.empty() ? "" : "\n") + step.text();
        }
    }

    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    Stream& stream_of(const std::string& actor) { return streams_[actor]; }

    void open(const std::string& actor, std::uint64_t time_us) {
        auto& stream = stream_of(actor);
        const auto number = static_cast<std::uint32_t>(connection_count_++);
        const auto place = static_cast<std::uint32_t>(
            places_.emplace(actor, static_cast<std::uint32_t>(places_.size())).first->second);
        stream = {.client = {.address = 0x0A00'0002U + place,
                             .port = static_cast<std::uint16_t>(first_client_port + number)},
                  .is_open = true};
        put(stream, true, syn, {}, 0, time_us, actor + " opens a connection");
        put(stream, false, syn | ack, {}, 0, time_us, {});
        put(stream, true, ack, {}, 0, time_us, {});
    }

    void send(const results::Step& step) {
        const bool is_from_client = step.to() == "broker";
        const auto& actor = is_from_client ? step.from() : step.to();
        if (!stream_of(actor).is_open) open(actor, step.time_us());
        auto& stream = stream_of(actor);
        std::string comment = std::exchange(comment_, {});
        if (step.deviates())
            comment += (comment.empty() ? "" : "\n") + ("deviates: " + step.note());
        std::string_view bytes = step.bytes();
        while (bytes.size() > segment_bytes_max) {
            put(stream, is_from_client, ack, bytes.substr(0, segment_bytes_max), 0, step.time_us(),
                std::exchange(comment, {}));
            bytes.remove_prefix(segment_bytes_max);
        }
        // What was not kept is missing from the capture, too, as with a snapshot length.
        put(stream, is_from_client, psh | ack, bytes, step.bytes_left_out(), step.time_us(),
            comment);
    }

    void end(const results::Step& step) {
        const bool is_from_client = step.to() == "broker";
        const auto& actor = is_from_client ? step.from() : step.to();
        auto& stream = stream_of(actor);
        if (!stream.is_open) return;
        const bool is_reset = step.text().find("reset") != std::string::npos ||
                              step.text().find("cut") != std::string::npos;
        put(stream, is_from_client, is_reset ? rst | ack : fin | ack, {}, 0, step.time_us(),
            step.from() + ": " + step.text());
        if (!is_reset) {
            put(stream, !is_from_client, fin | ack, {}, 0, step.time_us(), {});
            put(stream, is_from_client, ack, {}, 0, step.time_us(), {});
        }
        stream.is_open = false;
    }

    void close_if_open(const std::string& actor, std::uint64_t time_us) {
        auto& stream = stream_of(actor);
        if (!stream.is_open) return;
        put(stream, true, fin | ack, {}, 0, time_us, {});
        put(stream, false, fin | ack, {}, 0, time_us, {});
        stream.is_open = false;
    }

    void put(Stream& stream, bool is_from_client, unsigned flags, std::string_view payload,
             std::uint32_t bytes_left_out, std::uint64_t time_us, const std::string& comment) {
        constexpr Endpoint broker{.address = 0x0A00'0001U, .port = mqtt_port};
        const auto& from = is_from_client ? stream.client : broker;
        const auto& to = is_from_client ? broker : stream.client;
        auto& sequence = is_from_client ? stream.client_sequence : stream.broker_sequence;
        const auto other = is_from_client ? stream.broker_sequence : stream.client_sequence;
        const auto payload_bytes = std::min<std::size_t>(payload.size() + bytes_left_out, 65'000);

        std::string tcp;
        put_be16(tcp, from.port);
        put_be16(tcp, to.port);
        put_be32(tcp, sequence);
        put_be32(tcp, (flags & ack) != 0 ? other : 0);
        tcp += '\x50';  // 5 words
        tcp += static_cast<char>(flags);
        put_be16(tcp, 65'535);  // window
        put_be32(tcp, 0);       // checksum, urgent pointer

        std::string ip;
        put_be16(ip, 0x4500);
        put_be16(ip, static_cast<std::uint32_t>(20 + tcp.size() + payload_bytes));
        put_be16(ip, packet_count_++ & 0xFFFFU);
        put_be16(ip, 0x4000);  // Don't Fragment
        put_be16(ip, 0x4006);  // time to live 64, TCP
        put_be16(ip, 0);
        put_be32(ip, from.address);
        put_be32(ip, to.address);
        const auto ip_checksum = checksum_of(sum_of(ip));
        ip[10] = static_cast<char>(ip_checksum >> 8U);
        ip[11] = static_cast<char>(ip_checksum & 0xFFU);
        if (bytes_left_out == 0) {
            std::string pseudo = ip.substr(12, 8);
            put_be16(pseudo, 6);
            put_be16(pseudo, static_cast<std::uint32_t>(tcp.size() + payload.size()));
            const auto checksum = checksum_of(sum_of(pseudo) + sum_of(tcp) + sum_of(payload));
            tcp[16] = static_cast<char>(checksum >> 8U);
            tcp[17] = static_cast<char>(checksum & 0xFFU);
        }
        sequence +=
            static_cast<std::uint32_t>(payload_bytes) + ((flags & (syn | fin)) != 0 ? 1 : 0);

        std::string packet = ip + tcp;
        packet += payload;
        std::string body;
        put_le32(body, 0);  // interface
        put_le32(body, static_cast<std::uint32_t>(time_us >> 32U));
        put_le32(body, static_cast<std::uint32_t>(time_us & 0xFFFF'FFFFU));
        put_le32(body, static_cast<std::uint32_t>(packet.size()));
        put_le32(body, static_cast<std::uint32_t>(40 + payload_bytes));
        body += packet;
        pad(body);
        if (!comment.empty()) {
            put_option(body, option_comment, comment);
            put_le32(body, 0);
        }
        put_block(out_, 6, body);
    }

    std::string out_;
    std::map<std::string, Stream> streams_;        // by actor
    std::map<std::string, std::uint32_t> places_;  // in the order of the first connection
    std::string comment_;
    std::size_t connection_count_ = 0;
    std::uint32_t packet_count_ = 0;
};

}  // namespace

std::string pcapng_of(const results::CaseResult& result) {
    Capture capture{result};
    for (const auto& step : result.trace()) capture.add(step);
    return capture.take();
}

}  // namespace touchstone::reports
