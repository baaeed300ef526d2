# Makes TO from Paho's archive FROM: `connect` becomes `bl_link_paho_connect`,
# and the result is refused unless that happened in exactly one place.  What
# mqtt_trace.c has without tracing becomes weak; all of it has to be there.
# LEAN: the objects that are never used here are left out, too; mqtt_lean.c has what
# the rest calls of them, and those have to be the functions that were looked at.
set(trace StackTrace_entry StackTrace_exit Log)
set(out Log StackTrace Messages WebSocket SHA1 Base64 Proxy MQTTPersistence MQTTPersistenceDefault)
set(lean
  StackTrace_entry StackTrace_exit
  Log Log_initialize Log_terminate Log_setTraceCallback Log_setTraceLevel
  WebSocket_connect WebSocket_upgrade WebSocket_close WebSocket_getch WebSocket_getdata
  WebSocket_framePos WebSocket_framePosSeekTo WebSocket_putdatas WebSocket_terminate
  Proxy_connect Base64_encode Base64_encodeLength
  MQTTPersistence_create MQTTPersistence_initialize MQTTPersistence_close
  MQTTPersistence_restoreMessageQueue MQTTPersistence_putPacket MQTTPersistence_remove
  MQTTPersistence_persistQueueEntry MQTTPersistence_unpersistQueueEntry)

function(refuse why)
  file(REMOVE ${TO}.part)
  message(FATAL_ERROR "${FROM}: ${why}. This Paho is not one that was looked at.")
endfunction()

file(COPY_FILE ${FROM} ${TO}.part)
set(change)
if(LEAN)
  list(TRANSFORM out APPEND .c.o OUTPUT_VARIABLE objects)
  execute_process(COMMAND ${AR} d ${TO}.part ${objects} COMMAND_ERROR_IS_FATAL ANY)
else()
  list(TRANSFORM trace PREPEND "--weaken-symbol=" OUTPUT_VARIABLE change)
endif()
if(SMALL) # without tables for unwinding the stack: it cancels no thread
  list(APPEND change --remove-section=.eh_frame)
endif()
execute_process(COMMAND ${OBJCOPY} --redefine-sym connect=bl_link_paho_connect ${change} ${TO}.part
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
  refuse("expected one use of connect(2), led to bl_link_paho_connect; found ${led_count} led and ${left_count} left")
endif()
if(LEAN) # what it calls beyond these does not link
  foreach(name IN LISTS lean)
    if(NOT undefined MATCHES "[ \t]U ${name}\n")
      refuse("nothing calls ${name}")
    endif()
  endforeach()
else()
  foreach(name IN LISTS trace)
    if(NOT symbols MATCHES " W ${name}\n")
      refuse("no ${name}")
    endif()
  endforeach()
endif()
file(RENAME ${TO}.part ${TO})
