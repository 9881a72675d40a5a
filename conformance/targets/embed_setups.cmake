# Writes the files of targets/setups into a C++ source, so that the executable needs no file beside it.
# Called with -DOUTPUT=file.cpp -DFOLDER=the folder of the files.
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)
set(source "// Written by conformance/targets/embed_setups.cmake.\n#include \"conformance/targets/sim.hpp\"\n\n")
string(APPEND source "namespace touchstone::conformance::detail {\n\nconst std::map<std::string, std::string, std::less<>> setup_files{\n")
foreach(name IN LISTS files)
    file(READ ${FOLDER}/${name} text)
    string(APPEND source "    {\"${name}\", R\"setup(${text})setup\"},\n")
endforeach()
string(APPEND source "};\n\n}  // namespace touchstone::conformance::detail\n")
file(WRITE ${OUTPUT} "${source}")
