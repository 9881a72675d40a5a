#include "reports/protobuf_text.hpp"

#include <stdexcept>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

void make_field_valid(google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor* field) {
    using google::protobuf::FieldDescriptor;
    const auto* reflection = message.GetReflection();
    if (field->type() == FieldDescriptor::TYPE_STRING) {
        if (!field->is_repeated()) {
            reflection->SetString(&message, field,
                                  valid_utf8(reflection->GetString(message, field)));
            return;
        }
        for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
            reflection->SetRepeatedString(
                &message, field, i, valid_utf8(reflection->GetRepeatedString(message, field, i)));
        }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (!field->is_repeated()) {
            make_strings_valid(*reflection->MutableMessage(&message, field));
            return;
        }
        for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
            make_strings_valid(*reflection->MutableRepeatedMessage(&message, field, i));
        }
    }
}

}  // namespace

void make_strings_valid(google::protobuf::Message& message) {
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const auto* field : fields) make_field_valid(message, field);
}

std::string message_to_json(const google::protobuf::Message& message, JsonLayout layout) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.add_whitespace = layout == JsonLayout::indented;
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
        throw std::length_error{"the results are larger than protobuf can write as JSON"};
    }
    return json;
}

}  // namespace touchstone::reports
