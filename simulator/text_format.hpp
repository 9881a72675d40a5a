// Text-format files (*.textproto, *.pbtxt): read and parsed, with mistakes said in a line each:
// file, line, field, and the remedy that Protobuf leaves out.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace touchstone::simulator {

/// The file's bytes. Nothing when it cannot be read: `problems` then says why, and `remedy`.
[[nodiscard]] std::optional<std::string> read_text_file(const std::string& path,
                                                        const std::string& remedy,
                                                        std::vector<std::string>& problems);

/// Parses `text` into `message`. False when it is wrong: `problems` then says where. `locations`
/// may be null; `path` is only named.
[[nodiscard]] bool parse_text(const std::string& path, const std::string& text,
                              google::protobuf::Message& message,
                              google::protobuf::TextFormat::ParseInfoTree* locations,
                              std::vector<std::string>& problems);

/// `message` as a file, with `story` as the comment at its top: one line for each value of each of
/// its fields, a message in a list included.
[[nodiscard]] std::string file_text(const google::protobuf::Message& message,
                                    const std::string& story);

[[nodiscard]] std::vector<std::string> field_names(const google::protobuf::Descriptor& type);

/// `; did you mean 'x'?`, or `; known: a, b` when nothing is near.
[[nodiscard]] std::string remedy(std::string_view name, const std::vector<std::string>& known);

/// The one of `known` that `name` was probably meant to be; empty when none is near.
[[nodiscard]] std::string nearest_name(std::string_view name,
                                       const std::vector<std::string>& known);

}  // namespace touchstone::simulator
