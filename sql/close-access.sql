-- From here on no file but the allowed ones, no network, no extension.
set enable_external_access = false
