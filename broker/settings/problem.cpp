#include "broker/settings/problem.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace touchstone::settings {

std::string Origin::to_text() const {
    switch (kind) {
        case Kind::built_in: return "default";
        case Kind::environment: return "environment " + name;
        case Kind::command_line: return "command line " + name;
        case Kind::file: break;
    }
    std::string text = shown(name);
    if (line != 0) text += ":" + std::to_string(line);
    if (column != 0) text += ":" + std::to_string(column);
    return text;
}

std::string Problem::to_text() const {
    if (origin.kind == Origin::Kind::built_in) return message;
    return origin.to_text() + ": " + message;
}

void Problems::add(Origin origin, std::string message) {
    if (is_full()) {
        ++left_out_;
        return;
    }
    problems_.push_back({std::move(origin), std::move(message)});
}

std::vector<Problem> Problems::take() {
    const auto place = [](const Problem& problem) {
        const auto& origin = problem.origin;
        return std::tuple{origin.kind == Origin::Kind::built_in, origin.kind, origin.name,
                          origin.line};
    };
    std::ranges::stable_sort(problems_, {}, place);
    if (left_out_ != 0)
        problems_.push_back({{}, "and " + std::to_string(left_out_) + " more problems"});
    left_out_ = 0;
    return std::exchange(problems_, {});
}

std::string shown(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 80;
    auto size = std::min(text.size(), shown_bytes_max);
    const auto is_inside = [&](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
    while (size != 0 && size < text.size() && is_inside(text[size])) --size;
    std::string out;
    for (const char c : text.substr(0, size)) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    if (size < text.size()) out += "…";
    return out;
}

}  // namespace touchstone::settings
