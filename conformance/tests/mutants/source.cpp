#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance {

namespace {

class Middleman final : public Connection, private Wire {
public:
    Middleman(const Mutant& mutant, std::unique_ptr<Connection> broker, Target& world,
              std::map<std::string, int>& memory_of_case)
        : mutant_{mutant},
          broker_{std::move(broker)},
          world_{world} {
        shared = &memory_of_case;
    }

    bool send(Bytes bytes) override {
        append(from_client_, bytes);
        Buffer raw;
        while (take(from_client_, raw)) {
            Packet packet = decode(raw, version_, Sender::client);
            if (packet.type == PacketType::connect) {
                version_ = packet.version;
                client_id = packet.client_id;
            }
            if (is_closed_ && packet.type == PacketType::pingreq) to_client(hex("d0 00"));
            if (mutant_.on_client && !mutant_.on_client(packet, *this)) continue;
            broker_->send(packet.raw);
        }
        return true;
    }

    Arrival receive(Buffer& into, Instant deadline) override {
        for (;;) {
            if (!for_client_.empty()) {
                append(into, for_client_);
                for_client_.clear();
                return Arrival::bytes;
            }
            if (is_closed_) {
                world_.pass_time_until(deadline);
                return Arrival::deadline;
            }
            const auto arrival = broker_->receive(from_broker_, deadline);
            if (arrival == Arrival::bytes) {
                forward_what_came();
                continue;
            }
            const bool has_ended = arrival == Arrival::closed || arrival == Arrival::reset;
            if (!has_ended || !stays_open_) return arrival;
            is_closed_ = true;
        }
    }

    void close(Ending ending) override { broker_->close(ending); }

private:
    void to_broker(const Buffer& bytes) override { broker_->send(bytes); }
    void to_client(const Buffer& bytes) override { append(for_client_, bytes); }
    void keep_alive_for_ever() override { stays_open_ = true; }

    void forward_what_came() {
        Buffer raw;
        while (take(from_broker_, raw)) {
            Packet packet = decode(raw, version_, Sender::server);
            if (mutant_.on_broker && !mutant_.on_broker(packet, *this)) continue;
            to_client(packet.raw);
        }
    }

    /// Whole packets, and what can never become one.
    static bool take(Buffer& stream, Buffer& raw) {
        return take_packet(stream, raw) != Framing::need_more;
    }

    const Mutant& mutant_;
    std::unique_ptr<Connection> broker_;
    Target& world_;
    ProtocolVersion version_ = ProtocolVersion::v5;
    Buffer from_client_{};
    Buffer from_broker_{};
    Buffer for_client_{};
    bool stays_open_ = false;
    bool is_closed_ = false;  // by the broker, and the client does not know
};

/// A broker's end of a WebSocket, in virtual time.
class WebSocketFront final : public Connection, private FrameSender {
public:
    WebSocketFront(FrameDefect defect, std::unique_ptr<Connection> broker)
        : defect_{defect},
          broker_{std::move(broker)} {}

    bool send(Bytes bytes) override {
        return send(WebSocketMessage{.fragments = {Buffer{bytes.begin(), bytes.end()}}});
    }

    Arrival receive(Buffer& into, Instant deadline) override {
        if (is_closed_) return Arrival::closed;
        Buffer bytes;
        const auto arrival = broker_->receive(bytes, deadline);
        const bool is_pingresp = !bytes.empty() && bytes.front() == std::byte{0xD0};
        if (is_pingresp && defect_ == FrameDefect::text_is_sent) return Arrival::text_frame;
        append(into, bytes);
        return arrival;
    }

    void close(Ending ending) override { broker_->close(ending); }
    FrameSender* frames() override { return this; }

private:
    bool send(const WebSocketMessage& message) override {
        using Kind = WebSocketMessage::Kind;
        const bool is_text = message.kind == Kind::text;
        const bool closes =
            is_text
                ? defect_ != FrameDefect::text_is_taken && defect_ != FrameDefect::text_is_ignored
                : message.kind == Kind::ping && defect_ == FrameDefect::ping_closes;
        if (closes) {
            broker_->close(Ending::finish);
            is_closed_ = true;
        }
        const bool is_lost =
            message.kind == Kind::ping || (is_text && defect_ == FrameDefect::text_is_ignored);
        if (is_closed_ || is_lost) return !is_closed_;
        for (const auto& fragment : message.fragments) {
            broker_->send(taken_from(fragment));
            if (defect_ == FrameDefect::first_fragment_only) break;
        }
        return true;
    }

