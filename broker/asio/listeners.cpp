#include "broker/asio/listeners.hpp"

#include <algorithm>
#include <chrono>

namespace touchstone::asio_driver {

std::vector<ListenerOptions> plain_listeners(const std::vector<Endpoint>& endpoints) {
    using namespace std::chrono_literals;
    std::vector<ListenerOptions> all;
    for (const Endpoint& endpoint : endpoints) {
        settings::Listener one;
        one.name = endpoint.to_text();
        // An Endpoint's address was checked when it was read.
        one.address = {access::PeerAddress::from_text(endpoint.address).value(), endpoint.port};
        one.backlog = 4096;
        one.send_timeout = 15s;
        all.push_back({std::move(one), access::ListenerIndex{0}});
    }
    return all;
}

void SharedListener::set_rate(std::optional<access::Rate> rate, Instant now) {
    const std::scoped_lock lock{mutex_};
    counted_at_ = std::max(counted_at_, now);
    if (!rate) {
        bucket_.reset();
    } else if (bucket_) {
        bucket_->change(*rate, counted_at_);
    } else {
        bucket_.emplace(*rate, counted_at_);
    }
    has_rate_.store(rate.has_value(), std::memory_order_relaxed);
}

Duration SharedListener::count_accepted(Instant now) {
    if (!has_rate_.load(std::memory_order_relaxed)) return Duration::zero();
    const std::scoped_lock lock{mutex_};
    counted_at_ = std::max(counted_at_, now);
    return bucket_ ? bucket_->take(1, counted_at_) : Duration::zero();
}

}  // namespace touchstone::asio_driver
