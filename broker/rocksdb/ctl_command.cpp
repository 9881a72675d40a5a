#include "broker/rocksdb/ctl_command.hpp"

#include <rocksdb/db.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>

#include "broker/base/exit_code.hpp"
#include "broker/rocksdb/dump.hpp"
#include "broker/rocksdb/store_error.hpp"

namespace touchstone::rocksdb_driver {

namespace {

constexpr const char* examples = R"(
Examples:
  touchstone ctl store verify /var/lib/touchstone
      Reads everything, and says whether a broker could use it; changes nothing.
  touchstone ctl store export /var/lib/touchstone > saved.jsonl
      A line of JSON for each record: as it is stored, and what it says.
  touchstone ctl store export --format protobuf /var/lib/touchstone > saved.pb
      The same as length-delimited messages of broker/rocksdb/dump.proto, payloads included.
  touchstone ctl store import /var/lib/other < saved.jsonl
      Either of them, into a directory that has no data; a broker with any number of shards can use it.
  touchstone ctl store compact /var/lib/touchstone
      Gives room back that erased records still take.
No broker may use the directory meanwhile. Exit code 1: verify has found damage; 2: the directory
cannot be used, or what is imported is wrong.)";

constexpr std::size_t bad_shown_max = 20;

int verify(DataDirectory& directory) {
    Database database{directory, nullptr, Database::Damage::refuse};
    const auto verdict = verify_records(database);
    for (const auto& kind : verdict.kinds) std::printf("%s\n", kind.c_str());
    for (std::size_t i = 0; i < std::min(verdict.bad.size(), bad_shown_max); ++i)
        std::printf("of no use: %s\n", verdict.bad[i].c_str());
    std::printf("verify: %llu records, %zu of no use\n",
                static_cast<unsigned long long>(verdict.records), verdict.bad.size());
    return to_int(verdict.bad.empty() ? ExitCode::as_expected : ExitCode::expectation_failed);
}

int compact(DataDirectory& directory) {
    Database database{directory, nullptr, Database::Damage::refuse};
    auto& db = database.db();
    auto status = db.Flush({});
    const auto before = database.size_bytes();
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    if (status.ok()) status = db.CompactRange(all, nullptr, nullptr);
    if (!status.ok()) throw StoreError{"compact: " + status.ToString()};
    std::printf("compact: %llu bytes, %llu before\n",
                static_cast<unsigned long long>(database.size_bytes()),
                static_cast<unsigned long long>(before));
    return to_int(ExitCode::as_expected);
}

int export_all(DataDirectory& directory, DumpFormat format) {
    Database database{directory, nullptr, Database::Damage::refuse};
    const auto count = export_records(database, format, std::cout);
    std::cout.flush();
    if (!std::cout) throw StoreError{"export: the output cannot be written; see that it has room"};
    std::fprintf(stderr, "export: %llu records\n", static_cast<unsigned long long>(count));
    return to_int(ExitCode::as_expected);
}

int import_all(const std::string& path) {
    const auto count = import_records(path, std::cin);
    std::printf("import: %llu records\n", static_cast<unsigned long long>(count));
    return to_int(ExitCode::as_expected);
}

int one_line(std::string message, ExitCode code) {
    std::ranges::replace(message, '\n', ' ');
    std::fprintf(stderr, "touchstone ctl: %s\n", message.c_str());
    return to_int(code);
}

}  // namespace

int ctl_command(int argument_count, char** arguments) {
    CLI::App app{"Looks after what a broker keeps.", "touchstone ctl"};
    app.footer(examples);
    auto& store =
        *app.add_subcommand("store", "The data directory of a broker that is not running");
    std::string path;
    const auto add = [&](const char* name, const char* about) {
        auto* const command = store.add_subcommand(name, about);
        command->add_option("DIRECTORY", path, "As for `touchstone broker --data`")->required();
        return command;
    };
    const auto* const verifying = add("verify", "Whether a broker could use all of it");
    auto* const exporting = add("export", "All records as lines of JSON, or as Protobuf");
    DumpFormat format = DumpFormat::json;
    exporting->add_option("--format", format, "json or protobuf; default: json")
        ->transform(CLI::CheckedTransformer(std::map<std::string, DumpFormat>{
            {"json", DumpFormat::json}, {"protobuf", DumpFormat::protobuf}}))
        ->option_text("FORMAT");
    const auto* const importing = add("import", "What was exported, into a new directory");
    const auto* const compacting = add("compact", "Give room back");
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return one_line(std::string{error.what()} + "; `touchstone ctl --help` has examples",
                        ExitCode::usage_error);
    }
    if (!*verifying && !*exporting && !*importing && !*compacting) {
        return one_line("nothing to do; give `store` and one of verify, export, import, compact; "
                        "`touchstone ctl --help` has examples",
                        ExitCode::usage_error);
    }
    // What is exported goes to the output, so the log does not.
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "touchstone", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
    try {
        if (*importing) return import_all(path);
        DataDirectory directory{path, DataDirectory::Missing::refuse};
        if (*verifying) return verify(directory);
        return *exporting ? export_all(directory, format) : compact(directory);
    } catch (const DamageError& error) {
        return one_line(error.what(), ExitCode::expectation_failed);
    } catch (const StoreError& error) {
        return one_line(error.what(), ExitCode::usage_error);
    }
}

}  // namespace touchstone::rocksdb_driver
