// `touchstone simulate` alone, for ci/determinism: it needs the simulator and the core, and so four
// builds of it with two compilers stay cheap. Leaves everything else to simulator/command.hpp.

#include "simulator/command.hpp"

int main(int argument_count, char** arguments) {
    return touchstone::simulator::simulate_command(argument_count, arguments);
}
