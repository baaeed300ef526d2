# Configuration files that include others, and what is shown of the result.
bl_unit_test(test_conf_include LINK bl_conf)
bl_unit_test(test_conf_nomem NOMEM LINK bl_conf)

# Probes through an HTTP proxy.
bl_unit_test(test_probe_proxy LINK probe_play)
