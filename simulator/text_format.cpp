#include "simulator/text_format.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "broker/base/edit_distance.hpp"

namespace touchstone::simulator {

namespace protobuf = google::protobuf;
using protobuf::TextFormat;

namespace {

/// The text between the n-th pair of double quotes (n from 0); empty if there is none.
std::string quoted(const std::string& text, int n) {
    std::size_t begin = 0;
    for (int i = 0; i <= 2 * n; ++i) {
        begin = text.find('"', begin);
        if (begin == std::string::npos) return {};
        ++begin;
    }
    return text.substr(begin, text.find('"', begin) - begin);
}

/// Protobuf's own words, with the remedy that it leaves out.
std::string explain(const std::string& message, const protobuf::FileDescriptor* file) {
    const auto* pool = protobuf::DescriptorPool::generated_pool();
    if (message.find("has no field named") != std::string::npos) {
        const auto* type = pool->FindMessageTypeByName(quoted(message, 0));
        const auto name = quoted(message, 1);
        if (type == nullptr) return message;
        return fmt::format("{}: no such field in {}{}", name, type->name(),
                           remedy(name, field_names(*type)));
    }
    if (message.find("Unknown enumeration value") != std::string::npos) {
        const auto value = quoted(message, 0);
        const auto field = quoted(message, 1);
        // The message names the field but not its type: any of ours with that name will do.
        std::vector<std::string> known;
        for (int i = 0; i < file->message_type_count(); ++i) {
            const auto* found = file->message_type(i)->FindFieldByName(field);
            if (found == nullptr || found->enum_type() == nullptr) continue;
            for (int k = 0; k < found->enum_type()->value_count(); ++k) {
                known.push_back(found->enum_type()->value(k)->name());
            }
            break;
        }
        return fmt::format("{}: '{}' is none of {}{}", field, value, fmt::join(known, ", "),
                           nearest_name(value, known).empty() ? "" : remedy(value, known));
    }
    return message;
}

class Collector final : public protobuf::io::ErrorCollector {
public:
    Collector(std::string path, const protobuf::FileDescriptor* file,
              std::vector<std::string>& problems)
        : path_{std::move(path)},
          file_{file},
          problems_{problems} {}
    void AddError(int line, int, const std::string& message) override {
        problems_.push_back(fmt::format("{}:{}: {}", path_, line + 1, explain(message, file_)));
    }

private:
    std::string path_;
    const protobuf::FileDescriptor* file_;
    std::vector<std::string>& problems_;
};

}  // namespace

std::optional<std::string> read_text_file(const std::string& path, const std::string& remedy,
                                          std::vector<std::string>& problems) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (file && text) return text.str();
    // A directory opens but cannot be read; either way the system knows why.
    const int reason = errno == 0 ? EISDIR : errno;
    problems.push_back(fmt::format("{}: {}; {}", path, std::strerror(reason), remedy));
    return std::nullopt;
}

bool parse_text(const std::string& path, const std::string& text, protobuf::Message& message,
                TextFormat::ParseInfoTree* locations, std::vector<std::string>& problems) {
    Collector collector{path, message.GetDescriptor()->file(), problems};
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&collector);
    parser.WriteLocationsTo(locations);
    protobuf::io::ArrayInputStream input{text.data(), static_cast<int>(text.size())};
    return parser.Parse(&input, &message);
}

std::vector<std::string> field_names(const protobuf::Descriptor& type) {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    return names;
}

std::string remedy(std::string_view name, const std::vector<std::string>& known) {
    const auto nearest = nearest_name(name, known);
    if (!nearest.empty()) return fmt::format("; did you mean '{}'?", nearest);
    if (known.empty()) return "";
    return fmt::format("; known: {}", fmt::join(known, ", "));
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
    const auto nearest = std::ranges::min_element(
        known, {}, [&](const std::string& one) { return edit_distance(name, one); });
    if (nearest == known.end()) return {};
    // Further away than half of its letters is no misspelling.
    return edit_distance(name, *nearest) * 2 <= std::max<std::size_t>(name.size(), 4) ? *nearest
                                                                                      : "";
}

std::string file_text(const google::protobuf::Message& message, const std::string& story) {
    std::string text;
    for (std::size_t begin = 0; begin < story.size();) {
        const auto end = std::min(story.find('\n', begin), story.size());
        const auto line = story.substr(begin, end - begin);
        text += line.empty() ? "#\n" : "# " + line + "\n";
        begin = end + 1;
    }
    google::protobuf::TextFormat::Printer printer;
    printer.SetSingleLineMode(true);
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const auto* const field : fields) {
        const int count =
            field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
        for (int i = 0; i < count; ++i) {
            std::string value;
            printer.PrintFieldValueToString(message, field, field->is_repeated() ? i : -1, &value);
            const bool is_message = field->message_type() != nullptr;
            while (value.ends_with(' ')) value.pop_back();
            text += field->name() + (is_message ? " { " + value + " }\n" : ": " + value + "\n");
        }
    }
    return text;
}

}  // namespace touchstone::simulator
