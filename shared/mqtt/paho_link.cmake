# Makes TO from Paho's archive FROM: `connect` becomes `bl_link_paho_connect`,
# and the result is refused unless that happened in exactly one place.  What
# mqtt_lean.c has without tracing becomes weak; all of it has to be there.
set(lean StackTrace_entry StackTrace_exit Log)
file(COPY_FILE ${FROM} ${TO}.part)
list(TRANSFORM lean PREPEND "--weaken-symbol=" OUTPUT_VARIABLE weaken)
if(SMALL) # without tables for unwinding the stack: it cancels no thread
  list(APPEND weaken --remove-section=.eh_frame)
endif()
execute_process(COMMAND ${OBJCOPY} --redefine-sym connect=bl_link_paho_connect ${weaken} ${TO}.part
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${NM} ${TO}.part OUTPUT_VARIABLE symbols ERROR_QUIET
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${NM} -u ${TO}.part OUTPUT_VARIABLE undefined ERROR_QUIET
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[ \t]U bl_link_paho_connect\n" led "${undefined}")
string(REGEX MATCHALL "[ \t]U connect(@[^\n]*)?\n" left "${undefined}")
list(LENGTH led led_count)
list(LENGTH left left_count)
if(NOT led_count EQUAL 1 OR NOT left_count EQUAL 0)
  file(REMOVE ${TO}.part)
  message(FATAL_ERROR "${FROM}: expected one use of connect(2), led to bl_link_paho_connect; "
    "found ${led_count} led and ${left_count} left. This Paho is not the one that was looked at.")
endif()
foreach(name IN LISTS lean)
  if(NOT symbols MATCHES " W ${name}\n")
    file(REMOVE ${TO}.part)
    message(FATAL_ERROR "${FROM}: no ${name}. This Paho is not the one that was looked at.")
  endif()
endforeach()
file(RENAME ${TO}.part ${TO})
