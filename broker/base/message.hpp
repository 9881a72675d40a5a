// Message: an Application Message on its way from a publisher to its receivers. Made once, never
// changed, shared by every queue, window and shard that holds it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"

namespace touchstone {

/// What a message is made of. The views are copied when the Message is made.
struct MessageFields {
    std::string_view topic;
    Bytes payload;
    Bytes properties;  // encoded as on the wire; only those a server forwards (v5 §3.3.2.3)
    QoS qos = QoS::at_most_once;
    bool retain = false;            // as the publisher set it
    Instant expires_at = never;     // Message Expiry Interval (v5 §3.3.2.3.3)
    std::uint64_t publisher = 0;    // hash of the publisher's Client Identifier, for No Local
};

class MessageRef;
class MessageMemory;

/// The memory a shard uses again and again for messages that come and go. It belongs to one thread;
/// its messages may go to others, end there, and outlive it. Bounded: what is beyond it or too long
/// for it comes from the heap.
class MessagePool {
public:
    MessagePool();
    ~MessagePool();
    MessagePool(const MessagePool&) = delete;
    MessagePool& operator=(const MessagePool&) = delete;

private:
    friend class Message;
    MessageMemory* memory_;  // goes with the last of its messages
};

/// One block of memory: this header, then topic, properties and payload.
class Message {
public:
    /// Copies `fields`. The only ways to get a Message. The one from a pool is for messages that are
    /// not meant to stay.
    static MessageRef make(const MessageFields& fields);
    static MessageRef make(const MessageFields& fields, MessagePool& pool);

    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    [[nodiscard]] std::string_view topic() const { return {text(), topic_size_}; }
    [[nodiscard]] Bytes properties() const {
        return as_bytes({text() + topic_size_, properties_size_});
    }
    [[nodiscard]] Bytes payload() const {
        return as_bytes({text() + topic_size_ + properties_size_, payload_size_});
    }
    [[nodiscard]] QoS qos() const { return qos_; }
    [[nodiscard]] bool retain() const { return retain_; }
    [[nodiscard]] Instant expires_at() const { return expires_at_; }
    [[nodiscard]] std::uint64_t publisher() const { return publisher_; }
    /// What size_bytes() of a message with these fields is.
    [[nodiscard]] static std::size_t size_bytes_of(const MessageFields& fields) {
        return sizeof(Message) + fields.topic.size() + fields.properties.size() +
               fields.payload.size();
    }
    /// Memory taken, in bytes, for quotas.
    [[nodiscard]] std::size_t size_bytes() const {
        return sizeof(Message) + topic_size_ + properties_size_ + payload_size_;
    }

private:
    friend class MessageRef;
    Message(const MessageFields& fields, MessageMemory* memory);
    ~Message() = default;

    [[nodiscard]] const char* text() const { return reinterpret_cast<const char*>(this + 1); }
    // Shards of one node share messages, so the count is atomic. Whoever has the only reference has
    // nobody to compete with, which spares the locked instruction.
    void refer() const {
        if (references_.load(std::memory_order_relaxed) == 1)
            references_.store(2, std::memory_order_relaxed);
        else
            references_.fetch_add(1, std::memory_order_relaxed);
    }
    void release() const {
        if (references_.load(std::memory_order_acquire) == 1 ||
            references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            end();
    }
    void end() const;

    MessageMemory* memory_;  // where its memory goes back to; null: the heap
    mutable std::atomic<std::uint32_t> references_{1};
    std::uint32_t payload_size_;
    std::uint32_t properties_size_;
    std::uint16_t topic_size_;
    QoS qos_;
    bool retain_;
    Instant expires_at_;
    std::uint64_t publisher_;
};

/// A counted reference to a Message; empty by default. Used by one thread at a time, also for copying
/// it: a thread that shares a message has a reference of its own.
class MessageRef {
public:
    MessageRef() = default;
    MessageRef(const MessageRef& other) : message_{other.message_} {
        if (message_ != nullptr) message_->refer();
    }
    MessageRef(MessageRef&& other) noexcept : message_{std::exchange(other.message_, nullptr)} {}
    MessageRef& operator=(MessageRef other) noexcept {
        std::swap(message_, other.message_);
        return *this;
    }
    ~MessageRef() {
        if (message_ != nullptr) message_->release();
    }

    [[nodiscard]] explicit operator bool() const { return message_ != nullptr; }
    const Message& operator*() const { return *message_; }
    const Message* operator->() const { return message_; }

private:
    friend class Message;
    explicit MessageRef(const Message* message) : message_{message} {}

    const Message* message_ = nullptr;
};

}  // namespace touchstone
