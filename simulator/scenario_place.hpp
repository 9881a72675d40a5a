// Where in a scenario's file a message stands, for complaints about its fields.
#pragma once

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <string>

namespace touchstone::simulator {

/// A message of the scenario with the place it came from, for complaints about its fields.
struct Place {
    using Tree = google::protobuf::TextFormat::ParseInfoTree;

    const google::protobuf::Message* message;
    const Tree* tree;  // null where protobuf kept no locations
    std::string name;  // "steps[3].publish"

    [[nodiscard]] const google::protobuf::FieldDescriptor*
    field(const std::string& field_name) const {
        return message->GetDescriptor()->FindFieldByName(field_name);
    }
    [[nodiscard]] bool has(const std::string& field_name) const {
        const auto* found = field(field_name);
        if (found->is_repeated()) {
            return message->GetReflection()->FieldSize(*message, found) > 0;
        }
        return message->GetReflection()->HasField(*message, found);
    }
    /// Of the field, or of the first thing known inside the message; -1 when unknown.
    [[nodiscard]] int line_of(const std::string& field_name, int index) const {
        if (tree == nullptr) return -1;
        if (!field_name.empty()) {
            const auto* found = field(field_name);
            const int line = tree->GetLocation(found, found->is_repeated() ? index : -1).line;
            if (line >= 0) return line;
        }
        const auto* type = message->GetDescriptor();
        for (int i = 0; i < type->field_count(); ++i) {
            const auto* one = type->field(i);
            const int line = tree->GetLocation(one, one->is_repeated() ? 0 : -1).line;
            if (line >= 0) return line;
        }
        return -1;
    }
    /// The message in a field; the same place where it was left out.
    [[nodiscard]] Place in(const std::string& field_name, int index = -1) const {
        const auto* found = field(field_name);
        const auto* reflection = message->GetReflection();
        const auto prefix = name.empty() ? "" : name + ".";
        if (index >= 0) {
            return {&reflection->GetRepeatedMessage(*message, found, index),
                    tree == nullptr ? nullptr : tree->GetTreeForNested(found, index),
                    fmt::format("{}{}[{}]", prefix, field_name, index)};
        }
        return {&reflection->GetMessage(*message, found),
                tree == nullptr ? nullptr : tree->GetTreeForNested(found, -1), prefix + field_name};
    }
};

}  // namespace touchstone::simulator
