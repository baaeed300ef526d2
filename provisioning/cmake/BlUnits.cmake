# At `cmake --install`: the services start the programs of this prefix. programs, units: folders below it.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
foreach(name agent plugins)
  set(file "$ENV{DESTDIR}${prefix}/${units}/branchline-${name}.service")
  file(READ "${file}" text)
  string(REPLACE "ExecStart=/usr/bin/" "ExecStart=${prefix}/${programs}/" text "${text}")
  file(WRITE "${file}" "${text}")
endforeach()
