// The lines of password_file and client_id_list: made from a password that is read from standard
// input, so that it appears in no list of processes and in no history of a shell.
#pragma once

#include <string>

#include "broker/settings/credentials.hpp"

namespace touchstone::asio_driver {

/// Prints the line for `name`; the password is the first line of standard input, which is asked for
/// twice and not shown when it comes from a terminal. Returns the exit code.
int hash_password(const std::string& name, settings::CredentialKind kind);

}  // namespace touchstone::asio_driver
