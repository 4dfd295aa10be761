-- From here on no setting changes.
set lock_configuration = true
