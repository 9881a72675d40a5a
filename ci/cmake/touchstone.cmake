# How Touchstone's libraries, tests and programs are built.
#
#   touchstone_library(NAME [PURE] SOURCES a.cpp b.proto LINK x y)
#       A static library, or a header-only one when there are no SOURCES. A .proto is compiled by protoc and included as
#       "folder/b.pb.h". PURE is for what must be decided by its input alone: no exceptions, no run-time type information
#       (ci/pure looks at the symbols, too).
#   touchstone_test(NAME SOURCES t.cpp LINK x y [TIMEOUT seconds])
#       GoogleTest and RapidCheck with a main(); each case is an entry of ctest, named and labelled by its folder
#       ("broker/wire"). Runs in the project's root, so data is opened by its path there.
#   touchstone_program(NAME SOURCES m.cpp LINK x y)
#       An executable at the top of the build directory.
#   touchstone_fuzzer(NAME SOURCES f.cpp LINK x y)
#       A libFuzzer target at the top of the build directory; defined only with TOUCHSTONE_FUZZ=ON.
#
# Includes are written from the project's root.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(touchstone_generated_dir ${PROJECT_BINARY_DIR}/generated)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Debug CACHE STRING "Debug or Release" FORCE)
endif()
# Debug is for the loop of a developer: quick to build, quick enough to run, good stack traces.
if(CMAKE_CXX_FLAGS_DEBUG STREQUAL "-g")
    set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1" CACHE STRING "Flags of a Debug build" FORCE)
endif()

# ccache, when it is there. A precompiled header needs the two sloppinesses, by ccache's manual; clang also has to leave
# the time of the header out of it.
find_program(TOUCHSTONE_CCACHE ccache)
if(TOUCHSTONE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${TOUCHSTONE_CCACHE})
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
endif()

add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_compile_options(
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi
    # Designated initializers leave the other fields to their defaults on purpose.
    -Wno-missing-field-initializers
    # No machine's paths in binaries and messages.
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
    # Floating point, where a report needs it, rounds the same way on every machine.
    -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees overlaps in std::string's operator+ that are not there (its bug 105329), and its flow analyses err in
    # std::optional and in templates. clang's, and the sanitizers, look for the same mistakes.
    add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-error=array-bounds -Wno-error=stringop-overflow
                        -Wno-error=stringop-overread)
else()
    # clang counts changes of sign among the conversions, g++ does not; both shall accept the same program.
    add_compile_options(-Wno-sign-conversion)
endif()

if(TOUCHSTONE_SANITIZE STREQUAL "address")
    set(touchstone_sanitizers -fsanitize=address,undefined)
elseif(TOUCHSTONE_SANITIZE STREQUAL "thread")
    set(touchstone_sanitizers -fsanitize=thread)
elseif(TOUCHSTONE_SANITIZE)
    message(FATAL_ERROR "TOUCHSTONE_SANITIZE is '${TOUCHSTONE_SANITIZE}'; it can be address, thread or empty")
endif()
if(TOUCHSTONE_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "TOUCHSTONE_FUZZ needs clang: add -DCMAKE_CXX_COMPILER=clang++")
    endif()
    set(touchstone_sanitizers -fsanitize=fuzzer-no-link,address,undefined)
