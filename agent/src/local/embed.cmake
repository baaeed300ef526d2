# The page's files as C arrays: local_files.c in the build folder, made anew when one changes.
# cmake -DOUT=FILE -DFROM=DIR -P embed.cmake
set(text "/* Made by embed.cmake from page/. */\n#include \"local_files.h\"\n\n")
set(list "")
foreach(row "/|index.html|text/html" "/page.js|page.js|text/javascript" "/page.css|page.css|text/css")
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 path)
  list(GET row 1 file)
  list(GET row 2 type)
  file(READ ${FROM}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(MAKE_C_IDENTIFIER ${file} name)
  string(APPEND text "static const unsigned char ${name}[] = {${bytes}};\n"
    "static const size_t ${name}_len = sizeof(${name});\n")
  string(APPEND list "\t{ \"${path}\", \"${type}; charset=utf-8\", ${name}, &${name}_len },\n")
endforeach()
file(WRITE ${OUT} "${text}\nconst struct local_file local_files[] = {\n${list}\t{ 0 },\n};\n")
