# HTTP for programs of this machine: heads, where it listens.
bl_unit_test(test_http_head LINK agent_http)
bl_unit_test(test_http_listen LINK agent_http)
