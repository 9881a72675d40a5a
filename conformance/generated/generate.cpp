#include "conformance/generated/generate.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace touchstone::conformance::generated {

namespace {

constexpr std::array<std::string_view, 10> topics{"~/t", "~/t/1", "~/t/2", "~/a/b",        "~/will",
                                                  "~/T", "~//t",  "$~/t",  "%EF%BB%BF~/t", "/~/t"};
constexpr std::array<std::string_view, 13> filters{
    "~/t",   "~/t",    "~/#", "~/+", "~/t/#", "~/t/+",       "~/a/b",
    "~/a/+", "~/will", "#",   "+/t", "~//t",  "%EF%BB%BF~/t"};
constexpr std::array<std::string_view, 4> shared_filters{"$share/g/~/t", "$share/g/~/#",
                                                         "$share/h/~/t", "$share/g//~/t"};

/// What a script is about.
struct Features {
    unsigned clients = 2;
    bool has_v3 = false;
    bool has_v5 = true;
    bool keeps_sessions = false;
    bool has_wills = false;
    bool retains = false;
    bool shares = false;
    bool uses_aliases = false;
    bool expires = false;
    bool holds_back = false;  // manual acknowledgement
    bool loses = false;       // connections and acknowledgements
    bool errs = false;
    bool has_properties = false;
    bool has_options = false;
    bool waits = false;
    bool has_limits = false;
    bool has_many_topics = false;
    bool cuts_bytes = false;      // split and joined
    bool is_about_flows = false;  // of one topic, over several connections
};

class Generator {
public:
    Generator(std::uint64_t seed, const GenerateSettings& settings)
        : dice_{seed},
          settings_{settings} {
        const auto& known = settings.capabilities;
        const auto half = [this] { return dice_.chance(50); };
        features_.clients = 1 + dice_.below(4);
        features_.has_v3 = known.speaks_v3_1_1 && (!known.speaks_v5 || dice_.chance(40));
        features_.has_v5 = known.speaks_v5 && (!features_.has_v3 || half());
        features_.keeps_sessions = half();
        features_.has_wills = dice_.chance(40);
        features_.retains = dice_.chance(40);
        features_.shares = dice_.chance(25);
        features_.uses_aliases = dice_.chance(25);
        features_.expires = dice_.chance(30);
        features_.holds_back = dice_.chance(40);
        features_.loses = half();
        features_.errs = dice_.chance(30);
        features_.has_properties = dice_.chance(40);
        features_.has_options = half();
        features_.waits = settings.wait_s_max > 0 && dice_.chance(40);
        features_.has_limits = dice_.chance(40);
        features_.has_many_topics = half();
        features_.cuts_bytes = dice_.chance(20);
        features_.is_about_flows = dice_.chance(15);
        if (!features_.is_about_flows) return;
        features_.keeps_sessions = true;
        features_.holds_back = true;
        features_.has_many_topics = false;
        features_.shares = false;
        features_.clients = 1 + dice_.below(2);
    }

    Script make() {
        Script script;
        const auto count = 4 + dice_.below(static_cast<std::uint32_t>(settings_.steps_max));
        while (script.size() < std::min<std::size_t>(count, settings_.steps_max)) {
            script.push_back(make_step());
        }
        return script;
    }

private:
    struct Client {
        bool is_open = false;
        bool is_manual = false;
        std::string last_filter{};
    };

    Step make_step() {
        const char name = static_cast<char>('a' + dice_.below(features_.clients));
        auto& client = clients_[static_cast<std::size_t>(name - 'a')];
        if (features_.waits && dice_.chance(6)) {
            constexpr std::array<std::uint32_t, 5> spans{1, 4, 10, 30, 60};
            const auto span = spans[dice_.below(spans.size())];
            return Step{.verb = Verb::wait}.with("seconds", std::min(span, settings_.wait_s_max));
        }
        if (!client.is_open) {
            if (features_.errs && dice_.chance(10)) return make_wrong(name, true);
            client.is_open = true;
            return make_connect(name, client);
        }
        struct Choice {
            Verb verb;
            std::uint32_t weight;
        };
        const std::array<Choice, 9> choices{{
            {Verb::subscribe, features_.is_about_flows ? 8U : 22U},
            {Verb::unsubscribe, features_.is_about_flows ? 1U : 5U},
            {Verb::publish, 40},
            {Verb::acknowledge, client.is_manual ? (features_.is_about_flows ? 35U : 22U) : 0U},
            {Verb::ping, 2},
            {Verb::disconnect, 6},
            {Verb::cut, features_.loses ? 7U : 2U},
            {Verb::wrong, features_.errs ? 9U : 0U},
            {Verb::connect, 0},
        }};
        std::uint32_t total = 0;
        for (const auto& choice : choices) total += choice.weight;
        auto drawn = dice_.below(total);
        auto verb = Verb::ping;
        for (const auto& choice : choices) {
            if (drawn < choice.weight) {
                verb = choice.verb;
                break;
            }
            drawn -= choice.weight;
        }
        switch (verb) {
            case Verb::subscribe: return make_subscribe(name, client);
            case Verb::unsubscribe: return make_unsubscribe(name, client);
            case Verb::publish: return make_publish(name, client);
            case Verb::acknowledge: return make_acknowledge(name, client);
            case Verb::disconnect: {
                client.is_open = false;
                Step step{.client = name, .verb = verb};
                if (dice_.chance(20)) step.with("code", 4U);
                if (features_.keeps_sessions && dice_.chance(20))
                    step.with("expiry", draw_expiry());
                return step;
            }
            case Verb::cut: client.is_open = false; return Step{.client = name, .verb = verb};
            case Verb::wrong: return make_wrong(name, false);
            case Verb::ping:
            case Verb::connect:
            case Verb::wait: break;
        }
        return Step{.client = name, .verb = Verb::ping};
    }

