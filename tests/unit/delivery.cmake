# The uplink and the spool, joined: what becomes of a word that the other one could not take.
bl_unit_test(test_delivery SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_delivery agent_spool)
