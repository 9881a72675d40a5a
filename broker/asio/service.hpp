// Service: a node with all that an operator's settings ask for: who knows the clients, what is told
// under `$SYS`, and other settings without an interruption.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/asio/authentication_service.hpp"
#include "broker/asio/node.hpp"
#include "broker/asio/sys_topics.hpp"
#include "broker/settings/load.hpp"
#include "broker/settings/node_settings.hpp"

namespace touchstone::asio_driver {

class Service {
public:
    /// `settings` were loaded from `sources`. `on_stopped` is Node::Options::on_stopped. Throws
    /// OperatorError, std::system_error.
    Service(settings::Sources sources, std::shared_ptr<const settings::NodeSettings> settings,
            std::function<void()> on_stopped, std::optional<RecordOptions> record = {});
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void start() { node_.start(); }

    // What follows: in one thread.

    /// Reads the sources again. When nothing is wrong with any of them, what can change in a
    /// running process changes; else nothing does. What it comes to is logged.
    void reload();
    /// Publishes the node's figures; its time and how long it has been up.
    void publish_figures();
    void publish_heartbeat();
    [[nodiscard]] Duration sys_interval() const { return settings_->policy.sys_interval; }
    [[nodiscard]] Duration sys_heartbeat() const { return settings_->policy.sys_heartbeat; }
    void stop() { node_.stop(); }

    [[nodiscard]] Node& node() { return node_; }

private:
    [[nodiscard]] Node::Options node_options(std::function<void()> on_stopped,
                                             std::optional<RecordOptions> record);

    const settings::Sources sources_;
    std::shared_ptr<const settings::NodeSettings> settings_;
    std::shared_ptr<const access::NodeRules> rules_;
    std::vector<ListenerOptions> listeners_;  // those that are open, in their order
    SysTopics topics_;
    const std::chrono::steady_clock::time_point started_at_;
    // Its threads deliver to the node, whose threads ask it: it is there first, and quiet last.
    std::unique_ptr<AuthenticationService> authentication_;
    Node node_;
};

/// The log goes to standard error. Before there are threads.
void set_up_log(settings::LogLevel level);

}  // namespace touchstone::asio_driver
