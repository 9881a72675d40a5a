#include "load/interval_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace touchstone::load {

IntervalLog::IntervalLog(std::int64_t started_unix_ms)
    : text_{fmt::format(
          "#[Written by touchstone load; values are nanoseconds, Interval_Max milliseconds]\n"
          "#[Histogram log format version 1.3]\n"
          "#[StartTime: {}.{:03} (seconds since epoch), {:%a %b %d %H:%M:%S} UTC {:%Y}]\n"
          "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_"
          "Histogram\"\n",
          started_unix_ms / 1'000, started_unix_ms % 1'000,
          fmt::gmtime(static_cast<std::time_t>(started_unix_ms / 1'000)),
          fmt::gmtime(static_cast<std::time_t>(started_unix_ms / 1'000)))} {}

void IntervalLog::add(std::string_view tag, Nanos from, Nanos length, const Histogram& histogram) {
    if (histogram.count() == 0) return;
    text_ +=
        fmt::format("Tag={},{:.3f},{:.3f},{:.3f},{}\n", tag, in_seconds(from), in_seconds(length),
                    static_cast<double>(histogram.max()) / static_cast<double>(millisecond),
                    histogram.encode_compressed_base64());
}

}  // namespace touchstone::load