    /// What the broker takes from a frame.
    [[nodiscard]] Buffer taken_from(Buffer frame) const {
        if (defect_ == FrameDefect::first_32767_bytes_only) {
            frame.resize(std::min<std::size_t>(frame.size(), 32'767));
        }
        if (defect_ != FrameDefect::first_packet_only &&
            defect_ != FrameDefect::whole_packets_only) {
            return frame;
        }
        Buffer taken;
        Buffer raw;
        while (take_packet(frame, raw) != Framing::need_more) {
            append(taken, raw);
            if (defect_ == FrameDefect::first_packet_only) return taken;
        }
        // The beginning of a packet, when it is all there is.
        if (defect_ == FrameDefect::first_packet_only) return frame;
        return taken;
    }

    FrameDefect defect_;
    std::unique_ptr<Connection> broker_;
    bool is_closed_ = false;
};

/// What a broker selects of the subprotocols that it is offered.
std::optional<std::string> selected_of(const std::vector<std::string>& offered,
                                       FrameDefect defect) {
    if (defect == FrameDefect::nothing_selected) return std::nullopt;
    if (defect == FrameDefect::mqtt_always_selected) return "mqtt";
    if (defect == FrameDefect::first_offered_selected && !offered.empty()) return offered.front();
    if (std::ranges::find(offered, "mqtt") == offered.end()) return std::nullopt;
    return "mqtt";
}

class MutantTarget final : public Target {
public:
    MutantTarget(const Mutant& mutant, std::unique_ptr<Target> world)
        : mutant_{mutant},
          world_{std::move(world)} {}

    std::unique_ptr<Connection> open(std::string& problem) override {
        auto broker = world_->open(problem);
        if (broker == nullptr) return nullptr;
        auto middleman = std::make_unique<Middleman>(mutant_, std::move(broker), *world_, memory_);
        if (!mutant_.frames.has_value()) return middleman;
        return std::make_unique<WebSocketFront>(*mutant_.frames, std::move(middleman));
    }
    std::optional<WebSocketHandshake> shake_hands(const std::vector<std::string>& subprotocols,
                                                  std::string& problem) override {
        if (!mutant_.frames.has_value()) return Target::shake_hands(subprotocols, problem);
        WebSocketHandshake handshake{.status = 101,
                                     .subprotocol = selected_of(subprotocols, *mutant_.frames)};
        if (!handshake.subprotocol.has_value() && *mutant_.frames == FrameDefect::none) {
            handshake.status = 400;
            handshake.problem = "HTTP status 400 instead of 101";
        }
        return handshake;
    }
    Instant now() override { return world_->now(); }
    void pass_time_until(Instant instant) override { world_->pass_time_until(instant); }
    bool stop_broker(std::string& problem) override { return world_->stop_broker(problem); }
    bool start_broker(std::string& problem) override { return world_->start_broker(problem); }

private:
    const Mutant& mutant_;
    std::unique_ptr<Target> world_;
    std::map<std::string, int> memory_{};
};

class MutantSource final : public TargetSource {
public:
    explicit MutantSource(const Mutant& mutant)
        : mutant_{mutant},
          own_{make_sim_source(mutant.options)},
          source_{own_.get()} {}
    MutantSource(const Mutant& mutant, TargetSource& source) : mutant_{mutant}, source_{&source} {}

    std::unique_ptr<Target> make(std::uint64_t seed) override {
        return std::make_unique<MutantTarget>(mutant_, source_->make(seed));
    }
    TargetSource* in(Condition condition, std::string& problem) override {
        // One that announces limits has them itself.
        const bool has_it = condition == Condition::reduced &&
                            (mutant_.announces_limits || mutant_.frames.has_value());
        if (condition == Condition::usual || has_it) return this;
        auto& source = conditions_[condition];
        if (source == nullptr) {
            source = std::make_unique<MutantSource>(mutant_, *source_->in(condition, problem));
        }
        return source.get();
    }
    [[nodiscard]] Declaration declaration() const override { return source_->declaration(); }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] bool has_frames() const override { return mutant_.frames.has_value(); }
    [[nodiscard]] std::string url() const override { return "mutant:" + mutant_.name; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    const Mutant& mutant_;
    std::unique_ptr<TargetSource> own_{};
    TargetSource* source_;
    std::map<Condition, std::unique_ptr<TargetSource>> conditions_{};
};

}  // namespace

std::unique_ptr<TargetSource> make_mutant_source(const Mutant& mutant) {
    return std::make_unique<MutantSource>(mutant);
}

}  // namespace touchstone::conformance
