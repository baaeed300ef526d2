# embed_file(OUT_C SYMBOL FILE): at build time makes OUT_C, which defines
#   const unsigned char SYMBOL[] (the file's bytes, then a NUL) and
#   const unsigned long SYMBOL_size (without the NUL).
# Run as a script (cmake -P) it does the work; included it offers the function.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," list "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" list "${list}")
  file(WRITE ${OUT}
    "extern const unsigned char ${SYMBOL}[];\nextern const unsigned long ${SYMBOL}_size;\n"
    "const unsigned char ${SYMBOL}[] = {\n${list}0x00};\n"
    "const unsigned long ${SYMBOL}_size = sizeof(${SYMBOL}) - 1;\n")
  return()
endif()

set(BL_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE} CACHE INTERNAL "")
function(embed_file out symbol file)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DSYMBOL=${symbol} -P ${BL_EMBED_SCRIPT}
    DEPENDS ${file} ${BL_EMBED_SCRIPT} VERBATIM)
endfunction()