endif()
if(touchstone_sanitizers)
    # vptr needs run-time type information, which the core does not have.
    add_compile_options(${touchstone_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    if(TOUCHSTONE_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Boost.Asio has fences, which ThreadSanitizer does not follow; its mutexes order the same accesses.
        add_compile_options(-Wno-tsan)
    endif()
    if(NOT TOUCHSTONE_SANITIZE STREQUAL "thread")
        add_compile_options(-fno-sanitize=vptr)
    endif()
    add_link_options(${touchstone_sanitizers})
endif()
if(TOUCHSTONE_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

if(BUILD_TESTING)
    find_package(GTest REQUIRED)
    find_package(rapidcheck REQUIRED)
    include(GoogleTest)
endif()

set(touchstone_pure_options -fno-exceptions -fno-rtti)

# Three precompiled headers, as g++ wants one per set of options: the core's, everybody's, and that of the tests.
set(touchstone_standard_headers
    <algorithm> <array> <chrono> <compare> <concepts> <cstddef> <cstdint> <deque> <functional> <map> <memory> <optional>
    <set> <span> <string> <string_view> <tuple> <type_traits> <utility> <variant> <vector>)
function(touchstone_precompiled NAME)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "OPTIONS;HEADERS;LINK")
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${NAME}.cpp CONTENT "// Carries ${NAME}.\n")
    add_library(${NAME} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/precompiled/${NAME}.cpp)
    target_compile_options(${NAME} PRIVATE ${arg_OPTIONS})
    target_link_libraries(${NAME} PRIVATE ${arg_LINK})
    target_precompile_headers(${NAME} PRIVATE ${arg_HEADERS})
endfunction()
if(TOUCHSTONE_PRECOMPILE)
    touchstone_precompiled(touchstone_precompiled_pure
        OPTIONS ${touchstone_pure_options} HEADERS ${touchstone_standard_headers})
    touchstone_precompiled(touchstone_precompiled_plain
        HEADERS ${touchstone_standard_headers} <iostream> <sstream>)
    if(BUILD_TESTING)
        touchstone_precompiled(touchstone_precompiled_test
            HEADERS ${touchstone_standard_headers} <iostream> <sstream>
                    <gtest/gtest.h> <gmock/gmock.h> <rapidcheck.h> <rapidcheck/gtest.h> <rapidcheck/state.h>
            LINK GTest::gmock rapidcheck rapidcheck_gtest)
    endif()
endif()

# What all targets share: the place includes start from, warnings off in what protoc writes, the precompiled header.
function(touchstone_finish NAME PRECOMPILED)
    if(TOUCHSTONE_PRECOMPILE AND TARGET touchstone_precompiled_${PRECOMPILED})
        target_precompile_headers(${NAME} REUSE_FROM touchstone_precompiled_${PRECOMPILED})
    endif()
endfunction()

# Compiles the .proto files among the sources `in` and leaves the C++ sources in `out`.
function(touchstone_compile_protobuf in out)
    set(sources)
    foreach(source IN LISTS ${in})
        if(NOT source MATCHES "\\.proto$")
            list(APPEND sources ${source})
            if(source MATCHES "\\.pb\\.cc$")
                set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -w SKIP_PRECOMPILE_HEADERS ON)
            endif()
            continue()
        endif()
        cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE proto)
        cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE name)
        string(REGEX REPLACE "\\.proto$" ".pb" stem ${touchstone_generated_dir}/${name})
        add_custom_command(
            OUTPUT ${stem}.cc ${stem}.h
            COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR} --cpp_out=${touchstone_generated_dir} ${proto}
            DEPENDS ${proto}
            COMMENT "protoc ${name}"
            VERBATIM)
        set_source_files_properties(${stem}.cc PROPERTIES COMPILE_OPTIONS -w SKIP_PRECOMPILE_HEADERS ON)
        list(APPEND sources ${stem}.cc ${stem}.h)
    endforeach()
    set(${out} ${sources} PARENT_SCOPE)
endfunction()

function(touchstone_library NAME)
    cmake_parse_arguments(PARSE_ARGV 1 arg "PURE" "" "SOURCES;LINK")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "touchstone_library(${NAME}): '${arg_UNPARSED_ARGUMENTS}' is none of PURE, SOURCES, LINK")
    endif()
    if(NOT arg_SOURCES)
        add_library(${NAME} INTERFACE)
        target_include_directories(${NAME} INTERFACE ${PROJECT_SOURCE_DIR})
        target_link_libraries(${NAME} INTERFACE ${arg_LINK})
        return()
    endif()
    touchstone_compile_protobuf(arg_SOURCES sources)
    add_library(${NAME} STATIC ${sources})
    set_property(GLOBAL APPEND PROPERTY touchstone_objects $<TARGET_OBJECTS:${NAME}>)
    target_include_directories(${NAME} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${NAME} PUBLIC ${arg_LINK})
    if(arg_SOURCES MATCHES "\\.proto")
        file(MAKE_DIRECTORY ${touchstone_generated_dir})
        target_include_directories(${NAME} SYSTEM PUBLIC ${touchstone_generated_dir})
        target_link_libraries(${NAME} PUBLIC protobuf::libprotobuf)
    endif()
    if(arg_PURE)
        target_compile_options(${NAME} PRIVATE ${touchstone_pure_options})
        touchstone_finish(${NAME} pure)
    else()
        touchstone_finish(${NAME} plain)
    endif()
endfunction()

function(touchstone_program NAME)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    add_executable(${NAME} ${arg_SOURCES})
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${NAME} PRIVATE ${arg_LINK})
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    touchstone_finish(${NAME} plain)
endfunction()

function(touchstone_test NAME)
    if(NOT BUILD_TESTING)
        return()
    endif()
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(${NAME} ${arg_SOURCES})
    target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${NAME} PRIVATE ${arg_LINK} GTest::gmock GTest::gtest_main rapidcheck rapidcheck_gtest)
    touchstone_finish(${NAME} test)
    cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE folder)
    string(REGEX REPLACE "/tests$" "" folder ${folder})
    gtest_discover_tests(${NAME}
        DISCOVERY_MODE PRE_TEST
        DISCOVERY_TIMEOUT 60
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
        TEST_PREFIX ${folder}:
        PROPERTIES LABELS ${folder} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT RC_PARAMS=${TOUCHSTONE_RAPIDCHECK})
endfunction()

function(touchstone_fuzzer NAME)
    if(NOT TOUCHSTONE_FUZZ)
        return()
    endif()
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    touchstone_program(${NAME} SOURCES ${arg_SOURCES} LINK ${arg_LINK})
    target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
endfunction()
