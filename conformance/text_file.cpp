#include "conformance/text_file.hpp"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace touchstone::conformance {

namespace {

namespace protobuf = google::protobuf;

class Collector final : public protobuf::io::ErrorCollector {
public:
    Collector(std::string path, const protobuf::Descriptor& type)
        : path_{std::move(path)},
          type_{type} {}

    void AddError(int line, protobuf::io::ColumnNumber /*column*/,
                  const std::string& message) override {
        if (!text.empty()) text += '\n';
        text += path_ + ':' + std::to_string(line + 1) + ": " + message;
        // Protobuf says what it does not know; a person also wants to hear what there is.
        if (message.find("has no field named") == std::string::npos) return;
        const auto begin = message.find('"') + 1;
        const auto* type = type_.file()->pool()->FindMessageTypeByName(
            message.substr(begin, message.find('"', begin) - begin));
        if (type == nullptr) return;
        text += "; known:";
        for (int i = 0; i < type->field_count(); ++i) text += ' ' + type->field(i)->name();
    }

    std::string text{};

private:
    std::string path_;
    const protobuf::Descriptor& type_;
};

}  // namespace

std::string read_text_file(const std::string& path, protobuf::Message& message) {
    std::ifstream stream{path, std::ios::binary};
    if (!stream) return path + ": " + std::strerror(errno);
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    if (stream.bad()) return path + ": " + std::strerror(errno);
    Collector collector{path, *message.GetDescriptor()};
    protobuf::TextFormat::Parser parser;
    parser.RecordErrorsTo(&collector);
    protobuf::io::ArrayInputStream input{text.data(), static_cast<int>(text.size())};
    if (!parser.Parse(&input, &message) && collector.text.empty()) {
        return path + ": is no text-format protobuf";
    }
    return collector.text;
}

std::string to_text_file(const protobuf::Message& message, const std::string& comment) {
    std::string text;
    for (std::size_t begin = 0; begin < comment.size();) {
        const auto end = std::min(comment.find('\n', begin), comment.size());
        text += begin == end ? "#\n" : "# " + comment.substr(begin, end - begin) + '\n';
        begin = end + 1;
    }
    std::string body;
    protobuf::TextFormat::Printer printer;
    printer.SetUseUtf8StringEscaping(true);
    printer.PrintToString(message, &body);
    return text + body;
}

}  // namespace touchstone::conformance
