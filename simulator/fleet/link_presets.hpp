// What a kind of link is made of, with sources.
#pragma once

#include <cstdint>

namespace touchstone::simulator::fleet {

/// Units are those of Link in fleet.proto.
struct LinkPreset {
    std::uint32_t latency_us;
    std::uint32_t latency_spread_us;
    std::uint32_t bits_per_s;
    std::uint32_t loss_per_million;
    std::uint32_t retransmit_ms;
    std::uint32_t nat_timeout_s;
    std::uint32_t duty_cycle_per_mille;
};

/// By Link::Kind of fleet.proto. Rates are those of the standards; what no standard says is
/// assumed, and said so.
inline constexpr LinkPreset link_presets[] = {
    // Ethernet in one site: assumed.
    {.latency_us = 200,
     .latency_spread_us = 100,
     .bits_per_s = 1'000'000'000,
     .loss_per_million = 0,
     .retransmit_ms = 200,
     .nat_timeout_s = 0},
    // Wi-Fi behind a home router, broker in a data centre: latency and loss assumed; NAT: RFC 5382
    // demands 2 h 4 min for established connections.
    {.latency_us = 8'000,
     .latency_spread_us = 12'000,
     .bits_per_s = 20'000'000,
     .loss_per_million = 5'000,
     .retransmit_ms = 250,
     .nat_timeout_s = 7'440},
    // LTE: 3GPP TR 25.913 asks for 5 ms in the radio network; with core and internet 25 ms to 55 ms
    // one way are assumed, Cat 1 uplink 5 Mbit/s (3GPP TS 36.306). NAT of carriers: 30 min assumed.
    {.latency_us = 25'000,
     .latency_spread_us = 30'000,
     .bits_per_s = 5'000'000,
     .loss_per_million = 1'000,
     .retransmit_ms = 300,
     .nat_timeout_s = 1'800},
    // NB-IoT: Cat NB1 uplink peak 62.5 kbit/s multi-tone (3GPP Release 13), half of it assumed; up
    // to 10 s are allowed for an exception report (3GPP TR 45.820), 0.3 s to 1.8 s assumed.
    {.latency_us = 300'000,
     .latency_spread_us = 1'500'000,
     .bits_per_s = 30'000,
     .loss_per_million = 20'000,
     .retransmit_ms = 3'000,
     .nat_timeout_s = 1'200},
    // LoRaWAN uplink, one connection for each device by its gateway: EU868 DR5, 5,470 bit/s (RP002,
    // Regional Parameters), 1 % of the time in a band (ETSI EN 300 220); the loss, and 50 ms to
    // 150 ms of gateway and network server, are assumed.
    {.latency_us = 50'000,
     .latency_spread_us = 100'000,
     .bits_per_s = 5'470,
     .loss_per_million = 30'000,
     .retransmit_ms = 2'000,
     .nat_timeout_s = 0,
     .duty_cycle_per_mille = 10},
};

}  // namespace touchstone::simulator::fleet
