// Publication: one Application Message while it is handed to its receivers. The message is copied
// only when somebody has to keep it, and encoded once for all who get the same bytes.
#pragma once

#include <array>
#include <cstdint>

#include "broker/base/message.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

class Publication {
public:
    /// `fields` and what it views outlive the Publication.
    explicit Publication(const MessageFields& fields) : fields_{fields} {}
    explicit Publication(MessageRef message)
        : fields_{.topic = message->topic(),
                  .payload = message->payload(),
                  .properties = message->properties(),
                  .qos = message->qos(),
                  .retain = message->retain(),
                  .expires_at = message->expires_at(),
                  .publisher = message->publisher()},
          message_{std::move(message)} {}
    Publication(const Publication&) = delete;
    Publication& operator=(const Publication&) = delete;

    [[nodiscard]] const MessageFields& fields() const { return fields_; }
    /// The message to keep; made at the first call.
    const MessageRef& message() {
        if (!message_) message_ = Message::make(fields_);
        return message_;
    }

    /// PUBLISH as it goes to a receiver without Subscription Identifiers, for a first transmission:
    /// the whole packet, or its head when the payload is sent from where it lies.
    struct Encoded {
        Buffer bytes;
        std::size_t packet_id_at = 0;  // offset of the Packet Identifier; 0: QoS 0
        bool made = false;
    };
    Encoded& encoded(bool v5, QoS qos, bool retain) {
        return encoded_[(v5 ? 6U : 0U) + static_cast<unsigned>(qos) * 2 + (retain ? 1 : 0)];
    }

private:
    MessageFields fields_;
    MessageRef message_;
    std::array<Encoded, 12> encoded_;
};

}  // namespace touchstone
