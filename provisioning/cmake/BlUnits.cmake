# At `cmake --install`: the services start the programs of this prefix. programs, units: folders below it.
foreach(name agent plugins)
  set(file "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${units}/branchline-${name}.service")
  file(READ "${file}" text)
  string(REPLACE "ExecStart=/usr/bin/" "ExecStart=${CMAKE_INSTALL_PREFIX}/${programs}/" text "${text}")
  file(WRITE "${file}" "${text}")
endforeach()
