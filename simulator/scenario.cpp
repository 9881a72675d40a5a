#include "simulator/scenario.hpp"

#include <algorithm>

#include "simulator/scenario_judge.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

LoadedScenario load_scenario(const std::string& path) {
    LoadedScenario loaded;
    loaded.path = path;
    const auto text = read_text_file(path, "name a scenario file (*.textproto)", loaded.problems);
    return text ? parse_scenario(path, *text) : loaded;
}

LoadedScenario parse_scenario(const std::string& path, const std::string& text) {
    LoadedScenario loaded;
    loaded.path = path;
    Place::Tree tree;
    if (!parse_text(path, text, loaded.scenario, &tree, loaded.problems)) return loaded;
    ScenarioJudge{path, loaded.scenario, tree, loaded.problems}.judge();
    return loaded;
}

std::string story_of(std::string_view text) {
    std::string story;
    while (text.starts_with('#')) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(1, end - 1);
        if (line.starts_with(' ')) line.remove_prefix(1);
        story += line;
        story += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return story;
}

}  // namespace touchstone::simulator
