#include "conformance/suite/choices.hpp"

#include <array>
#include <functional>
#include <optional>

namespace touchstone::conformance {

namespace {

/// A conversation that answers a question.
struct Question {
    const char* name;
    std::function<std::string(Context&)> ask;
    /// The answer that contradicts what the CONNACK announces; nothing when none does.
    std::function<std::optional<std::string>(const Capabilities&)> contradiction =
        [](const Capabilities&) { return std::nullopt; };
    bool only_v5 = false;
};

Peer peer(Context& context, std::string_view name) {
    return Peer{context.actor(name)};
}

/// The code of the first filter of a SUBSCRIBE.
std::uint8_t try_filter(Context& context, Topic filter) {
    auto client = peer(context, "client").connect();
    const auto suback = client.try_subscribe(
        {{.filter = std::move(filter), .options = {.qos = QoS::at_most_once}}});
    return suback.reason_codes.empty() ? 0x80 : suback.reason_codes.front();
}

std::string yes_or_no(bool is_so) {
    return is_so ? "yes" : "no";
}

/// Whether a CONNECT with this Client Identifier is accepted.
bool takes_client_id(Context& context, std::string id) {
    auto client = peer(context, "client");
    client.open().send(client.connect_packet({.client_id = std::move(id)}));
    const auto end = client.wait_for_close(context.now() + context.tolerances().answer());
    return end.connack.has_value() && end.connack->reason_code == 0;
}

std::string longest_client_id(Context& context) {
    std::size_t longest = 0;
    for (const std::size_t size : {23U, 64U, 256U, 1'024U, 8'192U, 65'535U}) {
        if (!takes_client_id(context, std::string(size, 'i'))) break;
        longest = size;
    }
    return std::to_string(longest) + " bytes of those tried";
}

std::string most_levels(Context& context) {
    std::size_t most = 0;
    for (const std::size_t levels : {8U, 64U, 128U, 512U, 2'048U, 16'384U}) {
        auto client = peer(context, "client").connect();
        std::string filter = "l";
        for (std::size_t i = 2; i < levels; ++i) filter += "/l";
        client.send(client.subscribe_packet({{.filter = filter}}));
        const auto answer = client.next();
        if (!answer.has_value() || answer->type != PacketType::suback) break;
        if (answer->reason_codes.empty() || answer->reason_codes.front() >= 0x80) break;
        most = levels;
    }
    return std::to_string(most) + " of those tried";
}

std::string largest_payload(Context& context) {
    std::size_t largest = 0;
    const auto limit =
        context.surroundings().capabilities.maximum_packet_size_bytes.value_or(0xFFFF'FFFFU);
    for (const std::size_t size : {1'024U, 65'536U, 262'144U, 1'000'000U, 4'000'000U}) {
        if (size + 100 > limit) break;
        auto client = peer(context, "client").connect();
        const auto draft = client.publish_packet(
            {.topic = "large", .qos = QoS::at_least_once, .payload = std::string(size, 'p')});
        client.send(draft);
        const auto answer = client.next();
        if (!answer.has_value() || answer->type != PacketType::puback) break;
        if (answer->reason_code >= 0x80) break;
        largest = size;
    }
    return std::to_string(largest) + " bytes of those tried";
}

std::string copies(Context& context) {
    auto subscriber = peer(context, "subscriber").connect();
    subscriber.subscribe("o/#", QoS::at_least_once).subscribe("o/t", QoS::at_least_once);
    subscriber.acknowledging();
    peer(context, "publisher").connect().publish("o/t", QoS::at_least_once, "m");
    const auto count = subscriber.collect().size();
    return count == 1 ? "one copy" : std::to_string(count) + " copies";
}

std::string qos_2_method(Context& context) {
    auto subscriber = peer(context, "subscriber").connect().subscribe("m");
    auto publisher = peer(context, "publisher").connect();
    const auto id = publisher.send_publish({.topic = "m", .qos = QoS::exactly_once});
    publisher.expect_acknowledgement(PacketType::pubrec, id);
    subscriber.ping();
    const auto early = subscriber.collect().size();
    publisher.send_acknowledgement(PacketType::pubrel, id);
    publisher.expect_acknowledgement(PacketType::pubcomp, id);
    return early > 0 ? "passed on at PUBLISH" : "passed on at PUBREL";
}

std::string qos_0_offline(Context& context) {
    auto subscriber = peer(context, "subscriber").connect(kept_session());
    subscriber.subscribe("q", QoS::at_least_once).disconnect();
    auto publisher = peer(context, "publisher").connect();
    publisher.publish("q", QoS::at_most_once, "away").ping();
    subscriber.connect(kept_session());
    return subscriber.collect().empty() ? "dropped" : "kept";
}

std::string no_matching_subscribers(Context& context) {
    auto client = peer(context, "client").connect();
    const auto id = client.send_publish({.topic = "nobody", .qos = QoS::at_least_once});
    const auto puback = client.expect_acknowledgement(PacketType::puback, id);
    return yes_or_no(puback.reason_code == 0x10);
}

std::string uses_aliases(Context& context) {
    auto subscriber =
        peer(context, "subscriber").connect({.topic_alias_maximum = 10}).subscribe("a");
    auto publisher = peer(context, "publisher").connect();
    publisher.publish("a").publish("a");
    for (const auto& packet : subscriber.expect_publishes(2)) {
        if (find(packet.properties, PropertyId::topic_alias) != nullptr) return "yes";
    }
    return "no";
}

std::string response_information(Context& context) {
    auto client = peer(context, "client");
    client.connect({.properties = {number_property(PropertyId::request_response_information, 1)}});
    return yes_or_no(find(client.connack().properties, PropertyId::response_information) !=
                     nullptr);
}

std::string retains(Context& context) {
    auto publisher = peer(context, "publisher").connect();
    publisher.send(publisher.publish_packet(
        {.topic = "r", .qos = QoS::at_least_once, .payload = "kept", .retain = Retain::yes}));
    const auto answer = publisher.next();
    if (!answer.has_value() || answer->type != PacketType::puback) return "no";
    auto subscriber = peer(context, "subscriber").connect();
    subscriber.try_subscribe({{.filter = "r"}});
    subscriber.settle();
    for (const auto& packet : subscriber.collect()) {
        if (packet.payload == "kept") return "yes";
    }
    return "no";
}

std::string dollar_topics(Context& context) {
    auto subscriber = peer(context, "subscriber").connect();
    const auto topic = absolute("$touchstone/" + context.token());
    if (subscriber.try_subscribe({{.filter = topic}}).reason_codes.front() >= 0x80) return "no";
    peer(context, "publisher").connect().publish(topic, QoS::at_least_once, "m");
    return yes_or_no(!subscriber.collect().empty());
}

const std::vector<Question>& questions() {
    const auto against = [](bool announced) {
        return std::optional<std::string>{announced ? "no" : "yes"};
    };
    static const std::vector<Question> all{
        {.name = "Retained Messages",
         .ask = retains,
         .contradiction =
             [against](const Capabilities& known) { return against(known.retain_available); }},
        {.name = "wildcard subscriptions",
         .ask = [](Context& context) { return yes_or_no(try_filter(context, "w/#") < 0x80); },
         .contradiction =
             [against](const Capabilities& known) { return against(known.wildcards_available); }},
        {.name = "Shared Subscriptions",
         .ask =
             [](Context& context) {
                 return yes_or_no(try_filter(context, shared("group", "s")) < 0x80);
             },
         .contradiction =
             [against](const Capabilities& known) {
                 return against(known.shared_subscriptions_available);
             },
         .only_v5 = true},
        {.name = "overlapping subscriptions", .ask = copies},
        {.name = "QoS 2 messages", .ask = qos_2_method},
        {.name = "QoS 0 messages for a client that is away", .ask = qos_0_offline},
        {.name = "longest Client Identifier", .ask = longest_client_id},
        {.name = "empty Client Identifier",
         .ask = [](Context& context) { return yes_or_no(takes_client_id(context, "")); }},
        {.name = "Client Identifier of other characters",
         .ask =
             [](Context& context) {
                 return yes_or_no(takes_client_id(context, context.token() + " /+#$ \xC3\xA9"));
             }},
        {.name = "most topic levels", .ask = most_levels},
        {.name = "largest payload", .ask = largest_payload},
        {.name = "clients talk on topics that begin with $", .ask = dollar_topics},
        {.name = "Reason Code 0x10 (no matching subscribers)",
         .ask = no_matching_subscribers,
         .only_v5 = true},
        {.name = "Topic Aliases towards clients", .ask = uses_aliases, .only_v5 = true},
        {.name = "Response Information on request", .ask = response_information, .only_v5 = true},
    };
    return all;
}

}  // namespace

std::vector<Choice> observe_choices(TargetSource& source, const Probe& found,
                                    const RunSettings& settings) {
    std::vector<Choice> choices;
    const auto& capabilities = found.surroundings.capabilities;
    const auto version = capabilities.speaks_v5 ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
    for (const auto& question : questions()) {
        if (question.only_v5 && !capabilities.speaks_v5) continue;
        Choice choice{.name = question.name};
        const auto outcome =
            converse_once(source, found.surroundings, version,
                          mix(mix(settings.seed, question.name, 0), "", settings.nonce),
                          [&](Context& context) { choice.value = question.ask(context); });
        if (outcome.verdict == Verdict::pass) {
            // What is announced is announced in 5.0.
            choice.contradicts =
                capabilities.speaks_v5 && question.contradiction(capabilities) == choice.value;
        } else {
            choice.value = "unknown: " + outcome.reason;
        }
        choices.push_back(std::move(choice));
    }
    return choices;
}

}  // namespace touchstone::conformance