    std::uint32_t draw_expiry() {
        constexpr std::array<std::uint32_t, 4> spans{5, 20, 120, 0xFFFF'FFFF};
        return spans[dice_.below(spans.size())];
    }

    Step make_connect(char name, Client& client) {
        Step step{.client = name, .verb = Verb::connect};
        const bool is_v3 = features_.has_v3 && (!features_.has_v5 || name % 2 == 0);
        if (is_v3) step.with("version", "3.1.1");
        if (features_.clients > 1 && dice_.chance(15)) {
            step.with("id", std::string{static_cast<char>('a' + dice_.below(features_.clients))});
        } else if (dice_.chance(5)) {
            const char upper = static_cast<char>('A' + dice_.below(features_.clients));
            step.with("id", dice_.chance(50) ? "-" : std::string{upper});
        } else if (dice_.chance(3)) {
            step.with("id", dice_.chance(50) ? "*" : "+");
        }
        if (dice_.chance(features_.keeps_sessions ? 15 : 70)) step.with("clean");
        if (features_.keeps_sessions && !is_v3 && dice_.chance(85))
            step.with("expiry", draw_expiry());
        if (features_.has_limits && dice_.chance(60)) {
            if (!is_v3 && dice_.chance(60)) step.with("receive-maximum", 1 + dice_.below(3));
            if (!is_v3 && dice_.chance(20)) step.with("packet-size", 60 + 40 * dice_.below(4));
            if (!is_v3 && dice_.chance(30)) step.with("alias-maximum", dice_.below(3));
        }
        if (features_.waits && dice_.chance(15)) step.with("keep-alive", 1 + dice_.below(4));
        client.is_manual = features_.holds_back && dice_.chance(60);
        if (client.is_manual) step.with("manual");
        if (features_.has_properties && !is_v3 && dice_.chance(30)) step.with("property");
        if (features_.cuts_bytes && dice_.chance(50)) step.with("split", 1 + dice_.below(5));
        if (features_.cuts_bytes && dice_.chance(30)) step.with("joined");
        if (features_.has_wills && dice_.chance(70)) {
            step.with("will", dice_.chance(60) ? "~/will" : std::string{draw_topic()});
            if (dice_.chance(60)) step.with("will-q", dice_.below(3));
            if (features_.retains && dice_.chance(50)) step.with("will-retain");
            if (!is_v3 && features_.waits && dice_.chance(40))
                step.with("will-delay", 1 + dice_.below(20));
            if (!is_v3 && features_.expires && dice_.chance(30)) step.with("will-expiry", 30U);
            if (!is_v3 && features_.has_properties && dice_.chance(50))
                step.with("will-properties");
        }
        return step;
    }

    std::string_view draw_topic() {
        if (features_.is_about_flows && dice_.chance(95)) return topics[0];
        if (!features_.has_many_topics && dice_.chance(85)) return topics[dice_.below(2)];
        return topics[dice_.below(topics.size())];
    }

    std::string draw_filter() {
        FilterWord word;
        const bool is_shared = features_.shares &&
                               settings_.capabilities.shared_subscriptions_available &&
                               features_.has_v5 && dice_.chance(50);
        if (is_shared) {
            word.filter = shared_filters[dice_.below(shared_filters.size())];
        } else if (features_.is_about_flows) {
            word.filter = filters[0];
        } else if (!features_.has_many_topics && dice_.chance(70)) {
            word.filter = filters[dice_.below(3)];
        } else {
            word.filter = filters[dice_.below(filters.size())];
        }
        word.qos = static_cast<std::uint8_t>(dice_.chance(20) ? 0 : 1 + dice_.below(2));
        if (features_.has_options) {
            word.no_local = !is_shared && dice_.chance(25);
            word.retain_as_published = dice_.chance(30);
            word.retain_handling = static_cast<std::uint8_t>(dice_.chance(50) ? 0 : dice_.below(3));
        }
        return to_text(word);
    }

    Step make_subscribe(char name, Client& client) {
        Step step{.client = name, .verb = Verb::subscribe};
        auto filter =
            !client.last_filter.empty() && dice_.chance(15) ? client.last_filter : draw_filter();
        client.last_filter = filter;
        step.with("filter", filter);
        while (dice_.chance(25)) step.with("filter", draw_filter());
        if (features_.has_options && dice_.chance(40)) step.with("identifier", 1 + dice_.below(3));
        if (features_.loses && dice_.chance(4)) {
            step.with("lose");
            client.is_open = false;
        }
        return step;
    }

    Step make_unsubscribe(char name, Client& client) {
        Step step{.client = name, .verb = Verb::unsubscribe};
        const auto draw = [&] {
            const bool is_known = !client.last_filter.empty() && dice_.chance(60);
            return parse_filter_word(is_known ? client.last_filter : draw_filter()).filter;
        };
        step.with("filter", draw());
        if (dice_.chance(25)) step.with("filter", draw());
        if (features_.loses && dice_.chance(4)) {
            step.with("lose");
            client.is_open = false;
        }
        return step;
    }

    Step make_publish(char name, Client& client) {
        Step step{.client = name, .verb = Verb::publish};
        step.with("topic", std::string{draw_topic()});
        const auto qos = dice_.chance(25) ? 0 : 1 + dice_.below(2);
        if (qos > 0) step.with("q", qos);
        if (features_.retains && dice_.chance(50)) {
            step.with("retain");
            if (dice_.chance(25)) step.with("empty");
        }
        if (dice_.chance(6)) {
            constexpr std::array<std::uint32_t, 3> sizes{101, 130, 40'000};
            step.with("size", sizes[dice_.below(sizes.size())]);
        }
        if (features_.uses_aliases && dice_.chance(60)) {
            step.with("alias", 1 + dice_.below(2));
            if (dice_.chance(60)) step.with("by-alias");
        }
        if (features_.expires && dice_.chance(50)) step.with("expiry", dice_.chance(50) ? 5U : 40U);
        if (features_.has_properties && dice_.chance(60)) step.with("properties");
        if (!features_.loses) return step;
        if (qos > 0 && dice_.chance(6)) {
            step.with("forget");
        } else if (dice_.chance(6)) {
            step.with("lose");
            client.is_open = false;
        } else if (dice_.chance(6)) {
            step.with("cut", 1 + dice_.below(20));
            client.is_open = false;
        }
        return step;
    }

    Step make_acknowledge(char name, Client& client) {
        Step step{.client = name, .verb = Verb::acknowledge};
        if (dice_.chance(40)) step.with("count", 1 + dice_.below(4));
        if (features_.is_about_flows && dice_.chance(40)) step.with("q", 1 + dice_.below(2));
        if (dice_.chance(10)) step.with("code", 0x80U);
        if (features_.loses && dice_.chance(10)) {
            step.with("lose");
            client.is_open = false;
        }
        return step;
    }

    Step make_wrong(char name, bool is_first) {
        const auto& kinds = wrong_kinds();
        for (;;) {
            auto kind = kinds[dice_.below(static_cast<std::uint32_t>(kinds.size()))];
            // Whether an alias is forgotten shows where there was one.
            if (features_.uses_aliases && !is_first && dice_.chance(30)) {
                kind = *std::ranges::find(kinds, "publish-bad-alias", &WrongKind::name);
            }
            if (kind.is_first_packet != is_first) continue;
            if (!is_first && kind.name != "ping-frame") {
                clients_[static_cast<std::size_t>(name - 'a')].is_open = false;
            }
            Step step{.client = name, .verb = Verb::wrong};
            step.with("kind", std::string{kind.name});
            if (is_first && features_.has_v3 && dice_.chance(50)) step.with("version", "3.1.1");
            return step;
        }
    }

    Dice dice_;
    const GenerateSettings& settings_;
    Features features_{};
    std::array<Client, 4> clients_{};
};

}  // namespace

std::uint64_t Dice::next() {
    state_ += 0x9E37'79B9'7F4A'7C15ULL;
    auto value = state_;
    value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9ULL;
    value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EBULL;
    return value ^ (value >> 31U);
}

std::uint32_t Dice::below(std::uint32_t bound) {
    // The bias is below 2^-32 times the bound: of no matter here.
    return static_cast<std::uint32_t>((next() >> 32U) * bound >> 32U);
}

Script generate_script(std::uint64_t seed, const GenerateSettings& settings) {
    return Generator{seed, settings}.make();
}

}  // namespace touchstone::conformance::generated
