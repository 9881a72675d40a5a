// Protobuf messages as text: valid UTF-8 throughout, and JSON.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace touchstone::reports {

/// Applies valid_utf8 to every string field of `message`, at any depth. Protobuf refuses to read
/// others back.
void make_strings_valid(google::protobuf::Message& message);

enum class JsonLayout : bool { compact, indented };

/// Protobuf JSON with the field names of the .proto; fields with their default value are left out.
/// The strings of `message` are valid UTF-8. Throws std::length_error when protobuf cannot write it
/// (beyond 2 GiB).
[[nodiscard]] std::string message_to_json(const google::protobuf::Message& message,
                                          JsonLayout layout);

}  // namespace touchstone::reports
