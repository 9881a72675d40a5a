#include "conformance/generated/attack.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "conformance/generated/generate.hpp"
#include "conformance/packets/build.hpp"
#include "conformance/packets/draft.hpp"

namespace touchstone::conformance::generated {

namespace {

constexpr std::uint32_t packets_max = 8;

class Attacker {
public:
    Attacker(std::uint64_t seed, const std::string& token, bool has_v3_1_1, bool has_v5)
        : dice_{seed},
          token_{token} {
        const bool is_v5 = has_v5 && (!has_v3_1_1 || dice_.chance(70));
        attack_.version = is_v5 ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
    }

    Attack make() {
        if (dice_.chance(8)) {
            // Nothing of MQTT at all.
            attack_.story = "random bytes";
            attack_.packets.push_back(random_bytes(1 + dice_.below(300)));
            finish();
            return std::move(attack_);
        }
        auto connect = connect_draft();
        attack_.is_connect_right = dice_.chance(85);
        if (!attack_.is_connect_right) spoil(connect, "CONNECT");
        attack_.packets.push_back(connect.bytes());
        const auto count = 1 + dice_.below(packets_max);
        for (std::uint32_t i = 0; i < count; ++i) add_packet();
        finish();
        return std::move(attack_);
    }

private:
    [[nodiscard]] bool is_v5() const { return attack_.version == ProtocolVersion::v5; }

    Buffer random_bytes(std::size_t count) {
        Buffer bytes(count);
        for (auto& byte : bytes) byte = static_cast<std::byte>(dice_.below(256));
        return bytes;
    }

