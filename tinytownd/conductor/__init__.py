"""The conductor: hands out work and follows plans. It costs no token."""
