"""3MF Secure Content 1.0.3: models encrypted for consumers with RSA keys, written and opened.

What is written and what is believed of what is read: docs/formats/secure-content.md.
"""
