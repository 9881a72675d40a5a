#include "broker/access/flapping.hpp"

namespace touchstone::access {

bool FlappingDetector::on_change(std::string_view client_id, Instant now) {
    while (!by_age_.empty() && now - by_age_.begin()->second->second.begun_at >= threshold_.window)
        forget(by_age_.begin()->second);
    auto found = clients_.find(client_id);
    if (found == clients_.end()) {
        if (clients_.size() == clients_max_) forget(by_age_.begin()->second);
        const auto sequence = next_sequence_++;
        const Watch watch{.sequence = sequence, .begun_at = now, .changes = 0};
        found = clients_.emplace(client_id, watch).first;
        by_age_.emplace(sequence, found);
    }
    if (++found->second.changes <= threshold_.changes_max) return false;
    forget(found);
    return true;
}

void FlappingDetector::forget(Clients::iterator client) {
    by_age_.erase(client->second.sequence);
    clients_.erase(client);
}

}  // namespace touchstone::access
