// The packets of a case as a capture file, for Wireshark and tshark. What was on the wire is known
// above TCP only; addresses, ports and TCP segments around it are made up, one connection per
// Network Connection. Over TLS and WebSocket it therefore shows what was inside.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// A pcapng file (draft-ietf-opsawg-pcapng) with raw IPv4 packets. Times are those of the trace, as
/// from 1970-01-01. Comments name the case, its verdict, and the packet that deviates. The actor
/// "broker" is 10.0.0.1 port 1883, the others follow.
[[nodiscard]] std::string pcapng_of(const results::CaseResult& result);

}  // namespace touchstone::reports
