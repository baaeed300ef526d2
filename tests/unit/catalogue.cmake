# The catalogue of metrics against the sources of samplers and probes.
bl_unit_test(test_catalogue LINK bl_catalogue)