    std::string topic() {
        std::string text = token_ + "/f/" + static_cast<char>('a' + dice_.below(3));
        if (dice_.chance(3)) text += std::string(1 + dice_.below(400), '/');
        if (dice_.chance(2)) text.resize(65'535, 'x');
        if (dice_.chance(3)) text += "/\xED\xA0\x80";
        if (dice_.chance(3)) text += "/+";
        if (dice_.chance(2)) text += std::string{"/\0", 2};
        return text;
    }

    std::string filter() {
        constexpr std::array<std::string_view, 6> ends{"", "/#", "/+", "/#/a", "+", "/+/+/+/+/+/#"};
        auto text = token_ + "/f" + std::string{ends[dice_.below(ends.size())]};
        if (dice_.chance(15)) text = "$share/g/" + text;
        if (dice_.chance(3)) text = "$share/" + text;
        if (dice_.chance(2)) text += std::string(1 + dice_.below(60'000), '/');
        return text;
    }

    Property property() {
        const auto& rules = property_rules();
        const auto& rule = rules[dice_.below(static_cast<std::uint32_t>(rules.size()))];
        constexpr std::array<std::uint32_t, 6> numbers{0, 1, 2, 65'535, 65'536, 0xFFFF'FFFF};
        Property one{.id = rule.id,
                     .number = dice_.chance(60) ? numbers[dice_.below(numbers.size())]
                                                : static_cast<std::uint32_t>(dice_.next()),
                     .text = "p",
                     .value = "v"};
        if (dice_.chance(5)) one.text.resize(1 + dice_.below(65'000), 'p');
        if (dice_.chance(10)) one.text = std::string{as_text(random_bytes(1 + dice_.below(8)))};
        return one;
    }

    Properties properties() {
        Properties all;
        if (!is_v5()) return all;
        while (dice_.chance(35)) all.push_back(property());
        if (dice_.chance(2)) {
            for (int i = 0; i < 2'000; ++i) all.push_back(pair_property("k", "v"));
        }
        return all;
    }

    Draft connect_draft() {
        ConnectFields fields{.version = attack_.version,
                             .client_id = "c" + token_ + std::to_string(dice_.below(4)),
                             .clean_start = dice_.chance(60)};
        if (is_v5()) {
            using enum PropertyId;
            if (dice_.chance(40)) {
                fields.properties.push_back(number_property(session_expiry_interval, 5));
            }
            if (dice_.chance(30)) {
                fields.properties.push_back(number_property(receive_maximum, 1 + dice_.below(3)));
            }
            if (dice_.chance(10)) {
                fields.properties.push_back(
                    number_property(maximum_packet_size, 20 + dice_.below(100)));
            }
        }
        if (dice_.chance(25)) {
            fields.will = WillFields{.topic = token_ + "/f/will",
                                     .payload = "w",
                                     .qos = static_cast<QoS>(dice_.below(3))};
        }
        return build_connect(fields);
    }

    void add_packet() {
        const auto version = attack_.version;
        const auto id =
            static_cast<std::uint16_t>(dice_.chance(80) ? 1 + dice_.below(4) : dice_.below(65'536));
        constexpr std::array<PacketType, 4> acknowledgements{
            PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp};
        switch (dice_.below(12)) {
            case 0:
            case 1:
            case 2:
            case 3: {
                PublishFields fields{.topic = topic(),
                                     .payload = std::string(dice_.below(40), 'm'),
                                     .qos = static_cast<QoS>(dice_.below(3)),
                                     .retain = dice_.chance(20),
                                     .dup = dice_.chance(20),
                                     .packet_id = id,
                                     .properties = properties()};
                if (dice_.chance(5)) fields.topic.clear();
                return add(build_publish(version, fields), "PUBLISH");
            }
            case 4:
            case 5: {
                std::vector<FilterFields> filters;
                const auto count = dice_.chance(3) ? 500 : 1 + dice_.below(3);
                for (std::uint32_t i = 0; i < count; ++i) {
                    auto options = static_cast<std::uint8_t>(dice_.below(3));
                    if (dice_.chance(10)) options = static_cast<std::uint8_t>(dice_.below(256));
                    filters.push_back({.filter = filter(), .options = options});
                }
                return add(build_subscribe(version, id, filters, properties()), "SUBSCRIBE");
            }
            case 6:
                return add(build_unsubscribe(version, id, {filter()}, properties()), "UNSUBSCRIBE");
            case 7:
            case 8: {
                const auto type = acknowledgements[dice_.below(acknowledgements.size())];
                const auto code =
                    static_cast<std::uint8_t>(dice_.chance(70) ? 0 : dice_.below(256));
                return add(build_acknowledgement(version, type, id, code, properties()),
                           std::string{name_of(type)});
            }
            case 9: return add(build_pingreq(), "PINGREQ");
            case 10:
                return add(build_disconnect(version, static_cast<std::uint8_t>(dice_.below(256)),
                                            properties()),
                           "DISCONNECT");
            case 11: {
                if (dice_.chance(40)) return add(connect_draft(), "CONNECT");
                if (dice_.chance(50)) {
                    return add(
                        build_auth(static_cast<std::uint8_t>(dice_.below(256)), properties()),
                        "AUTH");
                }
                // A length that promises more than will ever come.
                attack_.story += "; a header that promises 256 MB";
                attack_.packets.push_back(hex("30 ff ff ff 7f 00 01 61"));
                return;
            }
            default: return;
        }
    }

    void add(Draft draft, const std::string& name) {
        if (dice_.chance(45)) spoil(draft, name);
        auto bytes = draft.bytes();
        if (dice_.chance(8) && !bytes.empty()) {
            attack_.story += "; a flipped bit in " + name;
            bytes[dice_.below(static_cast<std::uint32_t>(bytes.size()))] ^=
                static_cast<std::byte>(1U << dice_.below(8));
        }
        attack_.packets.push_back(std::move(bytes));
    }

    /// Makes one thing about `draft` wrong.
    void spoil(Draft& draft, const std::string& name) {
        const auto names = draft.names();
        const auto field = names.empty()
                               ? std::string{}
                               : names[dice_.below(static_cast<std::uint32_t>(names.size()))];
        std::string what;
        const auto choice = names.empty() ? dice_.below(4) : dice_.below(10);
        switch (choice) {
            case 0:
                draft.first_byte(static_cast<std::uint8_t>(dice_.below(256)));
                what = "another first byte of";
                break;
            case 1:
                draft.remaining_length(random_bytes(1 + dice_.below(5)));
                what = "another Remaining Length of";
                break;
            case 2:
                draft.append(random_bytes(1 + dice_.below(20)));
                what = "bytes behind";
                break;
            case 3:
                draft.truncate(dice_.below(12));
                what = "a short";
                break;
            case 4:
            case 5:
                draft.set(field, random_bytes(dice_.below(30)));
                what = "another " + field + " in";
                break;
            case 6:
                draft.set_length(field, random_bytes(1 + dice_.below(4)));
                what = "another length of " + field + " in";
                break;
            case 7:
                draft.drop(field);
                what = "no " + field + " in";
                break;
            default:
                if (draft.has("properties")) {
                    if (dice_.chance(50)) {
                        draft.add(property());
                    } else {
                        draft.add_raw(random_bytes(1 + dice_.below(12)));
                    }
                    what = "another property in";
                } else {
                    draft.append(random_bytes(1));
                    what = "a byte behind";
                }
                break;
        }
        attack_.story += "; " + what + " " + name;
    }

    void finish() {
        if (attack_.story.starts_with("; ")) attack_.story.erase(0, 2);
        if (attack_.story.empty()) attack_.story = "nothing but the order";
        if (dice_.chance(20)) attack_.piece_bytes = 1 + dice_.below(7);
        attack_.ending = dice_.chance(50) ? Ending::abort : Ending::finish;
    }

    Dice dice_;
    const std::string& token_;
    Attack attack_{};
};

}  // namespace

Attack make_attack(std::uint64_t seed, const std::string& token, bool has_v3_1_1, bool has_v5) {
    return Attacker{seed, token, has_v3_1_1, has_v5}.make();
}

}  // namespace touchstone::conformance::generated
