// Files in protobuf's text format: read with the place of every mistake, and with our own words.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace touchstone::conformance {

/// Parses the file at `path` into `message`. Returns what is wrong, each line with its place
/// ("baseline.textproto:12: …"); empty when nothing is.
[[nodiscard]] std::string read_text_file(const std::string& path,
                                         google::protobuf::Message& message);

/// `message` as such a file, its first lines being `comment` (each line without the "# ").
[[nodiscard]] std::string to_text_file(const google::protobuf::Message& message,
                                       const std::string& comment);

}  // namespace touchstone::conformance
