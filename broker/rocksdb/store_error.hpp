// What is wrong with a data directory, for its operator: the place, the reason, and what to do.
#pragma once

#include <stdexcept>

namespace touchstone::rocksdb_driver {

class StoreError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Something cannot be read, and it was asked not to repair it.
class DamageError : public StoreError {
public:
    using StoreError::StoreError;
};

}  // namespace touchstone::rocksdb_driver
