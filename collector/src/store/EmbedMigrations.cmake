# embed_migrations(OUT_C SYMBOL FILE...): at build time makes OUT_C, which
# defines `const struct store_migration SYMBOL[]`: the version (the number that
# a file's name begins with), the name and the text of each file; the last has
# a NULL text.  Bytes, not string literals: those end at 4095 characters.
if(CMAKE_SCRIPT_MODE_FILE)
  set(code "#include \"store_internal.h\"\n")
  set(table)
  string(REPLACE "|" ";" FILES "${FILES}") # a list does not survive a command line
  foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME_WE)
    if(NOT name MATCHES "^0*([0-9]+)-")
      message(FATAL_ERROR "${file}: a migration's name begins with its number: 001-first.sql")
    endif()
    set(version ${CMAKE_MATCH_1})
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," list "${bytes}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
      list "${list}")
    string(APPEND code "static const char sql_${version}[] = {\n${list}0x00};\n")
    string(APPEND table "\t{ ${version}, \"${name}\", sql_${version} },\n")
  endforeach()
  file(WRITE ${OUT} "${code}const struct store_migration ${SYMBOL}[] = {\n${table}\t{ 0, NULL, NULL },\n};\n")
  return()
endif()

set(STORE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(embed_migrations out symbol)
  string(REPLACE ";" "|" files "${ARGN}")
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DFILES=${files}" -DOUT=${out} -DSYMBOL=${symbol}
      -P ${STORE_EMBED_SCRIPT}
    DEPENDS ${ARGN} ${STORE_EMBED_SCRIPT} VERBATIM)
endfunction()
