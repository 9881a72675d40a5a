#include "broker/base/message.hpp"

#include <cstring>
#include <new>

#include "broker/base/check.hpp"

namespace touchstone {

MessageRef Message::make(const MessageFields& fields) {
    CHECK(fields.topic.size() <= 65'535);  // §1.5.4: a string's length is two bytes
    const auto size = sizeof(Message) + fields.topic.size() + fields.properties.size() +
                      fields.payload.size();
    return MessageRef{new (::operator new(size)) Message{fields}};
}

Message::Message(const MessageFields& fields)
    : payload_size_{static_cast<std::uint32_t>(fields.payload.size())},
      properties_size_{static_cast<std::uint32_t>(fields.properties.size())},
      topic_size_{static_cast<std::uint16_t>(fields.topic.size())},
      qos_{fields.qos},
      retain_{fields.retain},
      expires_at_{fields.expires_at},
      publisher_{fields.publisher} {
    auto* to = reinterpret_cast<char*>(this + 1);
    const auto put = [&to](const void* from, std::size_t size) {
        if (size != 0) std::memcpy(to, from, size);
        to += size;
    };
    put(fields.topic.data(), fields.topic.size());
    put(fields.properties.data(), fields.properties.size());
    put(fields.payload.data(), fields.payload.size());
}

void Message::release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    auto* self = const_cast<Message*>(this);
    self->~Message();
    ::operator delete(self);
}

}  // namespace touchstone
