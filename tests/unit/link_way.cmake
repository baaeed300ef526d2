# Proxy and WebSocket: what is read from them, without a network.
bl_unit_test(test_link_way LINK bl_link bl_mbedtls)
target_include_directories(test_link_way PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../shared/link)
