// libFuzzer target: a byte that chooses version and sender, then a stream of bytes from the
// network. Whatever is decoded is used as the broker would, encoded and decoded again: it has to be
// the same packet.
//
// New inputs go to the first directory, so let that be one of your own:
//     wire_fuzz -dict=broker/wire/fuzz/wire.dict out/corpus broker/wire/fuzz/corpus
#include <cstdint>

#include "broker/wire/primitives.hpp"
#include "broker/wire/tests/any_packet.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::wire {
namespace {

/// Looks up what is there and what is not.
void use(const Properties& properties) {
    std::size_t visited_bytes = 0;
    properties.for_each([&](const Property& property) {
        visited_bytes += property.encoded.size();
        CHECK(properties.has(property.id));
        switch (type_of(property.id)) {
            case PropertyType::byte:
            case PropertyType::two_byte_integer:
            case PropertyType::four_byte_integer:
            case PropertyType::variable_byte_integer:
                CHECK(properties.integer(property.id).has_value());
                return;
            case PropertyType::string: CHECK(properties.text(property.id) == property.text); return;
            case PropertyType::binary: CHECK(properties.binary(property.id).has_value()); return;
            case PropertyType::string_pair:
                CHECK(is_utf8_string(property.text));
                CHECK(is_utf8_string(property.text_2));
                return;
        }
    });
    CHECK(visited_bytes == properties.raw().size());
    CHECK(Properties::trusted(properties.raw()) == properties);
}

void use_filter(std::string_view filter) {
    CHECK(!filter.empty());
    if (is_topic_filter(filter) && !has_wildcard(filter)) CHECK(matches(filter, filter));
    if (const auto shared = split_shared(filter)) {
        CHECK(is_topic_filter(shared->filter));
        CHECK(is_topic_filter(filter));
    }
}

struct User {
    void operator()(const Connect& packet) const {
        use(packet.properties);
        if (packet.will.has_value()) {
            use(packet.will->properties);
            CHECK(is_topic_name(packet.will->topic));
        }
    }
    void operator()(const Connack& packet) const { use(packet.properties); }
    void operator()(const Publish& packet) const {
        use(packet.properties);
        if (!packet.topic.empty()) {
            CHECK(is_topic_name(packet.topic));
            CHECK(matches(packet.topic, packet.topic));
            CHECK(matches("#", packet.topic) == !packet.topic.starts_with('$'));
        }
    }
    void operator()(const TypedAck& packet) const { use(packet.ack.properties); }
    void operator()(const Subscribe& packet) const {
        use(packet.properties);
        std::size_t count = 0;
        packet.for_each([&count](const Subscription& subscription) {
            ++count;
            use_filter(subscription.filter);
            CHECK(subscription.options.qos <= QoS::exactly_once);
            CHECK(subscription.options.retain_handling <= 2);
        });
        CHECK(count == packet.entry_count);
    }
    void operator()(const TypedSubscribeAck& packet) const { use(packet.ack.properties); }
    void operator()(const Unsubscribe& packet) const {
        use(packet.properties);
        std::size_t count = 0;
        packet.for_each([&count](std::string_view filter) {
            ++count;
            use_filter(filter);
        });
        CHECK(count == packet.entry_count);
    }
    void operator()(const Ping&) const {}
    void operator()(const Disconnect& packet) const { use(packet.properties); }
    void operator()(const Auth& packet) const { use(packet.properties); }
};

Frame only_frame(Bytes bytes, ProtocolVersion version) {
    const auto frame = take_frame(bytes, packet_size_bytes_max, version);
    CHECK(frame.has_value());
    CHECK(frame.value().has_value());
    CHECK(bytes.empty());
    return *frame.value();
}

void check_packet(const Frame& frame, ProtocolVersion version, Sender sender) {
    const auto packet = decode_any(frame, version, sender);
    if (!packet.has_value()) return;
    std::visit(User{}, packet.value());

    const auto* connect = std::get_if<Connect>(&packet.value());
    const auto encoded_version = connect != nullptr ? connect->version : version;
    const auto bytes = encoded(packet.value(), encoded_version);
    const auto again = decode_any(only_frame(bytes, encoded_version), encoded_version, sender);
    CHECK(again.has_value());
    CHECK(again.value() == packet.value());
    CHECK(encoded(again.value(), encoded_version) == bytes);
}

void check_stream(Bytes input, ProtocolVersion version, Sender sender) {
    constexpr std::uint32_t size_bytes_max = 1U << 16U;
    while (true) {
        const auto before = input;
        const auto frame = take_frame(input, size_bytes_max, version);
        if (!frame.has_value() || !frame.value().has_value()) {
            CHECK(input.data() == before.data());
            CHECK(input.size() == before.size());
            return;
        }
        const auto size_bytes = frame.value()->size_bytes;
        CHECK(size_bytes <= size_bytes_max);
        CHECK(size_bytes == before.size() - input.size());
        CHECK(announced_size_bytes(before) == size_bytes);
        auto cut = before.first(size_bytes - 1);
        const auto incomplete = take_frame(cut, size_bytes_max, version);
        CHECK(incomplete.has_value());
        CHECK(!incomplete.value().has_value());
        check_packet(*frame.value(), version, sender);
    }
}

}  // namespace
}  // namespace touchstone::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace touchstone;
    if (size == 0) return 0;
    constexpr ProtocolVersion versions[] = {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1,
                                            ProtocolVersion::v5};
    constexpr wire::Sender senders[] = {wire::Sender::client, wire::Sender::server,
                                        wire::Sender::anyone};
    // From memory of exactly this size, so that reading past its end shows.
    const Buffer stream(reinterpret_cast<const std::byte*>(data) + 1,
                        reinterpret_cast<const std::byte*>(data) + size);
    wire::check_stream(stream, versions[data[0] % 3], senders[data[0] / 3 % 3]);
    return 0;
}
