#include "conformance/generated/explore.hpp"

namespace touchstone::conformance::generated {

namespace {

class Explorer {
public:
    Explorer(TargetSource& source, const std::vector<Step>& alphabet, std::size_t steps_max,
             const SearchSettings& settings,
             const std::function<bool(const Script&, const Played&)>& on_script)
        : source_{source},
          alphabet_{alphabet},
          steps_max_{steps_max},
          settings_{settings},
          on_script_{on_script} {}

    Explored run() {
        extend();
        return explored_;
    }

private:
    void extend() {
        for (const auto& step : alphabet_) {
            if (explored_.was_ended) return;
            script_.push_back(step);
            const auto played = play_anew(source_, script_, 1, settings_);
            // The world cannot be copied: a script is played from its beginning. What does not
            // apply changes nothing, and what has failed need not go on.
            const bool has_applied = !played.has_applied.empty() &&
                                     played.has_applied.size() == script_.size() &&
                                     played.has_applied.back();
            if (has_applied || played.divergence.has_value()) {
                ++explored_.scripts;
                explored_.was_ended = !on_script_(script_, played);
            }
            const bool goes_on = has_applied && !played.divergence.has_value();
            if (goes_on && script_.size() < steps_max_ && !explored_.was_ended) extend();
            script_.pop_back();
        }
    }

    TargetSource& source_;
    const std::vector<Step>& alphabet_;
    std::size_t steps_max_;
    const SearchSettings& settings_;
    const std::function<bool(const Script&, const Played&)>& on_script_;
    Script script_{};
    Explored explored_{};
};

}  // namespace

std::vector<Step> exploration_alphabet(ProtocolVersion version) {
    const bool is_v5 = version == ProtocolVersion::v5;
    const std::string_view text = is_v5 ? "a connect expiry=60 will=~/t will-q=1\n"
                                          "b connect expiry=60 receive-maximum=1 manual\n"
                                          "b connect id=a expiry=60\n"
                                          "a subscribe filter=~/t,q1 identifier=1\n"
                                          "b subscribe filter=~/t,q2,rap filter=~/#,q1\n"
                                          "b subscribe filter=$share/g/~/t,q1\n"
                                          "b unsubscribe filter=~/t\n"
                                          "a publish topic=~/t q=1 retain\n"
                                          "a publish topic=~/t q=2 lose\n"
                                          "a publish topic=~/t q=2 cut=9\n"
                                          "a publish topic=~/t retain empty\n"
                                          "b acknowledge\n"
                                          "a disconnect\n"
                                          "b cut\n"
                                          "wait seconds=90\n"
                                        : "a connect version=3.1.1 will=~/t will-q=1\n"
                                          "b connect version=3.1.1 manual\n"
                                          "b connect version=3.1.1 id=a clean\n"
                                          "a subscribe filter=~/t,q1\n"
                                          "b subscribe filter=~/t,q2 filter=~/#,q1\n"
                                          "b unsubscribe filter=~/t\n"
                                          "a publish topic=~/t q=1 retain\n"
                                          "a publish topic=~/t q=2 lose\n"
                                          "a publish topic=~/t q=2 cut=9\n"
                                          "a publish topic=~/t retain empty\n"
                                          "b acknowledge\n"
                                          "a disconnect\n"
                                          "b cut\n";
    std::string problem;
    return parse_script(text, problem).value_or(Script{});
}

Explored explore(TargetSource& source, const std::vector<Step>& alphabet, std::size_t steps_max,
                 const SearchSettings& settings,
                 const std::function<bool(const Script&, const Played&)>& on_script) {
    return Explorer{source, alphabet, steps_max, settings, on_script}.run();
}

}  // namespace touchstone::conformance::generated
