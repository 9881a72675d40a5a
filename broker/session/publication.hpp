// Publication: one Application Message while it is handed to its receivers. The message is copied
// only when somebody has to keep it, and encoded once for all who get the same bytes
// (EncodedPublishes).
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "broker/base/message.hpp"
#include "broker/storage/ledger.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

/// Views of the message, which outlives them.
[[nodiscard]] inline MessageFields fields_of(const Message& message) {
    return {.topic = message.topic(),
            .payload = message.payload(),
            .properties = message.properties(),
            .qos = message.qos(),
            .retain = message.retain(),
            .expires_at = message.expires_at(),
            .publisher = message.publisher()};
}

class Publication {
public:
    /// `fields`, what it views and `pool` (null: none) outlive the Publication.
    explicit Publication(const MessageFields& fields, MessagePool* pool = nullptr)
        : fields_{fields},
          pool_{pool} {}
    explicit Publication(MessageRef message)
        : fields_{fields_of(*message)},
          message_{std::move(message)} {}
    Publication(const Publication&) = delete;
    Publication& operator=(const Publication&) = delete;

    [[nodiscard]] const MessageFields& fields() const { return fields_; }
    /// The message to keep; made at the first call.
    const MessageRef& message() {
        if (message_) return message_;
        // A Retained Message is there to stay.
        message_ = pool_ == nullptr || fields_.retain ? Message::make(fields_)
                                                      : Message::make(fields_, *pool_);
        return message_;
    }

    /// The record of message(), once somebody has needed it.
    const storage::MessageShare& kept(storage::Ledger& ledger) {
        if (!share_) share_ = ledger.keep(message());
        return share_;
    }
    /// It is in storage already.
    void set_kept(storage::MessageShare share) { share_ = std::move(share); }

    /// After a crash it is not published again: what it causes leaves after that is stored.
    bool is_once = false;
    /// Names this publication among those that EncodedPublishes has seen; 0: not seen yet.
    std::uint64_t serial = 0;

private:
    MessageFields fields_;
    MessagePool* pool_ = nullptr;
    MessageRef message_;
    storage::MessageShare share_;
};

/// PUBLISH packets as they go to receivers without Subscription Identifiers, for a first transmission:
/// made once for each form a publication is sent in. The buffers are kept from one publication to the
/// next.
class EncodedPublishes {
public:
    struct Encoded {
        Buffer bytes;  // the whole packet, or its head when the payload is sent from where it lies
        std::size_t packet_id_at = 0;  // offset of the Packet Identifier; 0: QoS 0
        std::uint64_t serial = 0;      // of the publication it was made for
    };

    /// The place for one form of `publication`; to be filled when its serial is another one.
    Encoded& of(Publication& publication, bool v5, QoS qos, bool retain) {
        if (publication.serial == 0) publication.serial = ++last_serial_;
        return forms_[(v5 ? 6U : 0U) + static_cast<unsigned>(qos) * 2 + (retain ? 1 : 0)];
    }

private:
    std::array<Encoded, 12> forms_;
    std::uint64_t last_serial_ = 0;
};

}  // namespace touchstone
